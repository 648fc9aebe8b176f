/** Elements of any numeric tensor as JavaScript numbers: 64-bit integers lose what lies beyond 2^53, float16 is decoded. */
import type { Tensor } from '@slipway/core';

export function floatReader(tensor: Exclude<Tensor, { dtype: 'string' }>): (index: number) => number {
  const { data } = tensor;
  if (tensor.dtype === 'float16') return (index) => decodeHalf(tensor.data[index] ?? 0);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return (index) => Number(data[index]);
  return (index) => data[index] ?? 0;
}

/** IEEE 754 binary16. */
export function decodeHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
