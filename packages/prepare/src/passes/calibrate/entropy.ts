/**
 * The range that keeps the distribution recognizable: among bounds T, the one for which the values clipped to [−T, T] (P) and the same
 * values as the quantized type can tell them apart (Q) have the smallest Kullback-Leibler divergence (Migacz, "8-bit inference
 * with TensorRT", 2017).
 *
 * Usually P is a histogram of 2048 equal bins over all values. Then one outlier decides how finely the rest is seen: at a thousand
 * times the rest, the rest is two bins, which any range keeps. Here P is the buckets of `Histogram`, which are equally fine at
 * every scale, and Q spreads what a level holds over the buckets of that level by their width, as equal bins would.
 * Two more differences: levels are those of the type over the range in question, so a tensor that is never negative
 * gets all 256; and exact zeros are not compared, because quantization keeps them.
 */
import { type Buckets, coarser, type Histogram } from './histogram.ts';
import type { Range, Target } from './range.ts';

/** Bounds tried per power of two, and how many powers of two below the largest value at most. */
const STEPS_PER_OCTAVE = 16;
const OCTAVES = 24;
/**
 * Share of the values that are not zero which a range must keep. Where nearly all is outside, nothing is left inside to
 * tell P from Q, and the divergence is small again.
 */
const LEAST_INSIDE = 0.95;
/** Buckets put together, so that each holds enough values for their number to mean something: 256 per power of two remain. */
const COARSENING = 4;
/** What a bucket counts that Q has nothing for: so that a clipped value costs much and not everything. */
const EPSILON = 1e-4;
/** A type with more levels than this tells apart more than the buckets do: there is nothing to compare, and no reason to clip. */
const MOST_LEVELS = 4096;
/** A narrower range must be better by this much, relative: otherwise rounding of this sum decides. */
const MARGIN = 1e-9;

export function entropyRange(histogram: Histogram, target: Target): Range {
  const { min, max } = histogram;
  if (target.levels > MOST_LEVELS) return { min, max };
  const buckets = coarser(histogram.buckets(), COARSENING);
  const largest = Math.max(Math.abs(min), Math.abs(max));
  const within = (bound: number): Range => ({ min: Math.max(min, -bound), max: Math.min(max, bound) });
  const scratch = new Float64Array(buckets.count.length);
  let best = within(largest);
  let least = divergence(buckets, best, target, scratch);
  for (let step = 1; step <= STEPS_PER_OCTAVE * OCTAVES; step++) {
    const bound = largest * 2 ** (-step / STEPS_PER_OCTAVE);
    // A range that all values are outside of, because none is near zero.
    if (bound < min || -bound > max) return best;
    const tried = within(bound);
    const found = divergence(buckets, tried, target, scratch);
    if (found === null) return best;
    if (least === null || found < least * (1 - MARGIN)) [best, least] = [tried, found];
  }
  return best;
}

/**
 * KL(P ‖ Q) over the buckets inside the range. P: their counts, and those of everything outside in the outermost ones.
 * Q: the counts without that, summed over the buckets of each level and spread over those that are not empty.
 * @returns null when too little is inside
 */
function divergence(
  { low, high, count }: Buckets,
  { min, max }: Range,
  { levels, symmetric }: Target,
  q: Float64Array,
): number | null {
  const bound = Math.max(-min, max);
  const [bottom, top] = symmetric ? [-bound, bound] : [Math.min(min, 0), Math.max(max, 0)];
  const step = (top - bottom) / (symmetric ? levels - 2 : levels - 1);
  const middle = (i: number): number => ((low[i] ?? 0) + (high[i] ?? 0)) / 2;
  let first = 0;
  let last = count.length - 1;
  let below = 0;
  let above = 0;
  while (first < last && middle(first) < bottom) below += count[first++] ?? 0;
  while (last > first && middle(last) > top) above += count[last--] ?? 0;
  let all = 0;
  for (let i = 0; i < count.length; i++) if (low[i] !== high[i]) all += count[i] ?? 0;
  if (below + above > (1 - LEAST_INSIDE) * all || all === 0) return null;

  for (let from = first; from <= last;) {
    const level = Math.round(middle(from) / step);
    let to = from;
    let sum = 0;
    let width = 0;
    while (to <= last && Math.round(middle(to) / step) === level) {
      const size = (high[to] ?? 0) - (low[to] ?? 0);
      if (size > 0) [sum, width] = [sum + (count[to] ?? 0), width + size];
      to++;
    }
    for (; from < to; from++) {
      const size = (high[from] ?? 0) - (low[from] ?? 0);
      q[from] = size > 0 ? (sum * size) / width : (count[from] ?? 0);
    }
  }

  let [sumP, sumQ] = [below + above, 0];
  for (let i = first; i <= last; i++) [sumP, sumQ] = [sumP + (count[i] ?? 0), sumQ + Math.max(EPSILON, q[i] ?? 0)];
  let total = 0;
  for (let i = first; i <= last; i++) {
    const p = ((count[i] ?? 0) + (i === first ? below : 0) + (i === last ? above : 0)) / sumP;
    if (p > 0) total += p * Math.log(p / (Math.max(EPSILON, q[i] ?? 0) / sumQ));
  }
  return total;
}
