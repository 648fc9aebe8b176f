/** Element by element: functions, arithmetic, comparisons, choices. */
import { float, type Piece, same, type Scope, TYPE } from './scope.ts';

const bounded = (scope: Scope, x: string): string => scope.bounded(x);
const inside = (scope: Scope, x: string): string => scope.op('Mul', [scope.bounded(x), scope.scalar(0.9)]);
const positive = (scope: Scope, x: string): string => scope.op('Add', [scope.op('Abs', [x]), scope.scalar(0.5)]);
const aboveOne = (scope: Scope, x: string): string => scope.op('Add', [scope.op('Abs', [x]), scope.scalar(1.5)]);

const functions: readonly Piece[] = [
  ...['Relu', 'Sigmoid', 'Tanh', 'Softplus', 'Softsign', 'Elu', 'Selu', 'Celu', 'HardSigmoid', 'Erf', 'Abs', 'Neg'].map(
    (op) => same(op),
  ),
  ...['Sin', 'Cos', 'Atan', 'Asinh', 'Identity', 'Sum', 'Mean', 'Max', 'Min'].map((op) => same(op)),
  ...['Exp', 'Tan', 'Sinh', 'Cosh'].map((op) => same(op, {}, {}, bounded)),
  ...['Asin', 'Acos', 'Atanh'].map((op) => same(op, {}, {}, inside)),
  ...['Log', 'Sqrt', 'Reciprocal'].map((op) => same(op, {}, {}, positive)),
  same('Acosh', {}, {}, aboveOne),
  same('LeakyRelu', { alpha: float('alpha', 0.1) }, { rank: 4 }),
  same('HardSwish', {}, { since: 14 }),
  same('Mish', {}, { since: 18 }),
  same('Gelu', { approximate: 'tanh' }, { since: 20 }),
  same('ThresholdedRelu', { alpha: float('alpha', 0.3) }, { steps: true }),
  same('Shrink', { lambd: float('lambd', 0.3), bias: float('bias', 0.1) }, { steps: true }),
  ...['Round', 'Floor', 'Ceil', 'Sign'].map((op) => same(op, {}, { steps: true })),
  same('Dropout', {}),
];

const clip: Piece = {
  ops: ['Clip'],
  rank: 4,
  make: (s, x) => s.op('Clip', [x, s.pick(['', s.scalar(-0.5)]), s.pick([s.scalar(0.5), s.scalar(6)])]),
};
const prelu: Piece = { ops: ['PRelu'], rank: 4, make: (s, x) => s.op('PRelu', [x, s.weights([3, 1, 1])]) };

const arithmetic: readonly Piece[] = ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Mean', 'Sum'].map((op) => ({
  ops: [op],
  rank: 3,
  make(s, x) {
    const shape = s.pick([[], [1], [12], [4, 1], [1, 4, 12], [4, 12]]);
    const constant = op === 'Div' ? s.positive(shape) : s.weights(shape);
    // Either a constant or what the value itself becomes.
    const other = s.random() < 0.7 ? constant : s.op('Add', [s.op('Sigmoid', [x]), s.scalar(0.5)]);
    return s.op(op, op === 'Div' || s.random() < 0.5 ? [x, other] : [other, x]);
  },
}));

const power: Piece = {
  ops: ['Pow'],
  rank: 3,
  make: (s, x) => s.op('Pow', [s.bounded(x), s.pick([s.scalar(2), s.scalar(3), s.longs(2)])]),
};
const modulo: Piece = {
  ops: ['Mod'],
  rank: 3,
  steps: true,
  make: (s, x) => s.op('Mod', [x, s.positive([12])], { fmod: 1 }),
};

const comparisons: readonly Piece[] = ['Greater', 'Less', 'Equal', 'GreaterOrEqual', 'LessOrEqual'].map((op) => ({
  ops: [op, 'Where'],
  rank: 3,
  steps: true,
  make(s, x) {
    const limit = s.scalar(0);
    // Where with branches of other shapes than the condition, and constants.
    return s.op('Where', [s.op(op, [x, limit]), x, s.weights(s.pick([[], [12], [4, 1]]))]);
  },
}));

const logic: readonly Piece[] = [
  ...['And', 'Or', 'Xor'].map((op): Piece => ({
    ops: [op, 'Not', 'Greater', 'Cast'],
    rank: 2,
    steps: true,
    make(s, x) {
      const left = s.op('Greater', [x, s.scalar(0.2)]);
      return s.back(s.op('Not', [s.op(op, [left, s.op('Greater', [s.weights([48]), x])])]));
    },
  })),
  {
    ops: ['IsNaN', 'IsInf', 'Where'],
    rank: 3,
    make(s, x) {
      // Infinite where x is not positive; both tests are decided by the sign only.
      const odd = s.op('Log', [s.op('Relu', [x])]);
      const either = s.op('Or', [s.op('IsInf', [odd]), s.op('IsNaN', [odd])]);
      return s.op('Where', [either, s.op('Relu', [x]), x]);
    },
  },
];

/** Whole numbers of several widths. */
const whole: readonly Piece[] = [
  ...[TYPE.int32, TYPE.int64].map((type): Piece => ({
    ops: ['Cast', 'Add', 'Mul', 'Div', 'Sub', 'Abs', 'Max'],
    rank: 3,
    steps: true,
    make(s, x) {
      const ten = s.cast(s.op('Mul', [s.bounded(x), s.scalar(10)]), type);
      const three = s.cast(s.scalar(3), type);
      const more = s.op('Mul', [s.op('Add', [ten, three]), three]);
      const less = s.op('Abs', [s.op('Sub', [s.op('Div', [more, three]), ten])]);
      return s.back(s.op('Max', [less, s.cast(s.op('Clip', [x, s.scalar(-2), s.scalar(2)]), type)]));
    },
  })),
  {
    ops: ['Mod', 'BitShift', 'Cast'],
    rank: 3,
    steps: true,
    make(s, x) {
      const some = s.cast(s.op('Mul', [s.op('Sigmoid', [x]), s.scalar(30)]), TYPE.uint8);
      const two = s.constant({ dtype: 'uint8', shape: [], data: Uint8Array.of(2) });
      const shifted = s.op('BitShift', [some, two], { direction: 'RIGHT' });
      const signed = s.cast(shifted, TYPE.int64);
      return s.back(s.op('Mod', [signed, s.long(3)]));
    },
  },
  {
    ops: ['BitwiseAnd', 'BitwiseOr', 'BitwiseXor', 'BitwiseNot', 'Cast'],
    rank: 3,
    since: 18,
    steps: true,
    make(s, x) {
      const bits = s.cast(s.op('Mul', [s.bounded(x), s.scalar(7)]), TYPE.int32);
      const five = s.constant({ dtype: 'int32', shape: [], data: Int32Array.of(5) });
      const mixed = s.op('BitwiseXor', [s.op('BitwiseOr', [bits, five]), s.op('BitwiseNot', [bits])]);
      return s.back(s.op('BitwiseAnd', [mixed, five]));
    },
  },
];

export const elementwise: readonly Piece[] = [
  ...functions,
  clip,
  prelu,
  ...arithmetic,
  power,
  modulo,
  ...comparisons,
  ...logic,
  ...whole,
];
