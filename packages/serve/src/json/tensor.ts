/**
 * From parsed JSON to a tensor. A rectangular array of numbers that fits goes straight into the typed array; everything
 * else (strings, booleans, 64-bit integers, and whatever deserves an error) is `tensorFromJson` of core, which is the
 * reference for both what is accepted and what the error says.
 */
import {
  ARRAY_OF,
  fail,
  type NumericDType,
  numbersToFloat16,
  stringElement,
  type Tensor,
  tensorFromJson,
  type TensorSpec,
} from '@slipway/core';
import { Numbers } from './numbers.ts';
import { isObject, type JsonObject, type JsonValue } from './parse.ts';

const INTEGER_RANGE: Readonly<Partial<Record<NumericDType, readonly [number, number]>>> = {
  uint8: [0, 0xff],
  uint16: [0, 0xffff],
  uint32: [0, 0xffffffff],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  int8: [-0x80, 0x7f],
  int16: [-0x8000, 0x7fff],
  int32: [-0x80000000, 0x7fffffff],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
};

/** Magnitudes from here on round to infinity. */
const OVERFLOW: Readonly<Partial<Record<NumericDType, number>>> = { float16: 65520, float32: 3.4028235677973366e38 };

/**
 * @param bytes the text `value` was parsed from, for integers beyond 2^53
 * @param where what to call the tensor in errors
 * @throws TENSOR_INVALID naming the element
 */
export function readTensor(value: JsonValue, spec: TensorSpec, bytes: Buffer, where: string): Tensor {
  if (spec.dtype === 'string') return tensorFromJson(decodeBase64(plain(value, null), where), spec, where);
  const wide = spec.dtype === 'int64' || spec.dtype === 'uint64';
  if (value instanceof Numbers && (value.exact || !wide) && spec.dtype !== 'bool' && fits(value, spec)) {
    const data = convert(value.values, spec.dtype);
    if (data !== null) return { dtype: spec.dtype, shape: value.shape, data } as Tensor;
  }
  return tensorFromJson(plain(value, wide ? bytes : null), spec, where);
}

function fits(value: Numbers, spec: TensorSpec): boolean {
  if (spec.shape === null) return true;
  return (
    spec.shape.length === value.shape.length &&
    spec.shape.every((dim, axis) => typeof dim === 'string' || dim === value.shape[axis])
  );
}

/** The numbers as elements of `dtype`; null when one of them is not, and deserves an error. */
function convert(values: Float64Array, dtype: NumericDType): Tensor['data'] | null {
  if (dtype === 'float64') return values.slice();
  const limit = OVERFLOW[dtype];
  if (limit !== undefined) {
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i] as number);
      if (magnitude >= limit && magnitude !== Infinity) return null;
    }
    return dtype === 'float32' ? new Float32Array(values) : numbersToFloat16(values);
  }
  const [low, high] = INTEGER_RANGE[dtype] ?? [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (!Number.isInteger(value) || value < low || value > high) return null;
  }
  if (dtype === 'int64' || dtype === 'uint64') return wide(values, dtype);
  const data = new ARRAY_OF[dtype](values.length);
  data.set(values);
  return data;
}

/** Two's complement by halves: ten times faster than a bigint per element, and exact for safe integers. */
function wide(values: Float64Array, dtype: 'int64' | 'uint64'): BigInt64Array | BigUint64Array {
  const data = new ARRAY_OF[dtype](values.length);
  const halves = new Uint32Array(data.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    halves[2 * i] = value % 4294967296;
    halves[2 * i + 1] = Math.floor(value / 4294967296);
  }
  return data;
}

/**
 * As `JSON.parse` would have given it.
 * @param bytes the text it came from, when integers that float64 cannot hold are to be bigint
 */
export function plain(value: JsonValue, bytes: Buffer | null): unknown {
  if (value instanceof Numbers) {
    return nest(value, value.exact || bytes === null ? value.values : exactNumbers(value, bytes));
  }
  if (typeof value === 'bigint' && bytes === null) return Number(value);
  if (Array.isArray(value)) return value.map((element) => plain(element, bytes));
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member, bytes)]));
  }
  // Only a protocol that takes the bare tokens has them here; to core they are strings.
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

function nest(numbers: Numbers, flat: ArrayLike<number | bigint>): unknown {
  let next = 0;
  const level = (axis: number): unknown => {
    if (axis < numbers.shape.length) return Array.from({ length: numbers.shape[axis] ?? 0 }, () => level(axis + 1));
    const value = flat[next++];
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  };
  return level(0);
}

/** Read the integers again from the text they were written as. */
function exactNumbers(numbers: Numbers, bytes: Buffer): (number | bigint)[] {
  const text = bytes.toString('latin1', numbers.start, numbers.end);
  return Array.from(text.matchAll(/[-+.\w]+/g), ([token], index) => {
    const value = numbers.values[index] ?? NaN;
    return Number.isSafeInteger(value) || !/^-?\d+$/.test(token) ? value : BigInt(token);
  });
}

/** The value of one input in every row, as one value; of equal arrays of numbers, as one array of numbers. */
export function stackValues(values: JsonValue[]): JsonValue {
  const [first] = values;
  if (!(first instanceof Numbers)) return values;
  const size = first.values.length;
  const stacked = new Float64Array(values.length * size);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (!(value instanceof Numbers) || !value.exact || value.values.length !== size || !sameShape(value, first)) {
      return values;
    }
    stacked.set(value.values, row * size);
  }
  return new Numbers([values.length, ...first.shape], stacked, true, 0, 0);
}

const sameShape = (a: Numbers, b: Numbers): boolean =>
  a.shape.length === b.shape.length && a.shape.every((size, axis) => size === b.shape[axis]);

/** `{"b64": …}`, and nothing else. */
export const isBase64 = (value: JsonObject): boolean => 'b64' in value && Object.keys(value).length === 1;

/** `{"b64": "…"}` → the text or bytes it encodes, everywhere in `value`. @throws TENSOR_INVALID */
function decodeBase64(value: unknown, where: string): unknown {
  if (Array.isArray(value)) {
    return value.map((element: unknown, index) => decodeBase64(element, `${where}[${index}]`));
  }
  if (typeof value !== 'object' || value === null) return value;
  const text = 'b64' in value && Object.keys(value).length === 1 ? value.b64 : undefined;
  if (typeof text !== 'string') {
    throw fail('TENSOR_INVALID', { where, problem: 'an object must have exactly the key "b64", a string' });
  }
  // Decoding skips what is no base64, so encoding again tells; both cost less than an expression that looks at every character.
  const bytes = Buffer.from(text, 'base64');
  const unpadded = (encoded: string): string => (encoded.length % 4 === 0 ? encoded.replace(/={1,2}$/, '') : encoded);
  if (unpadded(bytes.toString('base64')) !== unpadded(text)) {
    throw fail('TENSOR_INVALID', { where, problem: 'is not base64' });
  }
  return stringElement(bytes);
}
