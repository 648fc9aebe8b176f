/**
 * Quantiles of measured times by linear interpolation between order statistics (Hyndman & Fan type 7, what NumPy and
 * R do by default), so that our figures compare with those of other tools.
 */
import { fail, type Latency } from '@slipway/core';

/** @param sorted ascending, at least one value */
export function quantileOfSorted(sorted: Float64Array, q: number): number {
  if (sorted.length === 0) throw fail('INTERNAL', { problem: 'a quantile of nothing' });
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const low = sorted[below] ?? 0;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? low;
  return low + (high - low) * (position - below);
}

export function median(values: Float64Array): number {
  return quantileOfSorted(Float64Array.from(values).sort(), 0.5);
}

export type TimeSummary = Omit<Latency, 'versusSource' | 'cached'>;

/** Summary of the durations of single calls, milliseconds. */
export function summarizeTimes(timesMs: Float64Array, batch: number, threads: number): TimeSummary {
  const sorted = Float64Array.from(timesMs).sort();
  const at = (q: number): number => quantileOfSorted(sorted, q);
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return { p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), meanMs: mean, iterations: sorted.length, batch, threads };
}
