/**
 * Intervals by resampling rows with repetition, for figures whose distribution has no formula. Seeded: the same rows give the
 * same interval.
 *
 * For one figure: bias-corrected and accelerated (B. Efron, "Better bootstrap confidence intervals", JASA 82, 1987), because F1
 * and AUC near 1 are skewed, which plain percentiles miss. For the difference of two models: percentiles of the
 * difference over resamples of the rows of both at once, and from the same resamples the p-value, so that the two agree.
 */
import { randomStream } from '@slipway/core';
import { CONFIDENCE } from './interval.ts';
import { unitWeights } from './metric.ts';
import { quantileOfSorted } from './quantile.ts';

type Figure = (weights: Uint32Array) => number;

const RESAMPLES = 2000;
/** Enough for p ≤ 0.01 to be seen. */
const MIN_RESAMPLES = 400;
/** Numbers visited for one interval: above it fewer resamples are taken. About a second. */
const BUDGET = 1e8;
/** Rows left out together for the acceleration: one at a time takes the square of the rows. */
const JACKKNIFE_GROUPS = 100;
/** An interval says nothing when the figure is undefined in more of the resamples (an AUC with two positive rows). */
const MAX_UNDEFINED = 0.1;

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * @param value the figure of all rows
 * @param size numbers that one evaluation visits
 * @returns null where resampling says nothing: fewer than two rows, or a figure that is often undefined
 */
export function bootstrapInterval(
  figure: Figure,
  value: number,
  rows: number,
  size: number,
  seed: number,
): Interval | null {
  const samples = sorted(resample(rows, size, seed, figure));
  if (samples === null || rows < 2) return null;
  const below = samples.reduce((count, sample) => count + (sample < value ? 1 : sample === value ? 0.5 : 0), 0);
  const share = Math.min(1 - 0.5 / samples.length, Math.max(0.5 / samples.length, below / samples.length));
  const bias = normalQuantile(share);
  const acceleration = accelerationOf(figure, rows);
  const end = (tail: number): number => {
    const shifted = bias + normalQuantile(tail);
    return quantileOfSorted(samples, normalShare(bias + shifted / (1 - acceleration * shifted)));
  };
  const tail = (1 - CONFIDENCE) / 2;
  return { low: end(tail), high: end(1 - tail) };
}

export interface PairedResult extends Interval {
  /** Two-sided: how often a resample puts the models the other way round, or equal. */
  readonly p: number;
}

/** Of `second − first` over resamples of the same rows; null as above. */
export function pairedBootstrap(
  first: Figure,
  second: Figure,
  rows: number,
  size: number,
  seed: number,
): PairedResult | null {
  const samples = sorted(resample(rows, 2 * size, seed, (weights) => second(weights) - first(weights)));
  if (samples === null || rows < 2) return null;
  const [notMore, notLess] = samples.reduce(
    ([more, less], sample) => [more + (sample <= 0 ? 1 : 0), less + (sample >= 0 ? 1 : 0)],
    [0, 0] as [number, number],
  );
  const crossing = Math.min(notMore, notLess);
  const counted = Math.min(1, (2 * (crossing + 1)) / (samples.length + 1));
  // Where none crosses, counting only says "less than one in a thousand"; the normal tail says how much less.
  const p = crossing > 0 ? counted : Math.min(counted, Math.max(LEAST_P, normalTail(samples)));
  const tail = (1 - CONFIDENCE) / 2;
  return { low: quantileOfSorted(samples, tail), high: quantileOfSorted(samples, 1 - tail), p };
}

/** What the approximation of the tail can tell from zero. */
const LEAST_P = 1e-6;

/** Two-sided probability of zero under a normal distribution with the mean and spread of the samples. */
function normalTail(samples: Float64Array): number {
  const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
  const variance = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / samples.length;
  return variance === 0 ? 0 : 2 * normalShare(-Math.abs(mean) / Math.sqrt(variance));
}

function resample(rows: number, size: number, seed: number, figure: Figure): Float64Array {
  const count = Math.max(MIN_RESAMPLES, Math.min(RESAMPLES, Math.floor(BUDGET / Math.max(1, size))));
  const random = randomStream(seed);
  const weights = new Uint32Array(rows);
  return Float64Array.from({ length: count }, () => {
    weights.fill(0);
    for (let i = 0; i < rows; i++) {
      const row = Math.floor(random() * rows);
      weights[row] = (weights[row] ?? 0) + 1;
    }
    return figure(weights);
  });
}

function sorted(samples: Float64Array): Float64Array | null {
  const defined = samples.filter((sample) => !Number.isNaN(sample));
  return defined.length < (1 - MAX_UNDEFINED) * samples.length ? null : defined.sort();
}

/** Skewness of the figure by leaving out one row, or one of a hundred groups of rows, at a time. */
function accelerationOf(figure: Figure, rows: number): number {
  const groups = Math.min(rows, JACKKNIFE_GROUPS);
  const left: number[] = [];
  for (let group = 0; group < groups; group++) {
    const weights = unitWeights(rows);
    for (let row = group; row < rows; row += groups) weights[row] = 0;
    const value = figure(weights);
    if (!Number.isNaN(value)) left.push(value);
  }
  const mean = left.reduce((sum, value) => sum + value, 0) / left.length;
  const [squares, cubes] = left.reduce<[number, number]>(
    ([two, three], value) => [two + (mean - value) ** 2, three + (mean - value) ** 3],
    [0, 0],
  );
  return squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
}

/** The standard normal distribution function: W. J. Cody's rational form is not needed at the three digits used here. */
export function normalShare(z: number): number {
  // Abramowitz & Stegun 7.1.26: |error| < 1.5e-7.
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = 0.5 * series * Math.exp(-x * x);
  return z < 0 ? tail : 1 - tail;
}

/** Its inverse, by bisection. @param share in (0, 1) */
export function normalQuantile(share: number): number {
  let [low, high] = [-9, 9];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
