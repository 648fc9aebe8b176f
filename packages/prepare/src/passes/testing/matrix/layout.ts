/** What moves or reduces elements, and computes shapes. */
import { list, type Piece } from './scope.ts';

const reductions: readonly Piece[] = (
  [
    ['ReduceMean', 18],
    ['ReduceSum', 13],
    ['ReduceMax', 18],
    ['ReduceMin', 18],
    ['ReduceL1', 18],
    ['ReduceL2', 18],
    ['ReduceProd', 18],
    ['ReduceSumSquare', 18],
    ['ReduceLogSumExp', 18],
    ['ReduceLogSum', 18],
  ] as const
).map(([op, since]) => ({
  ops: [op],
  rank: 3,
  make(s, x) {
    const axis = s.pick([1, 2, -1]);
    const keepdims = s.below(2);
    // Of the sizes that make a sum of logarithms finite, and a product neither vanish nor grow.
    const near = (): string => s.op('Add', [s.op('Mul', [s.bounded(x), s.scalar(0.3)]), s.scalar(1)]);
    const from = op === 'ReduceLogSum' || op === 'ReduceProd' ? near() : s.bounded(x);
    const [inputs, attributes] = list(s, 'axes', since, [axis]);
    const left = axis === 1 ? 12 : 4;
    const kept = axis === 1 ? [s.rows, 1, 12] : [s.rows, 4, 1];
    return {
      name: s.op(op, [from, ...inputs], { ...attributes, keepdims }),
      shape: keepdims === 1 ? kept : [s.rows, left],
    };
  },
}));

const shapes: readonly Piece[] = [
  {
    ops: ['Reshape'],
    rank: 3,
    make: (s, x) => ({ name: s.op('Reshape', [x, s.longs(0, -1, 6)]), shape: [s.rows, 8, 6] }),
  },
  {
    ops: ['Shape', 'Gather', 'Concat', 'Unsqueeze', 'Reshape'],
    rank: 3,
    make(s, x) {
      const rows = s.op('Gather', [s.op('Shape', [x]), s.long(0)], { axis: 0 });
      const target = s.op('Concat', [s.op('Unsqueeze', [rows, s.longs(0)]), s.longs(-1)], { axis: 0 });
      return { name: s.op('Reshape', [x, target]), shape: [s.rows, 48] };
    },
  },
  {
    ops: ['Shape', 'ConstantOfShape', 'Size', 'Cast'],
    rank: 3,
    make(s, x) {
      const ones = s.op('ConstantOfShape', [s.op('Shape', [x])]);
      const count = s.op('Div', [s.back(s.op('Size', [x])), s.scalar(100)]);
      return s.op('Add', [x, s.op('Add', [ones, count])]);
    },
  },
  { ops: ['Flatten'], rank: 4, make: (s, x) => ({ name: s.op('Flatten', [x], { axis: 2 }), shape: [s.rows * 3, 16] }) },
  {
    ops: ['Transpose'],
    rank: 4,
    make: (s, x) => ({ name: s.op('Transpose', [x], { perm: [0, 2, 3, 1] }), shape: [s.rows, 4, 4, 3] }),
  },
  {
    ops: ['Unsqueeze', 'Squeeze', 'Tanh'],
    rank: 3,
    make(s, x) {
      const wide = s.op('Tanh', [s.op('Unsqueeze', [x, s.longs(1, 3)])]);
      return s.op('Squeeze', [wide, s.longs(1, 3)]);
    },
  },
  {
    ops: ['Expand'],
    rank: 3,
    make: (s, x) => ({ name: s.op('Expand', [x, s.longs(3, 1, 1, 1)]), shape: [3, s.rows, 4, 12] }),
  },
  { ops: ['Tile'], rank: 2, make: (s, x) => ({ name: s.op('Tile', [x, s.longs(1, 2)]), shape: [s.rows, 96] }) },
  {
    ops: ['DepthToSpace', 'Reshape'],
    rank: 4,
    make: (s, x) => ({
      name: s.op('DepthToSpace', [s.op('Reshape', [x, s.longs(0, 12, 2, 2)])], { blocksize: 2, mode: 'CRD' }),
      shape: [s.rows, 3, 4, 4],
    }),
  },
  {
    ops: ['SpaceToDepth'],
    rank: 4,
    make: (s, x) => ({ name: s.op('SpaceToDepth', [x], { blocksize: 2 }), shape: [s.rows, 12, 2, 2] }),
  },
  {
    ops: ['Split', 'Concat'],
    rank: 3,
    make(s, x) {
      const [a = '', b = '', c = ''] = s.several('Split', [x, s.longs(2, 6, 4)], 3, { axis: 2 });
      return s.op('Concat', [c, a, b], { axis: -1 });
    },
  },
  {
    ops: ['Slice'],
    rank: 3,
    make: (s, x) => ({
      name: s.op('Slice', [x, s.longs(-1, 1), s.longs(-100, 9), s.longs(1, 2), s.longs(-2, 3)]),
      shape: [s.rows, 2, 3],
    }),
  },
  ...['constant', 'reflect', 'edge'].map((mode): Piece => ({
    ops: ['Pad'],
    rank: 4,
    make(s, x) {
      const value = mode === 'constant' ? [s.scalar(s.pick([0, 0.3]))] : [];
      return { name: s.op('Pad', [x, s.longs(0, 0, 1, 0, 0, 0, 2, 1), ...value], { mode }), shape: [s.rows, 3, 7, 5] };
    },
  })),
  ...[
    { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' },
    { mode: 'linear' },
    { mode: 'cubic', coordinate_transformation_mode: 'align_corners' },
  ].map((attributes): Piece => ({
    ops: ['Resize'],
    rank: 4,
    make(s, x) {
      const size =
        s.random() < 0.5
          ? ['', s.constant({ dtype: 'float32', shape: [4], data: Float32Array.of(1, 1, 2, 2) })]
          : ['', '', s.longs(s.rows, 3, 8, 8)];
      return { name: s.op('Resize', [x, ...size], attributes), shape: [s.rows, 3, 8, 8] };
    },
  })),
  {
    ops: ['ReverseSequence'],
    rank: 3,
    make: (s, x) =>
      s.op('ReverseSequence', [x, s.longs(...Array.from({ length: s.rows }, () => 3))], {
        batch_axis: 0,
        time_axis: 1,
      }),
  },
  { ops: ['Trilu'], rank: 3, since: 14, make: (s, x) => s.op('Trilu', [x, s.long(1)], { upper: s.below(2) }) },
  { ops: ['EyeLike'], rank: 2, make: (s, x) => s.op('Add', [x, s.op('EyeLike', [x], { k: 1 })]) },
  {
    ops: ['CenterCropPad'],
    rank: 3,
    since: 18,
    make: (s, x) => ({ name: s.op('CenterCropPad', [x, s.longs(6, 5)], { axes: [1, 2] }), shape: [s.rows, 6, 5] }),
  },
  {
    ops: ['AffineGrid', 'GridSample'],
    rank: 4,
    since: 20,
    make(s, x) {
      const theta = s.constant({
        dtype: 'float32',
        shape: [s.rows, 2, 3],
        data: Float32Array.from({ length: s.rows * 6 }, (_, i) => [0.9, 0.1, 0, -0.1, 0.8, 0.1][i % 6] ?? 0),
      });
      const grid = s.op('AffineGrid', [theta, s.longs(s.rows, 3, 4, 4)]);
      return s.op('GridSample', [x, grid], { mode: 'linear' });
    },
  },
  {
    ops: ['RoiAlign'],
    rank: 4,
    since: 16,
    until: 21,
    make(s, x) {
      const boxes = s.constant({ dtype: 'float32', shape: [2, 4], data: Float32Array.of(0, 0, 3, 3, 1, 0, 2, 3) });
      return {
        name: s.op('RoiAlign', [x, boxes, s.longs(0, 0)], { output_height: 2, output_width: 2 }),
        shape: [2, 3, 2, 2],
      };
    },
  },
  {
    ops: ['Range', 'Cast'],
    rank: 2,
    make: (s, x) =>
      s.op('Add', [x, s.op('Mul', [s.back(s.op('Range', [s.long(0), s.long(48), s.long(1)])), s.scalar(0.01)])]),
  },
  { ops: ['CastLike'], rank: 3, since: 15, make: (s, x) => s.op('Mul', [x, s.op('CastLike', [s.long(2), x])]) },
];

export const layout: readonly Piece[] = [...reductions, ...shapes];
