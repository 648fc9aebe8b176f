/**
 * Another dtype for the same values. A cast is refused unless every value survives it: integers must be in range, floats
 * that become integers must be whole, integers that become floats must be exact. Only float to narrower float may
 * round (float64 features are what most tools write), and then never to an infinity. Text never becomes numbers.
 */
import { ARRAY_OF, type DType, type NumericDType } from './dtype.ts';
import { fail } from './errors.ts';
import { float16ToFloat32, float16ToNumber, numberToFloat16 } from './float16.ts';
import type { Tensor } from './tensor.ts';

const BITS = {
  bool: [0n, 1n],
  uint8: [0n, 0xffn],
  uint16: [0n, 0xffffn],
  uint32: [0n, 0xffffffffn],
  uint64: [0n, 0xffffffffffffffffn],
  int8: [-0x80n, 0x7fn],
  int16: [-0x8000n, 0x7fffn],
  int32: [-0x80000000n, 0x7fffffffn],
  int64: [-0x8000000000000000n, 0x7fffffffffffffffn],
} as const satisfies Partial<Record<DType, readonly [bigint, bigint]>>;

/** Casts that cannot fail, and that the language does by itself. */
const WIDENS: Partial<Record<DType, readonly DType[]>> = {
  bool: ['uint8', 'uint16', 'uint32', 'int8', 'int16', 'int32', 'float32', 'float64'],
  uint8: ['uint16', 'uint32', 'int16', 'int32', 'float32', 'float64'],
  uint16: ['uint32', 'int32', 'float32', 'float64'],
  uint32: ['float64'],
  int8: ['int16', 'int32', 'float32', 'float64'],
  int16: ['int32', 'float32', 'float64'],
  int32: ['float64'],
  float32: ['float64'],
};

/**
 * @param where what to call the tensor in errors
 * @throws TENSOR_INVALID naming the first value that `dtype` cannot hold
 */
export function castTensor(value: Tensor, dtype: DType, where: string): Tensor {
  if (value.dtype === dtype) return value;
  if (value.dtype === 'string' || dtype === 'string') {
    throw fail('TENSOR_INVALID', { where, problem: `dtype is ${value.dtype}, expected ${dtype}` });
  }
  if (value.dtype === 'float16') {
    return castTensor({ dtype: 'float32', shape: value.shape, data: float16ToFloat32(value.data) }, dtype, where);
  }
  const data = new ARRAY_OF[dtype](value.data.length);
  if (WIDENS[value.dtype]?.includes(dtype) === true) {
    data.set(value.data as never);
  } else {
    const convert = converter(value.dtype, dtype);
    const target = data as { [index: number]: number | bigint };
    for (let index = 0; index < value.data.length; index++) {
      const element = value.data[index] ?? 0;
      const converted = convert(element);
      if (converted === null) {
        const problem = `element ${index} is ${element}, which ${dtype} cannot hold (the data is ${value.dtype})`;
        throw fail('TENSOR_INVALID', { where, problem });
      }
      target[index] = converted;
    }
  }
  return { dtype, shape: value.shape, data } as Tensor;
}

/** One element to what the array of `to` stores, or null when it does not fit. */
function converter(from: NumericDType, to: NumericDType): (value: number | bigint) => number | bigint | null {
  if (to === 'float16' || to === 'float32' || to === 'float64') {
    const rounding = from === 'float32' || from === 'float64';
    return (value) => {
      const number = Number(value);
      const stored = to === 'float16' ? numberToFloat16(number) : to === 'float32' ? Math.fround(number) : number;
      const rounded = to === 'float16' ? float16ToNumber(stored) : stored;
      const kept = rounding ? Number.isFinite(rounded) || !Number.isFinite(number) : sameNumber(value, rounded);
      return kept ? stored : null;
    };
  }
  const [least, most] = BITS[to];
  const wide = to === 'int64' || to === 'uint64';
  return (value) => {
    if (typeof value === 'number' && !Number.isInteger(value)) return null;
    if (value < least || value > most) return null;
    return wide ? BigInt(value) : Number(value);
  };
}

/** Mixed comparison of bigint and number is exact in JavaScript. */
const sameNumber = (value: number | bigint, rounded: number): boolean =>
  typeof value === 'bigint' ? Number.isFinite(rounded) && BigInt(rounded) === value : value === rounded;
