/** Products, convolutions, pools, normalizations, recurrences: what has weights, and what stands beside it. */
import { elements, float, type Piece, same, type Scope, TYPE, type Value } from './scope.ts';

const IDENTITY = Float32Array.from({ length: 16 }, (_, index) => (index % 5 === 0 ? 1 : 0));

const products: readonly Piece[] = [
  {
    ops: ['MatMul'],
    rank: 2,
    make: (s, x) => ({ name: s.op('MatMul', [x, s.kernel([48, 20], 48)]), shape: [s.rows, 20] }),
  },
  {
    ops: ['MatMul', 'Add'],
    rank: 3,
    make: (s, x) => ({
      name: s.op('Add', [s.weights([20]), s.op('MatMul', [x, s.kernel([12, 20], 12)])]),
      shape: [s.rows, 4, 20],
    }),
  },
  // Batched, and the constant on the left.
  { ops: ['MatMul'], rank: 3, make: (s, x) => s.op('MatMul', [x, s.kernel([1, 12, 12], 12)]) },
  { ops: ['MatMul'], rank: 3, make: (s, x) => s.op('MatMul', [s.kernel([4, 4], 4), x]) },
  // A vector: the result has a dimension less.
  { ops: ['MatMul'], rank: 3, make: (s, x) => ({ name: s.op('MatMul', [x, s.kernel([12], 12)]), shape: [s.rows, 4] }) },
  {
    ops: ['MatMul', 'Transpose', 'Softmax'],
    rank: 3,
    make(s, x) {
      const turned = s.op('Transpose', [s.op('MatMul', [x, s.kernel([12, 12], 12)])], { perm: [0, 2, 1] });
      return s.op('MatMul', [s.op('Softmax', [s.op('MatMul', [x, turned])], { axis: -1 }), x]);
    },
  },
  // A weight that two products share, once transposed.
  {
    ops: ['MatMul', 'Transpose'],
    rank: 3,
    make(s, x) {
      const shared = s.kernel([12, 12], 24);
      return s.op('MatMul', [s.op('MatMul', [x, shared]), s.op('Transpose', [shared], { perm: [1, 0] })]);
    },
  },
  {
    ops: ['Gemm'],
    rank: 2,
    make(s, x) {
      const transB = s.below(2);
      const bias = s.pick([[], [s.weights([10])], [s.weights([1])], [s.weights([])], [s.weights([s.rows, 10])]]);
      const scales = { alpha: float('alpha', 0.5), ...(bias.length > 0 ? { beta: float('beta', 2) } : {}) };
      const weight = s.kernel(transB === 1 ? [10, 48] : [48, 10], 48);
      return { name: s.op('Gemm', [x, weight, ...bias], { transB, ...scales }), shape: [s.rows, 10] };
    },
  },
  {
    ops: ['Gemm'],
    rank: 2,
    make: (s, x) => ({ name: s.op('Gemm', [x, s.kernel([s.rows, 10], s.rows)], { transA: 1 }), shape: [48, 10] }),
  },
  {
    ops: ['Einsum'],
    rank: 3,
    make: (s, x) => ({
      name: s.op('Einsum', [x, s.kernel([12, 2, 3], 12)], { equation: 'bsd,dhe->bhse' }),
      shape: [s.rows, 2, 4, 3],
    }),
  },
  {
    ops: ['Einsum'],
    rank: 3,
    make: (s, x) => ({ name: s.op('Einsum', [x], { equation: 'bij->bj' }), shape: [s.rows, 12] }),
  },
  {
    ops: ['Det'],
    rank: 4,
    make: (s, x) => ({
      name: s.op('Det', [
        s.op('Add', [
          s.constant({ dtype: 'float32', shape: [4, 4], data: IDENTITY }),
          s.op('Mul', [s.bounded(x), s.scalar(0.3)]),
        ]),
      ]),
      shape: [s.rows, 3],
    }),
  },
  {
    ops: ['ms.FusedMatMul'],
    rank: 3,
    make: (s, x) => s.op('ms.FusedMatMul', [x, s.kernel([12, 12], 12)], { transB: 1, alpha: float('alpha', 0.7) }),
  },
];

const convolutions: readonly Piece[] = [
  {
    ops: ['Conv'],
    rank: 4,
    make(s, x) {
      const bias = s.pick([[], [s.weights([5])]]);
      return {
        name: s.op('Conv', [x, s.kernel([5, 3, 3, 3], 27), ...bias], { pads: [1, 1, 1, 1] }),
        shape: [s.rows, 5, 4, 4],
      };
    },
  },
  {
    ops: ['Conv'],
    rank: 4,
    make: (s, x) => s.op('Conv', [x, s.kernel([3, 1, 3, 3], 9)], { group: 3, auto_pad: 'SAME_UPPER' }),
  },
  {
    ops: ['Conv'],
    rank: 4,
    make: (s, x) => ({
      name: s.op('Conv', [x, s.kernel([6, 3, 2, 2], 12)], { strides: [2, 2], dilations: [2, 2], pads: [0, 0, 1, 1] }),
      shape: [s.rows, 6, 2, 2],
    }),
  },
  {
    ops: ['Conv', 'BatchNormalization'],
    rank: 3,
    make(s, x) {
      const made = s.op('Conv', [x, s.kernel([6, 4, 3], 12), s.weights([6])], { pads: [1, 1] });
      const norm = [s.positive([6]), s.weights([6]), s.weights([6]), s.positive([6])];
      return { name: s.op('BatchNormalization', [made, ...norm]), shape: [s.rows, 6, 12] };
    },
  },
  // The kernel is no constant.
  {
    ops: ['Conv', 'Slice'],
    rank: 3,
    make(s, x) {
      const kernel = s.op('Mul', [s.op('Sigmoid', [x]), s.scalar(0.2)]);
      const one = s.op('Slice', [kernel, s.longs(0), s.longs(1), s.longs(0)]);
      return { name: s.op('Conv', [x, one], { pads: [2, 2] }), shape: [s.rows, 1, 5] };
    },
  },
  {
    ops: ['ConvTranspose'],
    rank: 4,
    make(s, x) {
      const bias = s.pick([[], [s.weights([2])]]);
      return {
        name: s.op('ConvTranspose', [x, s.kernel([3, 2, 2, 2], 12), ...bias], { strides: [2, 2] }),
        shape: [s.rows, 2, 8, 8],
      };
    },
  },
  {
    ops: ['ConvTranspose'],
    rank: 4,
    make: (s, x) => s.op('ConvTranspose', [x, s.kernel([3, 1, 3, 3], 9)], { group: 3, pads: [1, 1, 1, 1] }),
  },
  {
    ops: ['Col2Im'],
    rank: 3,
    since: 18,
    make: (s, x) => ({ name: s.op('Col2Im', [x, s.longs(4, 5), s.longs(2, 2)]), shape: [s.rows, 1, 4, 5] }),
  },
];

const halving = { kernel_shape: [2, 2], strides: [2, 2] };
const pools: readonly Piece[] = [
  ...['MaxPool', 'AveragePool', 'LpPool'].map((op): Piece => ({
    ops: [op],
    rank: 4,
    make: (s, x) => ({ name: s.op(op, [x], halving), shape: [s.rows, 3, 2, 2] }),
  })),
  ...['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'].map((op): Piece => ({
    ops: [op],
    rank: 4,
    make: (s, x) => ({ name: s.op(op, [x]), shape: [s.rows, 3, 1, 1] }),
  })),
  {
    ops: ['MaxPool', 'MaxUnpool'],
    rank: 4,
    steps: true,
    make(s, x) {
      const [small = '', where = ''] = s.several('MaxPool', [x], 2, halving);
      return s.op('MaxUnpool', [small, where], halving);
    },
  },
  same('AveragePool', { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }, { rank: 4 }),
  same('MaxPool', { kernel_shape: [3], auto_pad: 'SAME_LOWER' }, { rank: 3 }),
];

const normalizations: readonly Piece[] = [
  {
    ops: ['BatchNormalization'],
    rank: 4,
    make: (s, x) => s.op('BatchNormalization', [x, s.positive([3]), s.weights([3]), s.weights([3]), s.positive([3])]),
  },
  {
    ops: ['InstanceNormalization'],
    rank: 4,
    make: (s, x) => s.op('InstanceNormalization', [x, s.weights([3]), s.weights([3])]),
  },
  {
    ops: ['LayerNormalization'],
    rank: 3,
    since: 17,
    make: (s, x) => s.op('LayerNormalization', [x, s.weights([12]), s.weights([12])], { axis: -1 }),
  },
  {
    ops: ['GroupNormalization'],
    rank: 3,
    since: 21,
    make: (s, x) => s.op('GroupNormalization', [x, s.weights([4]), s.weights([4])], { num_groups: 2 }),
  },
  { ops: ['RMSNormalization'], rank: 3, since: 23, make: (s, x) => s.op('RMSNormalization', [x, s.weights([12])]) },
  same('LpNormalization', { axis: 1, p: 2 }),
  same('LRN', { size: 3 }, { rank: 4 }),
  same('MeanVarianceNormalization', {}, { rank: 4 }),
  same('Softmax', { axis: 1 }),
  same('LogSoftmax', { axis: -1 }),
  same('Hardmax', { axis: -1 }, { steps: true }),
];

/** Rows of x are steps of a sequence of s.rows sequences. */
function recurrent(op: string, gates: number, attributes: Record<string, string | number> = {}): Piece {
  return {
    ops: [op, 'Transpose'],
    rank: 3,
    make(s: Scope, x: string): Value {
      const hidden = 5;
      const directions = attributes['direction'] === 'bidirectional' ? 2 : 1;
      const sequence = s.op('Transpose', [x], { perm: [1, 0, 2] });
      const W = s.kernel([directions, gates * hidden, 12], 24);
      const R = s.kernel([directions, gates * hidden, hidden], 10);
      const B = s.pick(['', s.weights([directions, 2 * gates * hidden])]);
      const y = s.op(op, [sequence, W, R, B], { hidden_size: hidden, ...attributes });
      return { name: s.op('Transpose', [y], { perm: [2, 0, 1, 3] }), shape: [s.rows, 4, directions, hidden] };
    },
  };
}

/** Integer arithmetic that is in the model already. */
const quantized: readonly Piece[] = [
  {
    ops: ['DynamicQuantizeLinear', 'MatMulInteger'],
    rank: 2,
    steps: true,
    make(s, x) {
      const [codes = '', scale = '', zero = ''] = s.several('DynamicQuantizeLinear', [x], 3);
      const data = Int8Array.from({ length: 48 * 6 }, () => s.below(255) - 127);
      const weight = s.constant({ dtype: 'int8', shape: [48, 6], data });
      const sums = s.back(s.op('MatMulInteger', [codes, weight, zero]));
      return { name: s.op('Mul', [sums, s.op('Mul', [scale, s.scalar(0.002)])]), shape: [s.rows, 6] };
    },
  },
  {
    ops: ['QuantizeLinear', 'DequantizeLinear'],
    rank: 3,
    steps: true,
    make(s, x) {
      const step = [s.scalar(0.02), s.constant({ dtype: 'uint8', shape: [], data: Uint8Array.of(128) })];
      return s.op('DequantizeLinear', [s.op('QuantizeLinear', [x, ...step]), ...step]);
    },
  },
  {
    ops: ['DequantizeLinear', 'MatMul'],
    rank: 2,
    make(s, x) {
      const data = Int8Array.from({ length: 48 * 6 }, () => s.below(255) - 127);
      const codes = s.constant({ dtype: 'int8', shape: [48, 6], data });
      const weight = s.op('DequantizeLinear', [codes, s.weights([6], (value) => 0.002 + Math.abs(value) / 500)], {
        axis: 1,
      });
      return { name: s.op('MatMul', [x, weight]), shape: [s.rows, 6] };
    },
  },
  {
    ops: ['QLinearConv', 'QuantizeLinear', 'DequantizeLinear'],
    rank: 4,
    steps: true,
    make(s, x) {
      const zero = s.constant({ dtype: 'uint8', shape: [], data: Uint8Array.of(128) });
      const step = [s.scalar(0.02), zero];
      const data = Int8Array.from({ length: elements([2, 3, 3, 3]) }, () => s.below(255) - 127);
      const weight = s.constant({ dtype: 'int8', shape: [2, 3, 3, 3], data });
      const none = s.constant({ dtype: 'int8', shape: [], data: Int8Array.of(0) });
      const codes = s.op('QuantizeLinear', [x, ...step]);
      const made = s.op('QLinearConv', [codes, ...step, weight, s.scalar(0.005), none, ...step], {
        pads: [1, 1, 1, 1],
      });
      return { name: s.op('DequantizeLinear', [made, ...step]), shape: [s.rows, 2, 4, 4] };
    },
  },
  {
    ops: ['ConvInteger', 'Cast'],
    rank: 4,
    steps: true,
    make(s, x) {
      const codes = s.cast(s.op('Mul', [s.op('Sigmoid', [x]), s.scalar(255)]), TYPE.uint8);
      const data = Uint8Array.from({ length: elements([2, 3, 2, 2]) }, () => s.below(255));
      const weight = s.constant({ dtype: 'uint8', shape: [2, 3, 2, 2], data });
      const zero = s.constant({ dtype: 'uint8', shape: [], data: Uint8Array.of(128) });
      const sums = s.back(s.op('ConvInteger', [codes, weight, zero, zero]));
      return { name: s.op('Mul', [sums, s.scalar(1e-5)]), shape: [s.rows, 2, 3, 3] };
    },
  },
];

export const linear: readonly Piece[] = [
  ...products,
  ...convolutions,
  ...pools,
  ...normalizations,
  recurrent('LSTM', 4),
  recurrent('LSTM', 4, { direction: 'bidirectional' }),
  recurrent('GRU', 3, { linear_before_reset: 1 }),
  recurrent('GRU', 3, { direction: 'reverse' }),
  recurrent('RNN', 1),
  ...quantized,
];
