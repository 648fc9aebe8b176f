/**
 * What a metric says of a model, and of a model against the source: the figure with its interval, and a difference that is called
 * real only when a paired test over the same rows says so. Shares of right rows have exact tests (Wilson, McNemar); all
 * other figures are resampled.
 */
import type { Estimate, MetricDifference } from '@slipway/core';
import { bootstrapInterval, pairedBootstrap } from './bootstrap.ts';
import { mcnemar, SIGNIFICANCE } from './compare.ts';
import { CONFIDENCE, pairedInterval, wilson } from './interval.ts';
import { type Kept, sameKept } from './kept.ts';
import { type Metric, unitWeights } from './metric.ts';

/** null when the figure is not defined over these rows. */
export function estimate(metric: Metric, kept: Kept, seed: number): Estimate | null {
  const { rows, values } = kept;
  if (rows === 0) return null;
  if (metric.isProportion) {
    return wilson(
      values.reduce((sum, value) => sum + value, 0),
      rows,
    );
  }
  const figure = metric.figure(kept);
  const value = figure(unitWeights(rows));
  if (!Number.isFinite(value)) return null;
  const interval = metric.resamples ? bootstrapInterval(figure, value, rows, values.length, seed) : null;
  const { low, high } = interval ?? { low: null, high: null };
  return { value, low, high, confidence: CONFIDENCE, method: 'bootstrap', rows };
}

/**
 * `own` against `source` over the same rows.
 * @returns null when either figure is not defined
 */
export function difference(metric: Metric, own: Kept, source: Kept, seed: number): MetricDifference | null {
  return metric.isProportion ? ofShares(metric, own, source) : ofFigures(metric, own, source, seed);
}

function ofShares({ better }: Metric, own: Kept, source: Kept): MetricDifference | null {
  const { rows } = own;
  if (rows === 0) return null;
  let [lost, gained] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const [now, before] = [own.values[row] ?? 0, source.values[row] ?? 0];
    if (now < before) lost++;
    else if (now > before) gained++;
  }
  const p = mcnemar(lost, gained);
  const value = (gained - lost) / rows;
  return {
    value,
    ...pairedInterval(lost, gained, rows),
    confidence: CONFIDENCE,
    p,
    test: 'mcnemar',
    verdict: verdictOf(value, p, better),
    lost,
    gained,
  };
}

function ofFigures(metric: Metric, own: Kept, source: Kept, seed: number): MetricDifference | null {
  const [first, second] = [metric.figure(source), metric.figure(own)];
  const all = unitWeights(own.rows);
  const value = second(all) - first(all);
  if (!Number.isFinite(value)) return null;
  const base = { value, confidence: CONFIDENCE, test: 'bootstrap', lost: null, gained: null } as const;
  if (sameKept(own, source)) return { ...base, low: 0, high: 0, p: 1, verdict: 'same' };
  const size = Math.max(own.values.length, source.values.length);
  const paired = metric.resamples ? pairedBootstrap(first, second, own.rows, size, seed) : null;
  if (paired === null) return { ...base, low: null, high: null, p: 1, verdict: 'same' };
  return { ...base, ...paired, verdict: verdictOf(value, paired.p, metric.better) };
}

function verdictOf(value: number, p: number, better: Metric['better']): MetricDifference['verdict'] {
  if (p > SIGNIFICANCE || value === 0) return 'same';
  return value > 0 === (better === 'higher') ? 'better' : 'worse';
}

/**
 * The differences of many slices, of which some look real by chance alone: with a hundred slices at p ≤ 0.01, one does. Those stay
 * real that hold when at most one in a hundred of all that are called real may be false. Y. Benjamini and Y. Hochberg,
 * "Controlling the false discovery rate", Journal of the Royal Statistical Society B 57 (1995).
 */
export function amongMany(differences: readonly (MetricDifference | null)[]): readonly (MetricDifference | null)[] {
  const ps = differences.flatMap((each) => (each === null ? [] : [each.p])).sort((a, b) => a - b);
  const last = ps.findLastIndex((p, i) => p <= (SIGNIFICANCE * (i + 1)) / ps.length);
  const bound = last < 0 ? -1 : (ps[last] ?? -1);
  return differences.map((each) => (each === null || each.p <= bound ? each : { ...each, verdict: 'same' as const }));
}
