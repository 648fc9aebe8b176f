/**
 * The words every room shares. Importing them loads no schema: zod and the schemas of config and manifest are 20 MB and 0.15 s, which
 * a server of a plain model never needs. They are in `@slipway/core/schemas`, and behind what reads files (`readModelDirectory`,
 * `openStore`), which loads them when it is called.
 */
export { type Clock, systemClock } from './clock.ts';
export { castTensor } from './cast.ts';
export type { Config, UserConfig } from './config.ts';
export { defineConfig } from './config/define.ts';
export type { DataSource, GroupFunction, GroupRow, Slicing } from './config/data.ts';
export type { Evidence, Gates, NumericGate } from './config/gates.ts';
export type { MetricCall, MetricFunction, MetricKind, MetricSpec } from './config/metric-schema.ts';
export { custom, metricNameOf } from './config/metrics.ts';
export {
  anyOf,
  between,
  decide,
  type Dimension,
  isPartial,
  optional,
  partial,
  type PartialStep,
  type RecipeStep,
  type Template,
} from './config/choices.ts';
export type { Allowance, SearchPlan } from './config/recipe.ts';
export { type Objective, OBJECTIVES, type Sampler, search, SOURCE_CANDIDATE } from './config/search.ts';
export type { ServingConfig } from './config/serving.ts';
export { countPoints, stepsBetween } from './config/space.ts';
export {
  type Column,
  columnBytes,
  columnOf,
  columnRows,
  type InputColumns,
  isRagged,
  mapColumn,
  pickFrom,
} from './data/column.ts';
export { createDataset, type Dataset, findOverlap, fixedBatch, pickRows, rowsLike, rowsOf } from './data/dataset.ts';
export { loadDataset } from './data/load.ts';
export { canonicalJson, type Digest, digestOf, digestOfFile, digestOfJson, isDigest } from './digest.ts';
export { ensureDirectory, replaceFile } from './durable.ts';
export {
  ARRAY_OF,
  BYTES_PER_ELEMENT,
  type DataOf,
  type DType,
  DTYPES,
  isDType,
  type NumericData,
  type NumericDType,
  type StringElement,
} from './dtype.ts';
export {
  asSlipwayError,
  type ErrorCode,
  type ErrorDefinition,
  type ErrorParams,
  errorTable,
  EXIT,
  fail,
  fromSystemError,
  fromWire,
  type GrpcStatus,
  hasCode,
  SlipwayError,
  type WireError,
} from './errors.ts';
export { FLOAT16_MAX, float16ToFloat32, float16ToNumber, numbersToFloat16, numberToFloat16 } from './float16.ts';
export { tensorFromJson, tensorToJson } from './json-tensor.ts';
export { LIMITS } from './limits.ts';
export { createLogger, LOG_LEVELS, type Logger, type LogLevel } from './log.ts';
export {
  FILE_ROLES,
  type Golden,
  type HostRequirement,
  isModelName,
  isSafeRelativePath,
  type Lineage,
  type LineageStep,
  type Manifest,
  MANIFEST_FILE,
  MANIFEST_SCHEMA,
  type ManifestFile,
  type ServingHints,
} from './manifest.ts';
export { parseNpy, writeNpy } from './npy.ts';
export { type ModelDirectory, readModelDirectory, writeManifest } from './model-directory.ts';
export { readNpz, writeNpz } from './npz.ts';
export {
  batching,
  type CalibrationMethod,
  type CalibrationSpec,
  fuse,
  optimize,
  type PassName,
  type PassOptions,
  type PassSpec,
  prune,
  precision,
  quantize,
  simplify,
} from './passes.ts';
export type { Selection, Selector } from './passes/exclude.ts';
export { dtypeOfDatatype, OIP_DATATYPE } from './oip.ts';
export { randomStream } from './random.ts';
export {
  type CandidateReport,
  type Divergence,
  type Estimate,
  type GateResult,
  type GateSubject,
  type HostFacts,
  type Latency,
  type LayerSensitivity,
  type LayerSparsity,
  type MetricDifference,
  type MetricUnit,
  type MetricValue,
  type Parity,
  type RatioInterval,
  type Report,
  REPORT_SCHEMA,
  type SearchReport,
  type SensitivityReport,
  type Size,
  type SliceValue,
  type StepReport,
  type TensorError,
  type Trial,
  type TrialEnd,
  type Verdict,
} from './report.ts';
export type {
  RunnerStatus,
  ServedModelStatus,
  ServedVersionStatus,
  ServerStatus,
  VersionState,
} from './server-status.ts';
export {
  describeSpec,
  type Dim,
  isBatchable,
  type Signature,
  type TensorSpec,
  UNKNOWN_DIM,
  validateInputs,
  validateLayout,
} from './signature.ts';
export type { Garbage, Reference, Release, ReportReader, Store, StoreMaintenance } from './store.ts';
export { openStore, type OpenStoreOptions } from './store/open.ts';
export { parseReference } from './store/reference.ts';
export { suggest } from './suggest.ts';
export {
  byteLength,
  bytesOf,
  concatRows,
  elementCount,
  fromBytes,
  rows,
  stringElement,
  type Tensor,
  type TensorOf,
  type Tensors,
  tensor,
  textsOf,
} from './tensor.ts';
export { type InputTransform, type OutputTransform, transform, type Transforms } from './transforms.ts';
export {
  describeField,
  type Field,
  type Fields,
  traceInputs,
  traceOutputs,
  TransformProblem,
  writtenBy,
} from './transforms/trace.ts';
export { slipwayVersion } from './version.ts';
