/**
 * Which of many magnitudes are small, by a rule: below a threshold, below the mean, or exactly a share of all, the smallest
 * first. What is not finite is never small and never counted in a mean.
 *
 * Of equal magnitudes the first go first, so that a share is exact and always the same. The k-th smallest of float32 values
 * is found by counting, without sorting: the bits of non-negative floats are ordered like the floats.
 */
import type { Floats } from '../weights.ts';

export type Bound =
  | { readonly rule: 'threshold'; readonly threshold: number }
  | { readonly rule: 'mean' }
  | { readonly rule: 'ratio'; readonly ratio: number };

/**
 * A judge of all values of `arrays`, to be asked about the magnitude of each exactly once and in order.
 * @param arrays signs are ignored
 */
export function judge(arrays: readonly Floats[], bound: Bound): (value: number) => boolean {
  if (bound.rule === 'threshold') return below(bound.threshold);
  if (bound.rule === 'mean') return below(meanMagnitude(arrays));
  const total = arrays.reduce((sum, values) => sum + values.length, 0);
  const quota = Math.min(Math.round(total * bound.ratio), countFinite(arrays));
  if (quota === 0) return () => false;
  const { value, smaller } = arrays.every((values) => values instanceof Float32Array)
    ? nthByCounting(arrays, quota)
    : nthBySorting(arrays, quota);
  let ties = quota - smaller;
  return (asked) => {
    const magnitude = Math.abs(asked);
    return magnitude < value || (magnitude === value && ties-- > 0);
  };
}

const below =
  (threshold: number) =>
  (value: number): boolean =>
    Math.abs(value) < threshold;

function countFinite(arrays: readonly Floats[]): number {
  let count = 0;
  for (const values of arrays) for (const value of values) if (Number.isFinite(value)) count++;
  return count;
}

function meanMagnitude(arrays: readonly Floats[]): number {
  let sum = 0;
  let finite = 0;
  for (const values of arrays) {
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      sum += Math.abs(value);
      finite++;
    }
  }
  return finite === 0 ? 0 : sum / finite;
}

interface Nth {
  readonly value: number;
  /** How many are smaller than it. */
  readonly smaller: number;
}

function nthByCounting(arrays: readonly Float32Array[], nth: number): Nth {
  const counts = new Float64Array(2 ** 16);
  const all = arrays.map((values) => new Uint32Array(values.buffer, values.byteOffset, values.length));
  for (const bits of all) for (const one of bits) count(counts, (one & 0x7fffffff) >>> 16);
  const high = locate(counts, nth);
  counts.fill(0);
  for (const bits of all) {
    for (const one of bits) if ((one & 0x7fffffff) >>> 16 === high.index) count(counts, one & 0xffff);
  }
  const low = locate(counts, nth - high.smaller);
  const [value = 0] = new Float32Array(Uint32Array.of(high.index * 2 ** 16 + low.index).buffer);
  return { value, smaller: high.smaller + low.smaller };
}

function count(counts: Float64Array, index: number): void {
  counts[index] = (counts[index] ?? 0) + 1;
}

/** The bucket that holds the nth, and how many are in buckets before it. */
function locate(counts: Float64Array, nth: number): { index: number; smaller: number } {
  let smaller = 0;
  let index = 0;
  while (smaller + (counts[index] ?? 0) < nth) smaller += counts[index++] ?? 0;
  return { index, smaller };
}

function nthBySorting(arrays: readonly Floats[], nth: number): Nth {
  const magnitudes = new Float64Array(arrays.reduce((sum, values) => sum + values.length, 0));
  let at = 0;
  // NaN sorts last, like an infinity: neither is ever among the smallest.
  for (const values of arrays) for (const value of values) magnitudes[at++] = Math.abs(value);
  magnitudes.sort();
  const value = magnitudes[nth - 1] ?? 0;
  let smaller = 0;
  while (smaller < nth && (magnitudes[smaller] ?? 0) < value) smaller++;
  return { value, smaller };
}
