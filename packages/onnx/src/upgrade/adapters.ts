/**
 * What changed in incompatible ways between versions of the standard operator set, and how a node of the older version
 * is written in the newer. The table is complete for the operators in `EXAMINED`: a version that is not listed for one
 * of them only widened types or added attributes whose defaults keep the old meaning.
 *
 * Source: the version history of each operator in docs/Changelog.md of onnx.
 */
import { intAttribute, stringAttribute } from '../ir/attribute.ts';
import type { OnnxDType } from '../ir/dtype.ts';
import {
  createNode,
  getFloat,
  getFloats,
  getInt,
  getInts,
  getString,
  type Node,
  withAttributes,
  withNode,
} from '../ir/node.ts';
import type { Shape } from '../ir/type.ts';

/** What an adapter can ask and make. */
export interface AdapterTools {
  /** The type of a value before the upgrade, as far as it is known. */
  dtype(name: string): OnnxDType | undefined;
  shape(name: string): Shape | null;
  /** True when a node or a graph output reads the value. */
  isUsed(name: string): boolean;
  /** An int64 list as a constant; its name. Equal lists are one constant. */
  integers(base: string, values: readonly number[]): string;
  /** A new constant of rank `rank` (0 or 1) and a float type; its name. */
  floats(base: string, values: readonly number[], dtype: OnnxDType, rank: 0 | 1): string;
  /** A name for a new value. */
  name(base: string): string;
}

/** The nodes that take the place of `node`, or why there are none. */
export type Adapter = (node: Node, tools: AdapterTools) => readonly Node[] | string;

const output = (node: Node): string => node.outputs[0] ?? '';
const input = (node: Node, index = 0): string => node.inputs[index] ?? '';

/** An integer-list attribute becomes input number `index`. */
function listToInput(attribute: string, index: number): Adapter {
  return (node, tools) => {
    const values = getInts(node, attribute);
    if (values === undefined) return [node];
    const inputs = [...node.inputs];
    while (inputs.length < index) inputs.push('');
    inputs[index] = tools.integers(`${output(node)}_${attribute}`, values);
    return [withNode(withAttributes(node, [], [attribute]), { inputs })];
  };
}

/** Attributes min and max become inputs, in the element type of what is clipped. */
const clip: Adapter = (node, tools) => {
  const dtype = tools.dtype(input(node)) ?? 'float32';
  if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16') return `it clips ${dtype}`;
  const bound = (attribute: 'min' | 'max'): string => {
    const value = getFloat(node, attribute);
    return value === undefined ? '' : tools.floats(`${output(node)}_${attribute}`, [value], dtype, 0);
  };
  const inputs = [input(node), bound('min'), bound('max')];
  while (inputs.at(-1) === '') inputs.pop();
  return [withNode(withAttributes(node, [], ['min', 'max']), { inputs })];
};

/** At inference the ratio means nothing, and the mask became boolean. */
const dropout: Adapter = (node, tools) => {
  if (node.outputs.slice(1).some((name) => tools.isUsed(name))) return 'its mask is used, whose type changed';
  return [withNode(withAttributes(node, [], ['ratio', 'is_test']), { outputs: [output(node)] })];
};

/**
 * Until 12, everything from `axis` on was one axis (default 1); since 13, `axis` is the only one (default -1). The two
 * agree where all later axes have size 1; otherwise the input is flattened and the shape restored.
 */
const softmax: Adapter = (node, tools) => {
  const shape = tools.shape(input(node));
  if (shape === null) return 'the rank of its input is not known';
  const given = getInt(node, 'axis', 1);
  const axis = given < 0 ? given + shape.length : given;
  const narrow = withAttributes(node, [intAttribute('axis', axis)]);
  if (axis < shape.length && shape.slice(axis + 1).every((dim) => dim === 1)) return [narrow];
  const [flat, done, dims] = ['flat', 'softmax', 'shape'].map((part) => tools.name(`${output(node)}_${part}`));
  return [
    createNode('Shape', [input(node)], [dims ?? ''], { name: tools.name(`${node.name}_shape`) }),
    createNode('Flatten', [input(node)], [flat ?? ''], {
      name: tools.name(`${node.name}_flatten`),
      attributes: [intAttribute('axis', axis)],
    }),
    withNode(withAttributes(node, [intAttribute('axis', 1)]), { inputs: [flat ?? ''], outputs: [done ?? ''] }),
    createNode('Reshape', [done ?? '', dims ?? ''], node.outputs, { name: tools.name(`${node.name}_reshape`) }),
  ];
};

const batchNormalization9: Adapter = (node) =>
  getInt(node, 'spatial', 1) === 1
    ? [withAttributes(node, [], ['spatial'])]
    : 'it normalizes per element (spatial = 0)';

const batchNormalization14: Adapter = (node) =>
  node.outputs.slice(1).some((name) => name !== '')
    ? 'it is in training mode'
    : [withNode(node, { outputs: [output(node)] })];

const slice: Adapter = (node, tools) => {
  const [starts, ends, axes] = [getInts(node, 'starts'), getInts(node, 'ends'), getInts(node, 'axes')];
  if (starts === undefined || ends === undefined) return 'starts or ends are missing';
  const name = output(node);
  const inputs = [input(node), tools.integers(`${name}_starts`, starts), tools.integers(`${name}_ends`, ends)];
  if (axes !== undefined) inputs.push(tools.integers(`${name}_axes`, axes));
  return [withNode(withAttributes(node, [], ['starts', 'ends', 'axes']), { inputs })];
};

const pad: Adapter = (node, tools) => {
  const pads = getInts(node, 'pads');
  if (pads === undefined) return 'pads are missing';
  const dtype = tools.dtype(input(node)) ?? 'float32';
  if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16') return `it pads ${dtype}`;
  const name = output(node);
  const value = tools.floats(`${name}_value`, [getFloat(node, 'value', 0)], dtype, 0);
  return [
    withNode(withAttributes(node, [], ['pads', 'value']), {
      inputs: [input(node), tools.integers(`${name}_pads`, pads), value],
    }),
  ];
};

const topK: Adapter = (node, tools) => {
  const k = getInt(node, 'k');
  if (k === undefined) return 'k is missing';
  return [
    withNode(withAttributes(node, [], ['k']), { inputs: [input(node), tools.integers(`${output(node)}_k`, [k])] }),
  ];
};

const upsample9: Adapter = (node, tools) => {
  const scales = getFloats(node, 'scales');
  if (scales === undefined) return 'its scales are missing';
  const inputs = [input(node), tools.floats(`${output(node)}_scales`, scales, 'float32', 1)];
  return [withNode(withAttributes(node, [], ['scales']), { inputs })];
};

/** Resize of version 10 computed what version 11 calls asymmetric. */
const resize11: Adapter = (node, tools) => {
  const region = tools.floats(`${output(node)}_roi`, [], 'float32', 1);
  const how = [stringAttribute('coordinate_transformation_mode', 'asymmetric')];
  if (getString(node, 'mode', 'nearest') === 'nearest') how.push(stringAttribute('nearest_mode', 'floor'));
  return [withNode(withAttributes(node, how), { inputs: [input(node), region, input(node, 1)] })];
};

/** Parts of unequal size must be named; equal ones since 18 by their number. */
const split18: Adapter = (node) => {
  if (node.inputs.length > 1 || node.attributes.has('num_outputs')) return [node];
  return [withAttributes(node, [intAttribute('num_outputs', node.outputs.length)])];
};

const scan9: Adapter = () => 'its inputs were batched until operator set 8';

const REDUCTIONS_18 = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'];

/** Incompatible changes: operator, version of the set that brought it, adapter. */
export const ADAPTERS: Readonly<Record<string, Readonly<Record<number, Adapter>>>> = {
  BatchNormalization: { 9: batchNormalization9, 14: batchNormalization14 },
  Clip: { 11: clip },
  Dropout: { 10: dropout, 12: dropout },
  Hardmax: { 13: softmax },
  LogSoftmax: { 13: softmax },
  Pad: { 11: pad },
  ReduceSum: { 13: listToInput('axes', 1) },
  ...Object.fromEntries(REDUCTIONS_18.map((name) => [`Reduce${name}`, { 18: listToInput('axes', 1) }])),
  Resize: { 11: resize11 },
  Scan: { 9: scan9 },
  Scatter: { 11: (node) => [withNode(node, { op: 'ScatterElements' })] },
  Slice: { 10: slice },
  Softmax: { 13: softmax },
  Split: { 13: listToInput('split', 1), 18: split18 },
  Squeeze: { 13: listToInput('axes', 1) },
  TopK: { 10: topK },
  Unsqueeze: { 13: listToInput('axes', 1) },
  Upsample: { 9: upsample9, 10: (node) => [withNode(node, { op: 'Resize' })] },
};

/** Operators whose history from `OLDEST_OPSET` to `NEWEST_OPSET` was examined. */
const COMPATIBLE =
  'Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool Bernoulli BitShift Cast CastLike Ceil Celu ' +
  'Compress Concat Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace ' +
  'DequantizeLinear Div DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor GRU Gather ' +
  'GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater GreaterOrEqual HardSigmoid ' +
  'HardSwish Identity If InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log ' +
  'Loop LpNormalization LpPool MatMul MatMulInteger Max MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul ' +
  'Multinomial Neg NonMaxSuppression NonZero Not OneHot Or PRelu Pow QLinearConv QLinearMatMul QuantizeLinear RNN ' +
  'RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal Relu Reshape ReverseSequence Round ' +
  'ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Softplus Softsign SpaceToDepth Sqrt Sub Sum ' +
  'Tan Tanh ThresholdedRelu Tile Transpose Trilu Unique Where Xor';

export const EXAMINED: ReadonlySet<string> = new Set([...COMPATIBLE.split(' '), ...Object.keys(ADAPTERS)]);

export const OLDEST_OPSET = 7;
export const NEWEST_OPSET = 21;

/** Attributes of forms older than `OLDEST_OPSET` that some exporters still write; a node with one is refused. */
export const LEGACY_ATTRIBUTES: readonly string[] = ['consumed_inputs', 'broadcast'];
