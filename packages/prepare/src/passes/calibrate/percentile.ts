/** Ranges that leave out a share of the values: the simplest cure for outliers that are few. */
import { type Buckets, type Histogram, magnitudes } from './histogram.ts';
import type { Range, Target } from './range.ts';

/**
 * The range that holds `percentile` % of the values. What is left out is taken in equal shares from both ends; for a
 * symmetric range, where both ends are the same number, from the largest absolute values.
 */
export function percentileRange(histogram: Histogram, { symmetric }: Target, percentile: number): Range {
  const { min, max } = histogram;
  const buckets = histogram.buckets();
  const outside = 1 - percentile / 100;
  const clamped = (value: number): number => Math.min(max, Math.max(min, value));
  if (symmetric) {
    const bound = quantile(magnitudes(buckets), histogram.count, 1 - outside);
    return { min: clamped(-bound), max: clamped(bound) };
  }
  const low = clamped(quantile(buckets, histogram.count, outside / 2));
  const high = clamped(quantile(buckets, histogram.count, 1 - outside / 2));
  return { min: low, max: Math.max(low, high) };
}

/** The value below which this share of the values lies; within a bucket they are taken to be spread evenly. */
function quantile({ low, high, count }: Buckets, total: number, share: number): number {
  const wanted = share * total;
  let below = 0;
  for (let i = 0; i < count.length; i++) {
    const here = count[i] ?? 0;
    if (below + here >= wanted) {
      const [from, to] = [low[i] ?? 0, high[i] ?? 0];
      return from + (to - from) * Math.max(0, (wanted - below) / here);
    }
    below += here;
  }
  return high[high.length - 1] ?? 0;
}
