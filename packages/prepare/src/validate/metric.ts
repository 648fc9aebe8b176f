/**
 * A metric, whatever it measures: it reads each row into a few numbers, and makes one figure of any rows of them.
 *
 *   outputs, labels ──reader──▶ numbers per row (Kept) ──figure──▶ one number for rows × weights
 *
 * The figure takes a weight per row, how often it counts. All ones is the value; zeros leave rows out; the counts of a
 * resample give intervals. What can be done once for all weights (sorting scores) is done when `figure` is called, so that
 * each evaluation is one pass over the rows. To add a metric: one file in metrics/ that makes this object, its options in
 * core's config/metrics.ts, and one line in metrics/index.ts.
 */
import type { MetricCall, MetricUnit } from '@slipway/core';
import type { Kept } from './kept.ts';

export interface Metric {
  readonly name: string;
  readonly unit: MetricUnit;
  readonly better: 'higher' | 'lower';
  readonly needsLabels: boolean;
  /** The rows are right (1) or wrong (0) and the figure is the share of right ones: then its statistics are exact. */
  readonly isProportion: boolean;
  /** The figure says something over rows of a single class, so that it can be told apart by class. */
  readonly byClass: boolean;
  /** Resampling rows says how uncertain the figure is. Not of a largest value: it can only get smaller. */
  readonly resamples: boolean;
  /**
   * @param first the first call of the source (its outputs as `outputs`): what the outputs hold is decided from it, once
   * @throws DATA_MISMATCH when outputs or labels are not what the metric reads
   */
  reader(first: MetricCall): Reader;
  /** NaN where the figure is not defined: no rows, or an AUC of one class. */
  figure(kept: Kept): (weights: Uint32Array) => number;
}

/** Reads the rows of one call, in order. @throws DATA_MISMATCH, METRIC_FAILED, naming the row */
export type Reader = (call: MetricCall, keep: (row: ArrayLike<number>) => void) => void | Promise<void>;

/** What metrics are made with. */
export interface MetricContext {
  /** The output that is read unless the metric names another. */
  readonly output: string;
  /** Names of the classes, for labels that are text. */
  readonly names: readonly string[] | null;
}

/** The weighted mean of the first number of every row: the figure of most metrics. */
export function meanFigure(kept: Kept): (weights: Uint32Array) => number {
  return ratioFigure(kept, 0, null);
}

/** Σ numerator / Σ denominator over rows; the denominator of a row is 1 when null. */
export function ratioFigure(
  kept: Kept,
  numerator: number,
  denominator: number | null,
): (weights: Uint32Array) => number {
  const { rows, values, starts } = kept;
  return (weights) => {
    let sum = 0;
    let total = 0;
    for (let row = 0; row < rows; row++) {
      const weight = weights[row] ?? 0;
      if (weight === 0) continue;
      const at = starts[row] ?? 0;
      sum += weight * (values[at + numerator] ?? 0);
      total += weight * (denominator === null ? 1 : (values[at + denominator] ?? 0));
    }
    return sum / total;
  };
}

/** Every row once. */
export function unitWeights(rows: number): Uint32Array {
  return new Uint32Array(rows).fill(1);
}
