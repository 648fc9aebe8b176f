/**
 * What changed in incompatible ways between versions of the standard operator set, and how a node of the older version
 * is written in the newer. The table is complete for the operators in `EXAMINED`: a version that is not listed for one
 * of them only widened types or added attributes whose defaults keep the old meaning.
 *
 * Source: the version history of each operator in docs/Changelog.md of onnx.
 */
import { intAttribute, intsAttribute, stringAttribute } from '../ir/attribute.ts';
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

/**
 * Before 7, operands were only made to fit when `broadcast` was set, and then the second from axis `axis` on; since 7 always,
 * from the last axis backwards. An operand that stood elsewhere gets the axes of size 1 that put it there.
 */
const broadcast7: Adapter = (node, tools) => {
  const plain = withAttributes(node, [], ['broadcast', 'axis']);
  const axis = getInt(node, 'axis');
  if (getInt(node, 'broadcast', 0) === 0 || axis === undefined) return [plain];
  const [a, b] = [tools.shape(input(node)), tools.shape(input(node, 1))];
  if (a === null || b === null) return 'the ranks of its inputs are not known';
  const from = axis < 0 ? axis + a.length : axis;
  return aligned(plain, 1, b.length, a.length - from - b.length, tools);
};

/** `node` with `count` axes of size 1 appended to an input of the given rank. */
function aligned(
  node: Node,
  index: number,
  rank: number,
  count: number,
  tools: AdapterTools,
): readonly Node[] | string {
  if (count < 0) return 'its second input does not fit the axis it names';
  if (count === 0) return [node];
  const name = tools.name(`${input(node, index)}_aligned`);
  const axes = Array.from({ length: count }, (_, axis) => rank + axis);
  return [
    createNode('Unsqueeze', [input(node, index)], [name], {
      name: tools.name(`${node.name}_align`),
      attributes: [intsAttribute('axes', axes)],
    }),
    withNode(node, { inputs: node.inputs.with(index, name) }),
  ];
}

/** One slope per channel had rank 1 until 6; since 7 it broadcasts like any operand. */
const prelu7: Adapter = (node, tools) => {
  const [x, slope] = [tools.shape(input(node)), tools.shape(input(node, 1))];
  if (slope?.length === 1 && slope[0] === 1) return [node];
  if (x === null || slope === null) return 'the ranks of its inputs are not known';
  return slope.length === 1 && x.length > 2 ? aligned(node, 1, 1, x.length - 2, tools) : [node];
};

const batchNormalization7: Adapter = (node) =>
  getInt(node, 'is_test', 0) === 1 ? [withAttributes(node, [], ['is_test'])] : 'it is in training mode (is_test = 0)';

const without =
  (...attributes: readonly string[]): Adapter =>
  (node) => [withAttributes(node, [], attributes)];

const upsample7: Adapter = (node) => (node.attributes.has('scales') ? [node] : 'its scales are given one by one');

const BROADCAST_7 = ['Add', 'And', 'Div', 'Equal', 'Greater', 'Less', 'Mul', 'Or', 'Pow', 'Sub', 'Xor'];

/** Until 15, corners of regions were not moved by half a pixel. */
const roiAlign16: Adapter = (node) => [
  node.attributes.has('coordinate_transformation_mode')
    ? node
    : withAttributes(node, [stringAttribute('coordinate_transformation_mode', 'output_half_pixel')]),
];

const GRID_MODES: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' };

/** The modes were renamed for grids of more than two dimensions. */
const gridSample20: Adapter = (node) => {
  const mode = GRID_MODES[getString(node, 'mode', 'bilinear')];
  return [mode === undefined ? node : withAttributes(node, [stringAttribute('mode', mode)])];
};

/** The axis became an input, a scalar, whose default is another. */
const dft20: Adapter = (node, tools) => {
  const axis = tools.name(`${output(node)}_axis`);
  const constant = createNode('Constant', [], [axis], {
    name: tools.name(`${node.name}_axis`),
    attributes: [intAttribute('value_int', getInt(node, 'axis', 1))],
  });
  return [constant, withNode(withAttributes(node, [], ['axis']), { inputs: [input(node), input(node, 1), axis] })];
};

/** Scale and bias are per channel since 21; before, they were per group. */
const groupNormalization21: Adapter = (node, tools) => {
  const groups = getInt(node, 'num_groups');
  const channels = tools.shape(input(node))?.[1];
  if (groups === undefined || typeof channels !== 'number') return 'the number of its channels is not known';
  if (channels % groups !== 0) return `${channels} channels cannot be divided into ${groups} groups`;
  if (groups === channels) return [node];
  const made: Node[] = [];
  const step = (op: string, from: string, list: readonly number[]): string => {
    const to = tools.name(`${from}_${op.toLowerCase()}`);
    const inputs = [from, tools.integers(`${to}_shape`, list)];
    made.push(createNode(op, inputs, [to], { name: tools.name(`${node.name}_${op}`) }));
    return to;
  };
  const perChannel = (parameter: string): string =>
    step('Reshape', step('Expand', step('Reshape', parameter, [groups, 1]), [groups, channels / groups]), [channels]);
  const inputs = [input(node), perChannel(input(node, 1)), perChannel(input(node, 2))];
  return [...made, withNode(node, { inputs })];
};

const scan9: Adapter = () => 'its inputs were batched until operator set 8';

const REDUCTIONS_18 = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'];

/** Incompatible changes: operator, version of the set that brought it, adapter. */
export const ADAPTERS: Readonly<Record<string, Readonly<Record<number, Adapter>>>> = {
  ...Object.fromEntries(BROADCAST_7.map((name) => [name, { 7: broadcast7 }])),
  BatchNormalization: { 7: batchNormalization7, 9: batchNormalization9, 14: batchNormalization14 },
  Clip: { 11: clip },
  DFT: { 20: dft20 },
  Dropout: { 7: without('is_test'), 10: dropout, 12: dropout },
  GRU: { 7: without('output_sequence') },
  GridSample: { 20: gridSample20 },
  GroupNormalization: { 21: groupNormalization21 },
  Gemm: { 7: without('broadcast') },
  Hardmax: { 13: softmax },
  LSTM: { 7: without('output_sequence') },
  LogSoftmax: { 13: softmax },
  PRelu: { 7: prelu7 },
  Pad: { 11: pad },
  RNN: { 7: without('output_sequence') },
  ReduceSum: { 13: listToInput('axes', 1) },
  ...Object.fromEntries(REDUCTIONS_18.map((name) => [`Reduce${name}`, { 18: listToInput('axes', 1) }])),
  Resize: { 11: resize11 },
  RoiAlign: { 16: roiAlign16 },
  Scan: { 9: scan9 },
  Scatter: { 11: (node) => [withNode(node, { op: 'ScatterElements' })] },
  Slice: { 10: slice },
  Softmax: { 13: softmax },
  Split: { 13: listToInput('split', 1), 18: split18 },
  Squeeze: { 13: listToInput('axes', 1) },
  TopK: { 10: topK },
  Unsqueeze: { 13: listToInput('axes', 1) },
  Upsample: { 7: upsample7, 9: upsample9, 10: (node) => [withNode(node, { op: 'Resize' })] },
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
  'Tan Tanh ThresholdedRelu Tile Transpose Trilu Unique Where Xor ConcatFromSequence Optional OptionalGetElement ' +
  'OptionalHasElement SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength ' +
  'SplitToSequence StringNormalizer AffineGrid Attention BitCast BitwiseAnd BitwiseNot BitwiseOr BitwiseXor BlackmanWindow ' +
  'CenterCropPad Col2Im CumProd DeformConv Det HammingWindow HannWindow ImageDecoder MaxRoiPool MaxUnpool MelWeightMatrix ' +
  'NegativeLogLikelihoodLoss RMSNormalization RegexFullMatch RotaryEmbedding STFT SequenceMap SoftmaxCrossEntropyLoss ' +
  'StringConcat StringSplit Swish TensorScatter TfIdfVectorizer';

export const EXAMINED: ReadonlySet<string> = new Set([...COMPATIBLE.split(' '), ...Object.keys(ADAPTERS)]);

export const OLDEST_OPSET = 6;
/** The newest that ONNX Runtime 1.30 loads. Sets 22 to 26 only widened types and added operators and optional parts. */
export const NEWEST_OPSET = 26;

/** Attributes that some exporters still write although the version they import no longer has them: version of their end. */
export const LEGACY_ATTRIBUTES: Readonly<Record<string, number>> = { consumed_inputs: 6, broadcast: 7, is_test: 7 };
