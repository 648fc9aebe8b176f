/**
 * Products as readers of channels: which axis of the constant weight meets the channels of the input, and the weight
 * with each of them multiplied by a factor.
 */
import { getInt, type GraphEditor, initializerOf, type Initializer, isOp, type Node } from '@slipway/onnx';
import { readFloat32 } from '../weights.ts';
import { walkOf } from '../loops.ts';

export interface Reader {
  readonly node: Node;
  readonly weight: Initializer;
  /** Where the channels of the input are: axis 1 as for images, or the last as for matrices. */
  readonly axis: 1 | 'last';
  readonly channels: number;
  /** The axis of the weight along which they lie; each is repeated so many times in a row (depthwise multipliers). */
  readonly weightAxis: number;
  readonly repeat: number;
  /** The axis of the weight along which output channels lie. */
  readonly outputAxis: number;
}

/** `node` as a reader of channels, or null: a Conv of one group or depthwise, a MatMul or Gemm by a constant matrix. */
export function readerOf(node: Node, initializers: ReadonlyMap<string, Initializer>): Reader | null {
  const weight = initializers.get(node.inputs[1] ?? '');
  if (node.domain !== '' || weight?.dtype !== 'float32' || initializers.has(node.inputs[0] ?? '')) return null;
  const [first = 0, second = 0] = weight.dims;
  if (node.op === 'Conv' && weight.dims.length >= 3) {
    const group = getInt(node, 'group', 1);
    const common = { node, weight, axis: 1 as const, outputAxis: 0 };
    if (group === 1) return { ...common, channels: second, weightAxis: 1, repeat: 1 };
    if (second === 1) return { ...common, channels: group, weightAxis: 0, repeat: first / group };
    return null;
  }
  if (weight.dims.length !== 2) return null;
  const common = { node, weight, axis: 'last' as const, repeat: 1 };
  if (isOp(node, 'MatMul')) return { ...common, channels: first, weightAxis: 0, outputAxis: 1 };
  if (!isOp(node, 'Gemm') || getInt(node, 'transA', 0) !== 0) return null;
  return getInt(node, 'transB', 0) === 0
    ? { ...common, channels: first, weightAxis: 0, outputAxis: 1 }
    : { ...common, channels: second, weightAxis: 1, outputAxis: 0 };
}

/** The largest |w| that each input channel is multiplied with. */
export function largestWeights({ weight, weightAxis, repeat, channels }: Reader): Float64Array {
  const largest = new Float64Array(channels);
  const { inner } = walkOf(weight.dims, weightAxis);
  const size = weight.dims[weightAxis] ?? 1;
  readFloat32(weight).forEach((value, i) => {
    const channel = Math.floor((Math.floor(i / inner) % size) / repeat);
    largest[channel] = Math.max(largest[channel] ?? 0, Math.abs(value));
  });
  return largest;
}

/** The weight with what meets input channel c multiplied by `factors[c]`. */
export function scaledWeight({ weight, weightAxis, repeat }: Reader, factors: Float64Array): Float32Array {
  return scaledAlong(readFloat32(weight), weight.dims, weightAxis, factors, repeat);
}

/** Each element times the factor of its index along `axis`, of which `repeat` in a row share one. */
export function scaledAlong(
  values: Float32Array,
  dims: readonly number[],
  axis: number,
  factors: Float64Array,
  repeat = 1,
): Float32Array {
  const { inner } = walkOf(dims, axis);
  const size = dims[axis] ?? 1;
  return values.map((value, i) => value * (factors[Math.floor((Math.floor(i / inner) % size) / repeat)] ?? 1));
}

/** Marks a constant that was made here: it may be changed again as long as nobody else reads it. */
const SCALED = '_scaled';

/** Let `node` read a constant of its own in the place of input `input`: others may read the old one. */
export function replaceConstant(
  editor: GraphEditor,
  node: Node,
  input: number,
  dims: readonly number[],
  data: Float32Array,
): void {
  const current = editor.current(node) ?? node;
  const old = current.inputs[input] ?? '';
  const own = old.endsWith(SCALED) && editor.consumers(old).length === 1 && !editor.isOutput(old);
  const name = own ? old : editor.uniqueName(`${old}${SCALED}`);
  editor.setInitializer(initializerOf(name, { dtype: 'float32', shape: dims, data }));
  editor.update(current, { inputs: current.inputs.map((from, at) => (at === input ? name : from)) });
}
