/**
 * Elementwise arithmetic, comparison and selection with broadcasting. Exact: integers wrap as machines' do, and each
 * float result is the correctly rounded one, which +, −, ×, ÷ and √ have on every machine. Functions whose last bit differs
 * between libraries (Exp, Pow, Erf …) are in `functions.ts`.
 */
import {
  ARRAY_OF,
  bytesOf,
  float16ToFloat32,
  type NumericData,
  type NumericDType,
  numbersToFloat16,
} from '@slipway/core';
import { createInitializer, type Initializer } from '../../ir/initializer.ts';
import { type Call, operator, type Operators } from './operator.ts';
import {
  broadcastDims,
  broadcastStrides,
  type Dims,
  eachRun,
  emptyLike,
  numericOf,
  type NumericTensor,
  ofWords,
  sizeOf,
  wordsOf,
} from './value.ts';

/** One operation, on numbers and on 64-bit integers; undefined where a type does not have it. */
export interface Binary {
  readonly numbers: (a: number, b: number) => number;
  readonly longs?: (a: bigint, b: bigint) => bigint;
  /** Floats are left alone. */
  readonly integersOnly?: boolean;
  /** Integers are. */
  readonly floatsOnly?: boolean;
}

/** Types that are compared as they are stored. */
const COMPUTED: readonly NumericDType[] = [
  'float32',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
];

/** Types of which one operand is computed as a number. */
const SIGNED: readonly NumericDType[] = ['float16', 'float32', 'float64', 'int8', 'int16', 'int32'];

export function ofNumeric(name: string, dtype: NumericDType, dims: Dims, data: NumericData): Initializer {
  return createInitializer(name, dtype, dims, bytesOf(data));
}

/**
 * float16 is computed in double precision and rounded once. An engine may compute in float32 and round twice: for +, −, ×, ÷
 * and √ the result is the same, because float32 has more than twice as many bits (Figueroa 1995).
 */
const widened = (value: NumericTensor): NumericData =>
  value.dtype === 'float16' ? float16ToFloat32(value.data) : value.data;

const stored = (dtype: NumericDType, data: NumericData): NumericData =>
  dtype === 'float16' ? numbersToFloat16(data as Float64Array) : data;

type Write = (to: number, a: number, b: number) => void;

/** Visit each pair of elements of two tensors broadcast to `dims`. */
function pairs(a: NumericTensor, b: NumericTensor, dims: Dims, write: Write): void {
  const walks = [broadcastStrides(a.shape, dims), broadcastStrides(b.shape, dims)];
  const run = dims.at(-1) ?? 1;
  const [left, right] = walks.map((strides) => strides.at(-1) ?? 0) as [number, number];
  let to = 0;
  eachRun(dims, walks, ([startA = 0, startB = 0]) => {
    for (let count = 0; count < run; count++) write(to++, startA + count * left, startB + count * right);
  });
}

const operands = (call: Call): [NumericTensor, NumericTensor, number[]] | undefined => {
  const [first, second] = call.inputs;
  if (first === undefined || second === undefined || call.inputs.length !== 2) return undefined;
  const [a, b] = [numericOf(first), numericOf(second)];
  const dims = a === undefined || b === undefined ? undefined : broadcastDims(a.shape, b.shape);
  return a === undefined || b === undefined || dims === undefined || a.dtype !== b.dtype ? undefined : [a, b, dims];
};

const isFloat = (dtype: NumericDType): boolean => dtype.startsWith('float');
const isZero = (element: number | bigint): boolean => element === 0 || element === 0n;

/** undefined where types or dims do not fit, or the result is not wanted. */
export function binary(call: Call, operation: Binary): Initializer | undefined {
  const [a, b, dims] = operands(call) ?? [];
  if (a === undefined || b === undefined || dims === undefined) return undefined;
  if (!COMPUTED.includes(a.dtype) && a.dtype !== 'float16') return undefined;
  if (operation.integersOnly === true && isFloat(a.dtype)) return undefined;
  if (operation.floatsOnly === true && !isFloat(a.dtype)) return undefined;
  // Division of integers by zero is for the engine to answer.
  const divides = call.node.op === 'Div' || call.node.op === 'Mod';
  if (divides && !isFloat(a.dtype) && Array.prototype.some.call(b.data, isZero)) return undefined;
  if (!call.allows(sizeOf(dims) * a.data.BYTES_PER_ELEMENT)) return undefined;
  const result = new ARRAY_OF[a.dtype === 'float16' ? 'float64' : a.dtype](sizeOf(dims));
  const { longs, numbers } = operation;
  if (result instanceof BigInt64Array || result instanceof BigUint64Array) {
    if (longs === undefined) return undefined;
    const [left, right] = [a.data as BigInt64Array, b.data as BigInt64Array];
    pairs(a, b, dims, (to, from, other) => (result[to] = longs(left[from] ?? 0n, right[other] ?? 0n)));
  } else {
    const [left, right] = [widened(a) as Float64Array, widened(b) as Float64Array];
    const exact = isFloat(a.dtype) || call.node.op !== 'Mul';
    // 32-bit products exceed what a double holds; Math.imul wraps as the engine does.
    const compute = exact ? numbers : Math.imul;
    const whole = !isFloat(a.dtype) && call.node.op === 'Div';
    pairs(a, b, dims, (to, from, other) => {
      const value = compute(left[from] ?? 0, right[other] ?? 0);
      result[to] = whole ? Math.trunc(value) : value;
    });
  }
  return ofNumeric(call.output, a.dtype, dims, stored(a.dtype, result));
}

function compare(call: Call, holds: (a: number | bigint, b: number | bigint) => boolean): Initializer | undefined {
  const [a, b, dims] = operands(call) ?? [];
  if (a === undefined || b === undefined || dims === undefined || !(COMPUTED.includes(a.dtype) || a.dtype === 'bool')) {
    return undefined;
  }
  if (!call.allows(sizeOf(dims))) return undefined;
  const result = new Uint8Array(sizeOf(dims));
  pairs(a, b, dims, (to, from, other) => (result[to] = holds(a.data[from] ?? 0, b.data[other] ?? 0) ? 1 : 0));
  return createInitializer(call.output, 'bool', dims, result);
}

function logical(call: Call, compute: (a: number, b: number) => number): Initializer | undefined {
  const [a, b, dims] = operands(call) ?? [];
  if (a?.dtype !== 'bool' || b === undefined || dims === undefined || !call.allows(sizeOf(dims))) return undefined;
  const result = new Uint8Array(sizeOf(dims));
  const [left, right] = [a.data, b.data as Uint8Array];
  pairs(a, b, dims, (to, from, other) => (result[to] = compute(left[from] ?? 0, right[other] ?? 0)));
  return createInitializer(call.output, 'bool', dims, result);
}

/** Keeps the type. */
export function unary(
  call: Call,
  types: 'floats' | 'all',
  compute: (value: number) => number,
): Initializer | undefined {
  const [input] = call.inputs;
  const value = input === undefined ? undefined : numericOf(input);
  if (value === undefined || !SIGNED.includes(value.dtype) || (types === 'floats' && !isFloat(value.dtype))) {
    return undefined;
  }
  if (!call.allows(value.data.byteLength)) return undefined;
  const result = new ARRAY_OF[value.dtype === 'float16' ? 'float64' : value.dtype](value.data.length);
  const source = widened(value) as Float64Array;
  for (let index = 0; index < source.length; index++) (result as Float64Array)[index] = compute(source[index] ?? 0);
  return ofNumeric(call.output, value.dtype, value.shape, stored(value.dtype, result));
}

function where(call: Call): Initializer | undefined {
  const [condition, a, b] = call.inputs;
  if (condition?.dtype !== 'bool' || a === undefined || b === undefined || a.dtype !== b.dtype) return undefined;
  const [chosen, left, right] = [wordsOf(condition), wordsOf(a), wordsOf(b)];
  const inner = broadcastDims(a.dims, b.dims);
  const dims = inner === undefined ? undefined : broadcastDims(inner, condition.dims);
  if (dims === undefined || chosen === undefined || left === undefined || right === undefined) return undefined;
  if (!call.allows(sizeOf(dims) * left.BYTES_PER_ELEMENT)) return undefined;
  const walks = [condition.dims, a.dims, b.dims].map((own) => broadcastStrides(own, dims));
  const steps = walks.map((strides) => strides.at(-1) ?? 0);
  const result = emptyLike(left, sizeOf(dims));
  const run = dims.at(-1) ?? 1;
  let to = 0;
  eachRun(dims, walks, (offsets) => {
    for (let count = 0; count < run; count++) {
      const at = (walk: number): number => (offsets[walk] ?? 0) + count * (steps[walk] ?? 0);
      result[to++] = (chosen[at(0)] === 0 ? right[at(2)] : left[at(1)]) ?? 0;
    }
  });
  return ofWords(call.output, a.dtype, dims, result);
}

function roundHalfEven(value: number): number {
  const down = Math.floor(value);
  if (value - down !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

const arithmetic = (
  numbers: Binary['numbers'],
  longs: Binary['longs'],
  rest: Partial<Binary> = {},
): Operators[string] => operator('', (call) => binary(call, { numbers, ...(longs && { longs }), ...rest }));

const comparison = (holds: (a: number | bigint, b: number | bigint) => boolean): Operators[string] =>
  operator('', (call) => compare(call, holds));

export const arithmeticOperators: Operators = {
  Add: arithmetic(
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  Sub: arithmetic(
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  Mul: arithmetic(
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  Div: arithmetic(
    (a, b) => a / b,
    (a, b) => a / b,
  ),
  Mod: arithmetic(
    (a, b) => a - Math.floor(a / b) * b,
    (a, b) => ((a % b) + b) % b,
    { integersOnly: true },
  ),
  Min: arithmetic(Math.min, (a, b) => (a < b ? a : b), { integersOnly: true }),
  Max: arithmetic(Math.max, (a, b) => (a > b ? a : b), { integersOnly: true }),
  Equal: comparison((a, b) => a === b),
  Less: comparison((a, b) => a < b),
  Greater: comparison((a, b) => a > b),
  LessOrEqual: comparison((a, b) => a <= b),
  GreaterOrEqual: comparison((a, b) => a >= b),
  And: operator('', (call) => logical(call, (a, b) => a & b)),
  Or: operator('', (call) => logical(call, (a, b) => a | b)),
  Xor: operator('', (call) => logical(call, (a, b) => a ^ b)),
  Not: operator('', (call) => {
    const [input] = call.inputs;
    const words = input?.dtype === 'bool' ? wordsOf(input) : undefined;
    if (input === undefined || words === undefined) return undefined;
    return createInitializer(
      call.output,
      'bool',
      input.dims,
      Uint8Array.from(words as Uint8Array, (value) => (value === 0 ? 1 : 0)),
    );
  }),
  Neg: operator('', (call) => unary(call, 'all', (value) => -value)),
  Reciprocal: operator('', (call) => unary(call, 'floats', (value) => 1 / value)),
  Round: operator('', (call) => unary(call, 'floats', roundHalfEven)),
  Sign: operator('', (call) => unary(call, 'all', (value) => (Number.isNaN(value) ? value : Math.sign(value) + 0))),
  Abs: operator('', (call) => unary(call, 'all', Math.abs)),
  Sqrt: operator('', (call) => unary(call, 'floats', Math.sqrt)),
  Floor: operator('', (call) => unary(call, 'floats', Math.floor)),
  Ceil: operator('', (call) => unary(call, 'floats', Math.ceil)),
  Where: operator('', where),
};
