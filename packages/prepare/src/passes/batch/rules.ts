/** Per operator: does it keep rows (axis 0) apart, given how it is used here? The table `flow.ts` follows. */
import { getInt, getInts, type Node } from '@slipway/onnx';

export type State = 'rows' | 'fixed' | 'shape';

export interface RowContext {
  readonly node: Node;
  readonly opset: number;
  readonly state: (input: number) => State;
  readonly rank: (input: number) => number | undefined;
  readonly shape: (input: number) => readonly (number | string)[] | null;
  readonly outputShape: () => readonly (number | string)[] | null;
  /** The integers of a constant input. */
  readonly constant: (input: number) => readonly number[] | undefined;
  /** Ask for another shape constant for this node. */
  readonly rewriteShape: (shape: readonly number[]) => void;
}

/** The state of all outputs, or why rows are not kept apart. */
type Verdict = State | { readonly problem: string };
type Rule = (context: RowContext) => Verdict;

const problem = (text: string): Verdict => ({ problem: text });
const MIXES = problem('it computes across rows');
const UNKNOWN = problem('the rank of its input is not known');

/** Element by element: what comes in comes out. */
const elementwise: Rule = ({ state }) => state(0);

/** Element by element on several inputs: all that have rows must have them on the same axis. */
const broadcast: Rule = ({ node, state, shape }) => {
  const indices = node.inputs.flatMap((name, index) => (name === '' ? [] : [index]));
  if (!indices.some((index) => state(index) === 'rows')) return 'shape';
  const ranks = indices.map((index) => shape(index)?.length);
  if (ranks.some((rank) => rank === undefined)) return UNKNOWN;
  const rank = Math.max(...ranks.map((each) => each ?? 0));
  for (const index of indices) {
    const own = shape(index);
    if (own === null) return UNKNOWN;
    if (state(index) === 'rows' ? own.length !== rank : own.length === rank && own[0] !== 1) {
      return problem('its inputs do not have their rows on the same axis');
    }
  }
  return 'rows';
};

/** Works on the axes after the first of input 0; the other inputs are parameters. */
const perRow: Rule = ({ node, state }) => {
  const others = node.inputs.slice(1).some((name, index) => name !== '' && state(index + 1) === 'rows');
  return others ? problem('a parameter depends on the rows') : state(0);
};

/** Along one axis, given as an attribute. */
const along =
  (fallback: number, oldFallback = fallback): Rule =>
  (context) => {
    const { node, opset, rank } = context;
    if (context.state(0) !== 'rows') return context.state(0);
    return axisVerdict(getInt(node, 'axis', opset < 13 ? oldFallback : fallback), rank(0));
  };

function axisVerdict(axis: number, rank: number | undefined): Verdict {
  if (axis < 0 && rank === undefined) return UNKNOWN;
  return (axis < 0 ? axis + (rank ?? 0) : axis) === 0 ? MIXES : 'rows';
}

/** Over axes given as an attribute or, in newer versions, as input 1. Without axes: over all of them. */
const overAxes: Rule = (context) => {
  const { node, rank, state } = context;
  if (state(0) !== 'rows') return state(0);
  const axes = getInts(node, 'axes') ?? context.constant(1);
  if (axes === undefined || axes.length === 0) return MIXES;
  return axes.map((axis) => axisVerdict(axis, rank(0))).find((verdict) => verdict !== 'rows') ?? 'rows';
};

const unsqueeze: Rule = (context) => {
  const { node, rank, state } = context;
  if (state(0) !== 'rows') return state(0);
  const axes = getInts(node, 'axes') ?? context.constant(1);
  const own = rank(0);
  if (axes === undefined || own === undefined) return UNKNOWN;
  const moved = axes.some((axis) => (axis < 0 ? axis + own + axes.length : axis) === 0);
  return moved ? problem('it puts an axis before the rows') : 'rows';
};

const matMul: Rule = ({ state, rank }) => {
  const [left, right] = [rank(0), rank(1)];
  if (left === undefined || right === undefined) return UNKNOWN;
  if (state(0) === 'rows' && state(1) === 'rows') return left === right && left >= 3 ? 'rows' : MIXES;
  // A matrix per row needs a third axis; a fixed left factor would contract over the rows otherwise.
  if (state(0) === 'rows') return left >= 2 && right <= Math.max(2, left - 1) ? 'rows' : MIXES;
  return right >= 3 && left < right ? 'rows' : MIXES;
};

const gemm: Rule = ({ node, state, shape }) => {
  if (state(0) !== 'rows' || state(1) === 'rows' || getInt(node, 'transA', 0) !== 0) return MIXES;
  if ((node.inputs[2] ?? '') === '' || state(2) === 'rows') return 'rows';
  const bias = shape(2);
  return bias !== null && (bias.length < 2 || bias[0] === 1) ? 'rows' : problem('its bias has one row per input row');
};

const reshape: Rule = (context) => {
  const { node, state } = context;
  if (state(0) !== 'rows') return state(1) === 'fixed' ? state(0) : problem('its shape is computed');
  if (context.opset < 5) return problem('its shape is an attribute');
  const target = context.constant(1);
  // A computed shape follows the batch by itself, or not: the run that compares rows will tell.
  if (target === undefined) return state(1) === 'rows' ? MIXES : 'rows';
  const [first] = target;
  const keepsZero = getInt(node, 'allowzero', 0) !== 0;
  if (first === undefined || (keepsZero && target.includes(0))) return MIXES;
  if (first === 0) return 'rows';
  if (first === -1) return context.outputShape()?.[0] === 1 ? 'rows' : MIXES;
  if (first !== 1) return MIXES;
  // 0 copies the size of the input's axis 0; where zeros are literal, -1 works unless it is taken.
  if (!keepsZero) context.rewriteShape([0, ...target.slice(1)]);
  else if (!target.includes(-1)) context.rewriteShape([-1, ...target.slice(1)]);
  else return problem('its shape leaves no room for the batch');
  return 'rows';
};

/** Stretching axes of one to a constant shape; a computed one follows the batch, or the run that compares rows will tell. */
const expand: Rule = ({ state, constant, rank, shape }) => {
  if (state(0) !== 'rows') return 'shape';
  const target = constant(1);
  const length = target?.length ?? shape(1)?.[0];
  if (typeof length !== 'number' || length > (rank(0) ?? 0)) return UNKNOWN;
  return target === undefined || target.length < length || target[0] === 1 ? 'rows' : problem('it adds rows');
};

const transpose: Rule = ({ node, state }) => {
  if (state(0) !== 'rows') return state(0);
  return getInts(node, 'perm')?.[0] === 0 ? 'rows' : problem('it moves the axis of the rows');
};

const concat: Rule = ({ node, state, rank }) => {
  const states = node.inputs.map((_, index) => state(index));
  if (!states.includes('rows')) return 'shape';
  if (states.some((each) => each !== 'rows')) return problem('it joins rows with constants');
  return axisVerdict(getInt(node, 'axis', 1), rank(0));
};

const gather: Rule = ({ node, state, rank }) => {
  if (state(0) === 'shape') return 'shape';
  if (state(0) === 'fixed') return state(1) === 'rows' && getInt(node, 'axis', 0) === 0 ? 'rows' : state(1);
  return state(1) === 'rows' ? MIXES : axisVerdict(getInt(node, 'axis', 0), rank(0));
};

const slice: Rule = (context) => {
  const { node, state, rank } = context;
  if (state(0) !== 'rows') return state(0);
  const axes = getInts(node, 'axes') ?? context.constant(3);
  if (axes === undefined) return problem('its axes are not constant');
  return axes.map((axis) => axisVerdict(axis, rank(0))).find((verdict) => verdict !== 'rows') ?? 'rows';
};

const flatten: Rule = ({ node, state }) => {
  if (state(0) !== 'rows') return state(0);
  return getInt(node, 'axis', 1) === 1 ? 'rows' : MIXES;
};

const pad: Rule = (context) => {
  const { node, state } = context;
  if (state(0) !== 'rows') return state(0);
  const pads = getInts(node, 'pads') ?? context.constant(1);
  if (pads === undefined || (node.inputs[3] ?? '') !== '') return problem('its padding is not constant');
  return pads[0] === 0 && pads[pads.length / 2] === 0 ? 'rows' : problem('it adds rows');
};

/** Per channel or with one scale: a scale per row would be a constant with rows. */
const linear: Rule = ({ node, state, shape, rank }) => {
  if (state(0) !== 'rows') return state(0);
  const scale = shape(1);
  if (scale === null) return UNKNOWN;
  return scale.length === 0 || (scale.length === 1 && scale[0] === 1)
    ? 'rows'
    : axisVerdict(getInt(node, 'axis', 1), rank(0));
};

const each = (rule: Rule, ...operators: readonly string[]): readonly (readonly [string, Rule])[] =>
  operators.map((operator) => [operator, rule] as const);

// prettier-ignore
export const ROW_RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...each(elementwise,
    'Abs', 'Acos', 'Asin', 'Atan', 'Cast', 'Ceil', 'Celu', 'Cos', 'Elu', 'Erf', 'Exp', 'Floor', 'Gelu', 'HardSigmoid',
    'HardSwish', 'Identity', 'IsInf', 'IsNaN', 'LeakyRelu', 'Log', 'Mish', 'Neg', 'Not', 'Reciprocal', 'Relu', 'Round', 'Selu',
    'Sigmoid', 'Sign', 'Sin', 'Softplus', 'Softsign', 'Sqrt', 'Swish', 'Tan', 'Tanh', 'ThresholdedRelu'),
  ...each(perRow,
    'AveragePool', 'BatchNormalization', 'Clip', 'Conv', 'ConvTranspose', 'DepthToSpace', 'Dropout', 'GlobalAveragePool',
    'GlobalMaxPool', 'GroupNormalization', 'InstanceNormalization', 'LRN', 'MaxPool', 'SpaceToDepth'),
  ...each(broadcast,
    'Add', 'And', 'Div', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Max', 'Mean', 'Min', 'Mod', 'Mul',
    'Or', 'PRelu', 'Pow', 'Sub', 'Sum', 'Where', 'Xor'),
  ...each(along(-1, 1), 'Softmax', 'LogSoftmax', 'Hardmax'),
  ...each(along(-1), 'LayerNormalization', 'TopK', 'LpNormalization'),
  ...each(along(0), 'ArgMax', 'ArgMin', 'Split'),
  ...each(overAxes,
    'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceProd', 'ReduceSum',
    'ReduceSumSquare', 'Squeeze'),
  ...each(linear, 'QuantizeLinear', 'DequantizeLinear'),
  ['Concat', concat],
  ['ConstantOfShape', () => 'shape'],
  ['Expand', expand],
  ['Flatten', flatten],
  ['Gather', gather],
  ['Gemm', gemm],
  ['MatMul', matMul],
  ['Pad', pad],
  ['Range', () => 'shape'],
  ['Reshape', reshape],
  ['Shape', () => 'shape'],
  ['Slice', slice],
  ['Transpose', transpose],
  ['Unsqueeze', unsqueeze],
  ['DynamicQuantizeLinear', () => problem('it quantizes all rows with one range: apply batch.dynamic before quantize.dynamic')],
]);
