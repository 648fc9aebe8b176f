/** Convolutions, pooling, sampling, batch normalization and losses: [batch, channels, …spatial]. */
import { getInt, getInts, getString } from '../ir/node.ts';
import { type Dim, isFixed, type Shape, tensorType, type ValueType } from '../ir/type.ts';
import type { OnnxDType } from '../ir/dtype.ts';
import { CannotInfer, type NodeContext, type Rule, unknowns } from './context.ts';

interface Window {
  readonly kernel: readonly Dim[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly autoPad: string;
  readonly ceil: boolean;
}

function windowOf(c: NodeContext, spatial: number, kernel: readonly Dim[]): Window {
  const list = (name: string, length: number, fallback: number): readonly number[] => {
    const values = getInts(c.node, name) ?? new Array<number>(length).fill(fallback);
    if (values.length !== length) {
      throw new CannotInfer(`attribute "${name}" has ${values.length} values, expected ${length}`);
    }
    return values;
  };
  if (kernel.length !== spatial) {
    throw new CannotInfer(`the kernel has ${kernel.length} dimensions, the input ${spatial}`);
  }
  const strides = list('strides', spatial, 1);
  if (strides.some((stride) => stride < 1)) throw new CannotInfer('attribute "strides" has a value below 1');
  const autoPad = getString(c.node, 'auto_pad', 'NOTSET');
  const pads = list('pads', spatial * 2, 0);
  return {
    kernel,
    strides,
    dilations: list('dilations', spatial, 1),
    pads,
    autoPad,
    ceil: getInt(c.node, 'ceil_mode', 0) === 1,
  };
}

/** The size after sliding a window over `size` elements. */
function slide(size: Dim, axis: number, window: Window, spatial: number): Dim {
  const kernel = window.kernel[axis] ?? '?';
  const stride = window.strides[axis] ?? 1;
  if (!isFixed(size) || !isFixed(kernel)) {
    // A stride of 1 with SAME padding keeps even an unknown size.
    return window.autoPad.startsWith('SAME') && stride === 1 ? size : '?';
  }
  if (window.autoPad.startsWith('SAME')) return Math.ceil(size / stride);
  const begin = window.autoPad === 'VALID' ? 0 : (window.pads[axis] ?? 0);
  const end = window.autoPad === 'VALID' ? 0 : (window.pads[axis + spatial] ?? 0);
  const extent = (kernel - 1) * (window.dilations[axis] ?? 1) + 1;
  const room = size + begin + end - extent;
  if (room < 0) {
    throw new CannotInfer(
      `a window of ${extent} does not fit into ${size} + padding ${begin + end} (spatial axis ${axis})`,
    );
  }
  if (!window.ceil) return Math.floor(room / stride) + 1;
  const count = Math.ceil(room / stride) + 1;
  // A window may not start in the padding at the end.
  return (count - 1) * stride >= size + begin ? count - 1 : count;
}

function convolved(c: NodeContext, x: number, w: number): Shape | null {
  const input = c.shape(x);
  const weight = c.shape(w);
  if (input === null) return weight === null ? null : ['?', weight[0] ?? '?', ...unknowns(weight.length - 2)];
  if (input.length < 3) throw new CannotInfer(`needs [batch, channels, …], got rank ${input.length}`);
  const spatial = input.length - 2;
  if (weight !== null && weight.length !== input.length) {
    throw new CannotInfer(`the weight has rank ${weight.length}, the input ${input.length}`);
  }
  const group = getInt(c.node, 'group', 1);
  const [, channels = '?'] = input;
  const perGroup = weight?.[1] ?? '?';
  if (isFixed(channels) && isFixed(perGroup) && channels !== perGroup * group) {
    throw new CannotInfer(`the input has ${channels} channels, the weight is for ${perGroup * group}`);
  }
  const kernel = getInts(c.node, 'kernel_shape') ?? weight?.slice(2) ?? unknowns(spatial);
  const window = windowOf(c, spatial, kernel);
  return [
    input[0] ?? '?',
    weight?.[0] ?? '?',
    ...input.slice(2).map((size, axis) => slide(size, axis, window, spatial)),
  ];
}

const conv = (x: number, w: number, dtype: (c: NodeContext) => OnnxDType): Rule => {
  return (c) => [tensorType(dtype(c), convolved(c, x, w))];
};

const convTranspose: Rule = (c) => {
  const [input, weight] = [c.shape(0), c.shape(1)];
  if (input === null || weight === null) return [tensorType(c.dtype(0), null)];
  const spatial = input.length - 2;
  const window = windowOf(c, spatial, getInts(c.node, 'kernel_shape') ?? weight.slice(2));
  const outputPadding = getInts(c.node, 'output_padding') ?? [];
  const outputShape = getInts(c.node, 'output_shape');
  const sizes = input.slice(2).map((size, axis): Dim => {
    const fixed = outputShape?.at(axis - spatial);
    if (fixed !== undefined) return fixed;
    const kernel = window.kernel[axis] ?? '?';
    if (!isFixed(size) || !isFixed(kernel)) return '?';
    const stride = window.strides[axis] ?? 1;
    if (window.autoPad.startsWith('SAME')) return size * stride;
    const padding = window.autoPad === 'VALID' ? 0 : (window.pads[axis] ?? 0) + (window.pads[axis + spatial] ?? 0);
    return (
      stride * (size - 1) + (outputPadding[axis] ?? 0) + (kernel - 1) * (window.dilations[axis] ?? 1) + 1 - padding
    );
  });
  const perGroup = weight[1] ?? '?';
  const channels = isFixed(perGroup) ? perGroup * getInt(c.node, 'group', 1) : '?';
  return [tensorType(c.dtype(0), [input[0] ?? '?', channels, ...sizes])];
};

const pool: Rule = (c) => {
  const input = c.tensor(0);
  const shape = input.shape;
  const kernel = getInts(c.node, 'kernel_shape');
  if (kernel === undefined) throw new CannotInfer('attribute "kernel_shape" is missing');
  if (shape !== null && shape.length < 3) throw new CannotInfer(`needs [batch, channels, …], got rank ${shape.length}`);
  const output = shape === null ? null : poolShape(c, shape, kernel);
  const types: ValueType[] = [tensorType(input.dtype, output), tensorType('int64', output)];
  return types.slice(0, c.outputs);
};

function poolShape(c: NodeContext, shape: Shape, kernel: readonly number[]): Shape {
  const spatial = shape.length - 2;
  const window = windowOf(c, spatial, kernel);
  return [...shape.slice(0, 2), ...shape.slice(2).map((size, axis) => slide(size, axis, window, spatial))];
}

const globalPool: Rule = (c) => {
  const shape = c.shape(0);
  return [tensorType(c.dtype(0), shape === null ? null : shape.map((dim, axis) => (axis < 2 ? dim : 1)))];
};

const batchNormalization: Rule = (c) => {
  const statistics = tensorType(c.dtype(0), [c.shape(0)?.[1] ?? '?']);
  return [c.tensor(0), ...c.node.outputs.slice(1).map(() => statistics)];
};

/** Samples at the points of a grid [batch, …spatial, 2 or 3]. */
const gridSample: Rule = (c) => {
  const [input, grid] = [c.shape(0), c.shape(1)];
  if (input === null || grid === null) return [tensorType(c.dtype(0), null)];
  return [tensorType(c.dtype(0), [...input.slice(0, 2), ...grid.slice(1, -1)])];
};

const roiAlign: Rule = (c) => {
  const [height, width] = [getInt(c.node, 'output_height', 1), getInt(c.node, 'output_width', 1)];
  return [tensorType(c.dtype(0), [c.shape(1)?.[0] ?? '?', c.shape(0)?.[1] ?? '?', height, width])];
};

/** Losses: one number, or one per label. */
const loss: Rule = (c) => {
  const each = getString(c.node, 'reduction', 'mean') === 'none';
  return [tensorType(c.dtype(0), each ? c.shape(1) : []), c.tensor(0)].slice(0, c.outputs);
};

export const convolutionRules: Readonly<Record<string, Rule>> = {
  Conv: conv(0, 1, (c) => c.dtype(0)),
  ConvInteger: conv(0, 1, () => 'int32'),
  QLinearConv: conv(0, 3, (c) => (c.has(7) ? c.dtype(7) : c.dtype(0))),
  ConvTranspose: convTranspose,
  MaxPool: pool,
  AveragePool: pool,
  LpPool: pool,
  GlobalAveragePool: globalPool,
  GlobalMaxPool: globalPool,
  GlobalLpPool: globalPool,
  BatchNormalization: batchNormalization,
  GridSample: gridSample,
  RoiAlign: roiAlign,
  NegativeLogLikelihoodLoss: loss,
  SoftmaxCrossEntropyLoss: loss,
};
