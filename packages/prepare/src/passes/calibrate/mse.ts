/**
 * The range with the smallest mean squared error of quantization: a narrower range clips more and rounds finer. Found by
 * trying, first with both ends at the same bound, then each end by itself.
 */
import { type Buckets, type Histogram } from './histogram.ts';
import type { Range, Target } from './range.ts';

/** The common bound is tried at this many points per power of two, down to 2^-12 of the largest value. */
const STEPS_PER_OCTAVE = 6;
const OCTAVES = 12;
/** Then each end is moved by these factors as long as that helps. */
const REFINEMENTS = [0.6, 0.8, 0.9, 0.97, 1.03, 1.1];
const MAX_REFINEMENTS = 40;

export function mseRange(histogram: Histogram, target: Target): Range {
  const { min, max } = histogram;
  const buckets = histogram.buckets();
  const largest = Math.max(Math.abs(min), Math.abs(max));
  const within = (low: number, high: number): Range => ({ min: Math.max(min, low), max: Math.min(max, high) });
  let best = within(-largest, largest);
  let least = meanSquaredError(buckets, best, target);
  const consider = (range: Range): boolean => {
    if (range.min > range.max) return false;
    const error = meanSquaredError(buckets, range, target, least);
    if (error >= least) return false;
    [best, least] = [range, error];
    return true;
  };
  for (let step = 1; step <= STEPS_PER_OCTAVE * OCTAVES; step++) {
    const bound = largest * 2 ** (-step / STEPS_PER_OCTAVE);
    consider(within(-bound, bound));
  }
  for (let round = 0; round < MAX_REFINEMENTS; round++) {
    const from = best;
    for (const factor of REFINEMENTS) {
      if (target.symmetric) consider(within(from.min * factor, from.max * factor));
      else {
        consider(within(best.min * factor, best.max));
        consider(within(best.min, best.max * factor));
      }
    }
    if (best === from) break;
  }
  return best;
}

/**
 * Expected squared error of a value that is quantized with this range.
 *
 * In a bucket that is narrower than a quantization step all values are taken to be in its middle; in a wider one the
 * rounding error is uniform, step² / 12. Zero is exact, as it is in the quantized type.
 * @param limit stop where the error is certainly larger than this; some larger value is returned
 */
export function meanSquaredError(
  { low, high, count }: Buckets,
  { min, max }: Range,
  { levels, symmetric }: Target,
  limit = Infinity,
): number {
  const bound = Math.max(-min, max);
  const bottom = symmetric ? -bound : Math.min(min, 0);
  const top = symmetric ? bound : Math.max(max, 0);
  // A symmetric type of 2^n values leaves the lowest unused.
  const step = (top - bottom) / (symmetric ? levels - 2 : levels - 1);
  let total = 0;
  for (let i = 0; i < count.length; i++) total += count[i] ?? 0;
  let sum = 0;
  const most = limit * total;
  for (let i = 0; i < count.length && sum <= most; i++) {
    const [from = 0, to = 0, values = 0] = [low[i], high[i], count[i]];
    const middle = (from + to) / 2;
    if (middle < bottom) sum += values * (bottom - middle) ** 2;
    else if (middle > top) sum += values * (middle - top) ** 2;
    else if (to - from >= step) sum += (values * step * step) / 12;
    else sum += values * (middle - Math.round(middle / step) * step) ** 2;
  }
  return total === 0 ? 0 : sum / total;
}
