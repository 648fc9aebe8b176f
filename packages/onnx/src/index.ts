/** The ONNX language: models as frozen data, and what can be asked of them and done to them without running them. */
export { type BuildOptions, type Builder, buildGraph, buildModel, type OpOptions } from './build/builder.ts';
export { decoderModel, type DecoderOptions } from './build/decoder.ts';
export { encoderModel, type EncoderOptions } from './build/encoder.ts';
export { mlpModel, type MlpOptions, oneWeightModel } from './build/models.ts';
export { type Change, compareModels, type ModelDifference } from './compare.ts';
export { decodeModel, type DecodeOptions, encodeModel } from './codec/decode.ts';
export { readModelFile, type ReadOptions, writeModelFile, type WriteOptions, type WrittenModel } from './codec/file.ts';
export type { ExternalOptions } from './external/files.ts';
export { type Keep, spillTo } from './external/spill.ts';
export { inlineExternalData } from './external/inline.ts';
export { loadInitializer, readTensorBytes } from './external/load.ts';
export { GraphEditor, type NodeChange } from './graph/editor.ts';
export { constantValue, deduplicateInitializers, eliminateConstants, eliminateDeadCode } from './graph/eliminate.ts';
export { valueDigests } from './graph/digest.ts';
export { editGraphs, type GraphContext, mapGraphs } from './graph/map-graphs.ts';
export { allNames, capturedNames, mapSubgraphs, readNames, subgraphsOf } from './graph/scope.ts';
export { mapTensors, type TensorPlace, tensorsOf } from './graph/tensors.ts';
export { topologicalOrder } from './graph/topological.ts';
export { type Usage, usageOf } from './graph/usage.ts';
export { type Fused, fuse, type FuseOptions, FUSION_TABLE } from './fuse/fuse.ts';
export { type Inference, inferShapes, type InferOptions, type UnknownNode } from './infer/infer.ts';
export { SHAPE_INFERENCE_OPERATORS } from './infer/table.ts';
export {
  type Attribute,
  type AttributeKind,
  type AttributeOf,
  createAttribute,
  floatAttribute,
  floatsAttribute,
  graphAttribute,
  intAttribute,
  intsAttribute,
  isAttributeOf,
  stringAttribute,
  stringsAttribute,
  tensorAttribute,
} from './ir/attribute.ts';
export { ONNX_DTYPES, type OnnxDType, rawByteLength } from './ir/dtype.ts';
export { byteLengthOf, countOf, floatsOf, integersOf, rawBytes, toTensor } from './ir/elements.ts';
export type { ModelFunction } from './ir/function.ts';
export { createGraph, type Graph, type GraphParts, requiredInputs } from './ir/graph.ts';
export {
  createInitializer,
  type ExternalData,
  type FieldData,
  type Initializer,
  initializerOf,
  isExternal,
  type RawData,
  type StringData,
  type TensorData,
} from './ir/initializer.ts';
export {
  createModel,
  DEFAULT_IR_VERSION,
  DEFAULT_OPSET,
  type Model,
  type ModelParts,
  opsetOf,
  withModel,
  withOpset,
} from './ir/model.ts';
export {
  createNode,
  describeNode,
  getFloat,
  getFloats,
  getGraph,
  getInt,
  getInts,
  getString,
  getTensor,
  isOp,
  MS_DOMAIN,
  type Node,
  type NodeOptions,
  opName,
  withAttributes,
  withNode,
} from './ir/node.ts';
export {
  describeType,
  isFixedShape,
  isTensorType,
  type MapType,
  type OpaqueType,
  type OptionalType,
  sameType,
  type SequenceType,
  type Shape,
  shapeSize,
  type SparseTensorType,
  tensorType,
  type TensorType,
  type ValueType,
} from './ir/type.ts';
export { createValueInfo, tensorInfo, type ValueInfo } from './ir/value-info.ts';
export { signatureOf } from './signature-of.ts';
export { dropInitializerInputs, nameNodes, normalise, type NormaliseOptions } from './normalise/normalise.ts';
export { NEWEST_OPSET, OLDEST_OPSET } from './upgrade/adapters.ts';
export { irVersionFor, upgradeOpset } from './upgrade/upgrade.ts';
export { assertModel, checkModel, type CheckOptions } from './check/check.ts';
export type { Problem } from './check/problem.ts';
export { type ModelSummary, summarise, type SummaryOptions, type WeightSummary, zeroShare } from './summarise.ts';
export { applyRewrites, nodeCount, type RewriteOptions, type Simplified } from './simplify/apply.ts';
export { eachNode, onlyAttributes, type Rewrite, type Site } from './simplify/rewrite.ts';
export { REWRITE_TABLE, simplify, type SimplifyOptions } from './simplify/simplify.ts';
