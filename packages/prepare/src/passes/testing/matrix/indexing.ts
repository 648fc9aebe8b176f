/** What picks or places elements by index, and values that are no float32 tensors on the way: sequences, text, other types. */
import { floatsAttribute } from '@slipway/onnx';
import { float, list, type Piece, same, TYPE } from './scope.ts';

const indices: readonly Piece[] = [
  {
    ops: ['Gather'],
    rank: 3,
    make: (s, x) => ({ name: s.op('Gather', [x, s.longs(11, 0, -3)], { axis: 2 }), shape: [s.rows, 4, 3] }),
  },
  // A table of embeddings.
  {
    ops: ['Gather', 'Cast'],
    rank: 2,
    steps: true,
    make(s, x) {
      const ids = s.cast(s.op('Mul', [s.op('Sigmoid', [x]), s.scalar(7)]), TYPE.int64);
      return { name: s.op('Gather', [s.weights([8, 3]), ids]), shape: [s.rows, 48, 3] };
    },
  },
  {
    ops: ['GatherElements'],
    rank: 3,
    make(s, x) {
      const data = BigInt64Array.from({ length: s.rows * 4 * 2 }, () => BigInt(s.below(12)));
      return {
        name: s.op('GatherElements', [x, s.constant({ dtype: 'int64', shape: [s.rows, 4, 2], data })], { axis: 2 }),
        shape: [s.rows, 4, 2],
      };
    },
  },
  {
    ops: ['GatherND'],
    rank: 3,
    make(s, x) {
      const where = s.constant({
        dtype: 'int64',
        shape: [2, 2],
        data: BigInt64Array.of(0n, 3n, BigInt(s.rows - 1), 1n),
      });
      return { name: s.op('GatherND', [x, where]), shape: [2, 12] };
    },
  },
  {
    ops: ['ScatterElements'],
    rank: 2,
    make(s, x) {
      const where = s.constant({ dtype: 'int64', shape: [1, 3], data: BigInt64Array.of(5n, 40n, 0n) });
      const how = s.opset >= 16 ? { reduction: 'add' } : {};
      return s.op('ScatterElements', [x, where, s.weights([1, 3])], { axis: 1, ...how });
    },
  },
  {
    ops: ['ScatterND'],
    rank: 3,
    make(s, x) {
      const where = s.constant({ dtype: 'int64', shape: [2, 2], data: BigInt64Array.of(0n, 3n, 0n, 1n) });
      return s.op('ScatterND', [x, where, s.weights([2, 12])]);
    },
  },
  ...['ArgMax', 'ArgMin'].map((op): Piece => ({
    ops: ['OneHot', op],
    rank: 3,
    steps: true,
    make(s, x) {
      const best = s.op(op, [x], { axis: 2, keepdims: 0 });
      const values = s.constant({ dtype: 'float32', shape: [2], data: Float32Array.of(-0.5, 1) });
      return { name: s.op('OneHot', [best, s.long(12), values]), shape: [s.rows, 4, 12] };
    },
  })),
  {
    ops: ['TopK', 'Cast'],
    rank: 3,
    steps: true,
    make(s, x) {
      const [values = '', where = ''] = s.several('TopK', [x, s.longs(3)], 2, { axis: -1 });
      return { name: s.op('Add', [values, s.op('Mul', [s.back(where), s.scalar(0.1)])]), shape: [s.rows, 4, 3] };
    },
  },
  { ops: ['CumSum'], rank: 3, make: (s, x) => s.op('CumSum', [s.bounded(x), s.long(1)], { reverse: s.below(2) }) },
  {
    ops: ['Compress'],
    rank: 3,
    make(s, x) {
      const some = s.constant({ dtype: 'bool', shape: [4], data: Uint8Array.of(1, 0, 1, 1) });
      return { name: s.op('Compress', [x, some], { axis: 1 }), shape: [s.rows, 3, 12] };
    },
  },
  // How many there are depends on the values.
  {
    ops: ['NonZero', 'GatherND', 'Transpose', 'ReduceSum'],
    rank: 2,
    steps: true,
    make(s, x) {
      const where = s.op('Transpose', [s.op('NonZero', [s.op('Relu', [x])])], { perm: [1, 0] });
      const sum = s.op('ReduceSum', [s.op('GatherND', [x, where]), s.longs(0)], { keepdims: 1 });
      return s.op('Add', [x, s.bounded(sum)]);
    },
  },
  {
    ops: ['Unique', 'Round', 'ReduceSum'],
    rank: 2,
    steps: true,
    make: (s, x) =>
      s.op('Add', [
        x,
        s.bounded(s.op('ReduceSum', [s.op('Unique', [s.op('Round', [x])]), s.longs(0)], { keepdims: 1 })),
      ]),
  },
  {
    ops: ['NonMaxSuppression', 'Cast', 'ReduceMax'],
    rank: 2,
    steps: true,
    make(s, x) {
      const boxes = s.op('Reshape', [x, s.longs(1, -1, 4)]);
      const scores = s.op('Reshape', [s.op('Sigmoid', [x]), s.longs(1, 4, -1)]);
      const kept = s.op('NonMaxSuppression', [boxes, scores, s.longs(3), s.scalar(0.5), s.scalar(0.1)]);
      const [axes, attributes] = list(s, 'axes', 18, [0, 1]);
      return s.op('Add', [x, s.bounded(s.op('ReduceMax', [s.back(kept), ...axes], { ...attributes, keepdims: 0 }))]);
    },
  },
];

const sequences: readonly Piece[] = [
  {
    ops: ['SplitToSequence', 'SequenceLength', 'ConcatFromSequence'],
    rank: 3,
    make(s, x) {
      const parts = s.op('SplitToSequence', [x, s.long(4)], { axis: 2 });
      const length = s.back(s.op('SequenceLength', [parts]));
      const joined = s.op('ConcatFromSequence', [parts], { axis: 1 });
      return { name: s.op('Add', [joined, s.op('Mul', [length, s.scalar(0.1)])]), shape: [s.rows, 12, 4] };
    },
  },
  {
    ops: ['SequenceConstruct', 'SequenceInsert', 'SequenceErase', 'SequenceAt'],
    rank: 3,
    make(s, x) {
      const two = s.op('SequenceConstruct', [x, s.op('Relu', [x])]);
      const three = s.op('SequenceInsert', [two, s.op('Neg', [x]), s.long(0)]);
      return s.op('SequenceAt', [s.op('SequenceErase', [three, s.long(1)]), s.long(0)]);
    },
  },
];

/** The same arithmetic in other types, and back. */
const types: readonly Piece[] = [
  {
    ops: ['Cast', 'MatMul', 'Relu'],
    rank: 3,
    make(s, x) {
      const weight = s.cast(s.kernel([12, 12], 12), TYPE.double);
      return s.back(s.op('Relu', [s.op('MatMul', [s.cast(x, TYPE.double), weight])]));
    },
  },
  // A product in half precision, as in a model that is partly converted.
  {
    ops: ['Cast', 'MatMul'],
    rank: 3,
    steps: true,
    make(s, x) {
      const data = Uint16Array.from({ length: 144 }, () => 0x2c00 + s.below(0x0800) + (s.below(2) << 15));
      const weight = s.constant({ dtype: 'float16', shape: [12, 12], data });
      return s.back(s.op('MatMul', [s.cast(x, TYPE.float16), weight]));
    },
  },
  // Through text: six digits are left.
  { ops: ['Cast'], rank: 3, steps: true, make: (s, x) => s.back(s.cast(s.op('Round', [x]), TYPE.string)) },
  {
    ops: ['StringNormalizer', 'Cast', 'Gather'],
    rank: 2,
    steps: true,
    make(s, x) {
      const words = s.constant({ dtype: 'string', shape: [2], data: ['Some', '0.25'] });
      const lower = s.op('StringNormalizer', [words], { case_change_action: 'LOWER', locale: 'C' });
      return s.op('Add', [x, s.back(s.op('Gather', [lower, s.long(1)]))]);
    },
  },
  ...['ms.Gelu', 'ms.FastGelu', 'ms.QuickGelu'].map((op) =>
    same(op, op === 'ms.QuickGelu' ? { alpha: float('alpha', 1.7) } : {}),
  ),
  {
    ops: ['ms.SkipLayerNormalization'],
    rank: 3,
    make: (s, x) => s.op('ms.SkipLayerNormalization', [x, s.op('Relu', [x]), s.weights([12]), s.weights([12])]),
  },
  {
    ops: ['ml.Scaler'],
    rank: 2,
    make: (s, x) =>
      s.op('ml.Scaler', [x], { offset: floatsAttribute('offset', [0.1]), scale: floatsAttribute('scale', [0.5]) }),
  },
];

export const indexing: readonly Piece[] = [...indices, ...sequences, ...types];
