/**
 * Which nodes can compute in float16, and which of their inputs and outputs then are.
 *
 * The list is of operators that the standard defines for float16 and that ONNX Runtime 1.30 loads with it, found by loading the
 * node tests of the standard, and models of one node where there is none, with float16 in the place of float32. What is not on it stays float32: a list of exceptions
 * would fail on the first operator nobody thought of.
 */
import { getString, isTensorType, MS_DOMAIN, type Node, opName, subgraphsOf, type ValueType } from '@slipway/onnx';

const STANDARD =
  'Abs Acos Acosh Add AffineGrid ArgMax ArgMin Asin Asinh Atan Atanh Attention AveragePool BatchNormalization Cast CastLike ' +
  'Ceil CenterCropPad Clip Col2Im Compress Concat ConstantOfShape Conv ConvTranspose Cos Cosh DepthToSpace DeformConv Det Div ' +
  'Dropout Einsum Elu Equal Erf Exp Expand Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool ' +
  'GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish Hardmax Identity ' +
  'InstanceNormalization LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul ' +
  'MaxPool MaxUnpool Mean Mish Mul Neg NonZero PRelu Pad Pow RMSNormalization RNN Reciprocal ReduceL1 ReduceL2 ' +
  'ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ' +
  'ReverseSequence RotaryEmbedding Round ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice ' +
  'Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile Transpose ' +
  'Trilu Unsqueeze Where';
const CONTRIBUTED = 'Attention BiasGelu FastGelu FusedMatMul Gelu MultiHeadAttention QuickGelu SkipLayerNormalization';

const ELIGIBLE: ReadonlySet<string> = new Set([
  ...STANDARD.split(' '),
  ...CONTRIBUTED.split(' ').map((op) => `${MS_DOMAIN}.${op}`),
]);

/** Standard from the version on that is named; before it, float32 (and float64) only. */
const SINCE: ReadonlyMap<string, number> = new Map([
  ['Equal', 11],
  ['Round', 11],
  ['Clip', 6],
]);

/** Defined for float16, but left to float32 by common practice: kernels for it are missing or lose too much. */
const BY_PRACTICE: ReadonlySet<string> = new Set(['CumSum', 'Max', 'Min', 'RoiAlign', 'TopK', 'Upsample']);

/** Run in float16, but not with every reduction: the kernel then fails when it is run, not when it is loaded. */
const REDUCES: ReadonlySet<string> = new Set(['ScatterElements', 'ScatterND']);

/** Inputs that are float32 whatever the others are. */
const FLOAT32_INPUTS: ReadonlyMap<string, readonly number[]> = new Map([['Resize', [1, 2]]]);
/** Outputs that are float32 whatever the others are. */
const FLOAT32_OUTPUTS: ReadonlyMap<string, readonly number[]> = new Map([
  ['LayerNormalization', [1, 2]],
  [`${MS_DOMAIN}.SkipLayerNormalization`, [1, 2]],
]);

export type TypeOf = (name: string) => ValueType | undefined;

const isFloat32 = (type: ValueType | undefined): boolean => isTensorType(type) && type.dtype === 'float32';

/** Why a node cannot compute in float16, to follow “stays float32: ”; null when it can; '' when it has nothing to do with it. */
export function whyNot(node: Node, typeOf: TypeOf, opset: number): string | null {
  const names = [...node.inputs, ...node.outputs].filter((name) => name !== '');
  const types = names.map(typeOf);
  if (subgraphsOf(node).length > 0) return '';
  if (!types.some((type) => type === undefined || !isTensorType(type) || isFloat32(type))) return '';
  if (types.some((type) => type === undefined)) return 'its types do not follow from the model';
  if (!types.every(isTensorType)) return 'sequences and optional values keep their type';
  const op = opName(node);
  if (BY_PRACTICE.has(op)) return 'the operator is left in float32 by common practice';
  if (!ELIGIBLE.has(op) || opset < (SINCE.get(op) ?? 0)) {
    return 'the operator has no float16 form that ONNX Runtime runs';
  }
  if (REDUCES.has(op) && getString(node, 'reduction', 'none') !== 'none') {
    return 'ONNX Runtime does not run every reduction of it in float16';
  }
  return null;
}

/** Whether input `index` of a node that computes in float16 becomes float16, if it is float32 now. */
export const narrowsInput = (node: Node, index: number): boolean =>
  !(FLOAT32_INPUTS.get(opName(node))?.includes(index) ?? false);

export const narrowsOutput = (node: Node, index: number): boolean =>
  !(FLOAT32_OUTPUTS.get(opName(node))?.includes(index) ?? false);
