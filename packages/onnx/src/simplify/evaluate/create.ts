/** Operators that make a tensor out of a few numbers, change its type, or multiply integers up. */
import { ARRAY_OF, BYTES_PER_ELEMENT, float16ToFloat32, type NumericDType, numbersToFloat16 } from '@slipway/core';
import { constantValue } from '../../graph/eliminate.ts';
import { asFeedable, dtypeFromCode } from '../../ir/dtype.ts';
import { integersOf } from '../../ir/elements.ts';
import { createInitializer, type Initializer } from '../../ir/initializer.ts';
import { getInt, getTensor } from '../../ir/node.ts';
import { ofNumeric } from './arithmetic.ts';
import { type Call, integersFrom, operator, type Operators } from './operator.ts';
import {
  axisOf,
  emptyLike,
  numericOf,
  type NumericTensor,
  ofWords,
  redimensioned,
  sizeOf,
  stridesOf,
  wordsOf,
} from './value.ts';

function constantOfShape({ node, inputs: [shape], output, allows }: Call): Initializer | undefined {
  if (shape === undefined) return undefined;
  const dims = integersOf(shape);
  if (dims.some((dim) => dim < 0)) return undefined;
  const value = getTensor(node, 'value') ?? ofNumeric('', 'float32', [1], new Float32Array(1));
  const words = wordsOf(value);
  if (words?.length !== 1 || !allows(sizeOf(dims) * words.BYTES_PER_ELEMENT)) return undefined;
  return ofWords(output, value.dtype, dims, emptyLike(words, sizeOf(dims)).fill((words[0] ?? 0) as never));
}

function range({ inputs: [start, limit, delta], output, allows }: Call): Initializer | undefined {
  if (start?.dtype !== limit?.dtype || start?.dtype !== delta?.dtype) return undefined;
  const dtype = start?.dtype;
  // Floats accumulate rounding in a way that is the engine's own.
  if (start === undefined || limit === undefined || delta === undefined || (dtype !== 'int64' && dtype !== 'int32')) {
    return undefined;
  }
  const [from = 0, to = 0, step = 0] = [start, limit, delta].map((value) => integersOf(value)[0]);
  // 64-bit integers beyond 2^53 were saturated on reading.
  const exact = [from, to, step].every((value) => Math.abs(value) < Number.MAX_SAFE_INTEGER);
  const count = step === 0 || !exact ? NaN : Math.max(0, Math.ceil((to - from) / step));
  if (!Number.isSafeInteger(count) || !allows(count * (dtype === 'int64' ? 8 : 4))) return undefined;
  const at = (index: number): number => from + index * step;
  const data =
    dtype === 'int64'
      ? BigInt64Array.from({ length: count }, (_, index) => BigInt(at(index)))
      : Int32Array.from({ length: count }, (_, index) => at(index));
  return ofNumeric(output, dtype, [count], data);
}

/** The elements of `value` in another type where that is defined; undefined where a value does not fit. */
function converted(value: NumericTensor, to: NumericDType): Initializer | undefined {
  const source: ArrayLike<number | bigint> = value.dtype === 'float16' ? float16ToFloat32(value.data) : value.data;
  const fromFloat = value.dtype.startsWith('float');
  if (to === 'float16') {
    // float64 would be rounded twice.
    if (value.dtype !== 'float32' && value.dtype !== 'bool') return undefined;
    return ofNumeric('', to, value.shape, numbersToFloat16(source as ArrayLike<number>));
  }
  const result = new ARRAY_OF[to](source.length);
  const long = result instanceof BigInt64Array || result instanceof BigUint64Array;
  for (let index = 0; index < source.length; index++) {
    const element = source[index] ?? 0;
    if (to === 'bool') (result as Uint8Array)[index] = element === 0 || element === 0n ? 0 : 1;
    else if (to === 'float32' || to === 'float64') {
      const number = Number(element);
      // Beyond 2^53 a 64-bit integer would be rounded twice on the way to float32.
      if (typeof element === 'bigint' && !Number.isSafeInteger(number)) return undefined;
      (result as Float64Array)[index] = number;
    } else {
      const whole = fromFloat ? Math.trunc(element as number) : element;
      // What happens to floats out of range is undefined.
      if (typeof whole === 'number' && !Number.isSafeInteger(whole)) return undefined;
      if (long) result[index] = BigInt(whole);
      else (result as Int32Array)[index] = typeof whole === 'bigint' ? Number(BigInt.asIntN(32, whole)) : whole;
      if (fromFloat && Number(result[index]) !== whole) return undefined;
    }
  }
  return ofNumeric('', to, value.shape, result);
}

function cast({ inputs: [input], output, allows }: Call, code: number | undefined): Initializer | undefined {
  const to = asFeedable((code === undefined ? undefined : dtypeFromCode(code)) ?? 'undefined');
  if (input === undefined || to === undefined || to === 'string') return undefined;
  if (input.dtype === to) return redimensioned(input, output, input.dims);
  const value = numericOf(input);
  if (value === undefined || !allows(value.data.length * BYTES_PER_ELEMENT[to])) return undefined;
  const result = converted(value, to);
  return result === undefined ? undefined : redimensioned(result, output, input.dims);
}

/** Reductions of integers; floats would depend on the order. */
function reduce(
  call: Call,
  initial: bigint | null,
  combine: (a: bigint, b: bigint) => bigint,
): Initializer | undefined {
  const [input] = call.inputs;
  const value = input?.dtype === 'int64' || input?.dtype === 'int32' ? numericOf(input) : undefined;
  if (value === undefined || getInt(call.node, 'noop_with_empty_axes', 0) !== 0) return undefined;
  const given = integersFrom(call, 'axes', 1);
  const all = given === null || given.length === 0;
  const reduced = new Set(all ? value.shape.keys() : given.map((axis) => axisOf(axis, value.shape.length)));
  if (reduced.has(undefined)) return undefined;
  const kept = value.shape.map((dim, axis) => (reduced.has(axis) ? 1 : dim));
  const limit = value.dtype === 'int64' ? 2n ** 53n : 2n ** 31n;
  const strides = stridesOf(kept);
  const result = new Array<bigint | null>(sizeOf(kept)).fill(initial);
  const own = stridesOf(value.shape);
  for (let index = 0; index < value.data.length; index++) {
    let to = 0;
    for (const [axis, dim] of value.shape.entries()) {
      if (!reduced.has(axis)) to += (Math.floor(index / (own[axis] ?? 1)) % dim) * (strides[axis] ?? 1);
    }
    const element = BigInt(value.data[index] ?? 0);
    const before = result[to] ?? null;
    const next = before === null ? element : combine(before, element);
    // Engines that reduce in floating point overflow in their own way: nothing near that is folded.
    if (next >= limit || next <= -limit) return undefined;
    result[to] = next;
  }
  if (result.includes(null)) return undefined;
  const dims = getInt(call.node, 'keepdims', 1) === 1 ? kept : value.shape.filter((_, axis) => !reduced.has(axis));
  const elements = result.map((element) => element ?? 0n);
  return value.dtype === 'int64'
    ? ofNumeric(call.output, 'int64', dims, BigInt64Array.from(elements))
    : ofNumeric(call.output, 'int32', dims, Int32Array.from(elements, Number));
}

const CONSTANT_FORMS = 'value value_int value_ints value_float value_floats value_string value_strings';
const REDUCTION = 'axes keepdims noop_with_empty_axes';

export const createOperators: Operators = {
  Constant: operator(CONSTANT_FORMS, ({ node, output }) => {
    const value = constantValue(node);
    return value === undefined ? undefined : redimensioned(value, output, value.dims);
  }),
  ConstantOfShape: operator('value', constantOfShape),
  Range: operator('', range),
  // `saturate` and rounding modes concern types below 16 bits, which are not converted here.
  Cast: operator('to saturate', (call) => cast(call, getInt(call.node, 'to'))),
  ReduceProd: operator(REDUCTION, (call) => reduce(call, 1n, (a, b) => a * b)),
  ReduceSum: operator(REDUCTION, (call) => reduce(call, 0n, (a, b) => a + b)),
  ReduceMax: operator(REDUCTION, (call) => reduce(call, null, (a, b) => (a > b ? a : b))),
  ReduceMin: operator(REDUCTION, (call) => reduce(call, null, (a, b) => (a < b ? a : b))),
  Shape: operator('start end', ({ node, inputs: [data], output }) => {
    if (data === undefined) return undefined;
    const dims = data.dims.slice(getInt(node, 'start', 0), getInt(node, 'end', data.dims.length));
    return createInitializer(output, 'int64', [dims.length], {
      kind: 'field',
      field: 'int64Data',
      values: dims.map(BigInt),
    });
  }),
  Size: operator('', ({ inputs: [data], output }) =>
    data === undefined
      ? undefined
      : createInitializer(output, 'int64', [], {
          kind: 'field',
          field: 'int64Data',
          values: [BigInt(sizeOf(data.dims))],
        }),
  ),
};
