/** Are two tensors the same, within a tolerance: |actual − expected| ≤ absolute + relative · |expected|. */
import { describeSpec, float16ToFloat32, type Golden, type Tensor, textsOf } from '@slipway/core';

export interface Difference {
  /** Index along axis 0 of the first element that differs; 0 for a scalar. */
  readonly row: number;
  readonly problem: string;
}

/** The first difference, or null. NaN equals NaN and an infinity equals itself: a model may well compute them. */
export function compareTensors(actual: Tensor, expected: Tensor, tolerance: Golden['tolerance']): Difference | null {
  if (actual.dtype !== expected.dtype || actual.shape.join() !== expected.shape.join()) {
    return { row: 0, problem: `is ${describeSpec(actual)}, expected ${describeSpec(expected)}` };
  }
  const rows = actual.shape[0] ?? 1;
  const got = valuesOf(actual);
  const want = valuesOf(expected);
  for (let index = 0; index < want.length; index++) {
    const a = got[index] ?? NaN;
    const e = want[index] ?? NaN;
    if (a === e || (Number.isNaN(a) && Number.isNaN(e))) continue;
    const bound = tolerance.absolute + tolerance.relative * Math.abs(Number(e));
    // Infinities and strings are equal or not; NaN fails the comparison by itself.
    const closeable = typeof e !== 'string' && Number.isFinite(Number(e));
    // As bigints first: beyond 2^53 neighbours are the same number.
    const distance = typeof a === 'bigint' && typeof e === 'bigint' ? Number(a - e) : Number(a) - Number(e);
    if (closeable && Math.abs(distance) <= bound) continue;
    const problem = `element ${index} is ${a}, expected ${e}${closeable ? ` ± ${bound.toPrecision(3)}` : ''}`;
    return { row: Math.floor((index * rows) / want.length), problem };
  }
  return null;
}

function valuesOf(tensor: Tensor): ArrayLike<number | bigint | string> {
  if (tensor.dtype === 'string') return textsOf(tensor);
  return tensor.dtype === 'float16' ? float16ToFloat32(tensor.data) : tensor.data;
}
