/** Elements of any numeric tensor as JavaScript numbers: 64-bit integers lose what lies beyond 2^53, float16 is decoded. */
import { float16ToNumber, type Tensor } from '@slipway/core';

export function floatReader(tensor: Exclude<Tensor, { dtype: 'string' }>): (index: number) => number {
  const { data } = tensor;
  if (tensor.dtype === 'float16') return (index) => float16ToNumber(tensor.data[index] ?? 0);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return (index) => Number(data[index]);
  return (index) => data[index] ?? 0;
}
