/**
 * The tree-structured Parzen estimator: J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, "Algorithms for Hyper-Parameter
 * Optimization", NIPS 2011, §4. Trials are split into a good and a bad part; each choice gets a density over the good values,
 * l, and over the bad ones, g; of a few draws from l the one with the largest l/g is taken, which is the one with the
 * largest expected improvement (their eq. 2). A choice inside a value is estimated from the trials that met it only: the tree.
 *
 * Details as in S. Watanabe, "Tree-Structured Parzen Estimator" (2023, arXiv:2304.11127): a tenth of the trials, at most 25, is
 * good (§3.1); every density has one prior component over the whole range, so nothing gets probability zero; bandwidths are the
 * larger gap to the neighbours; they are kept above range / (n + 1)² and a hundredth of the range. For several objectives "good" are the first of the
 * non-dominated order (order.ts), which is what MOTPE (Y. Ozaki et al., GECCO 2020) does without its weights.
 */
import type { Dimension } from '@slipway/core';
import { type Judged, rank } from './order.ts';
import { levels, type Chooser, type Point, valueAt } from './space.ts';

export interface Observation extends Judged {
  readonly point: Point;
}

/** Draws from the good density per choice; Bergstra et al. use 24 in their implementation. */
const DRAWS = 24;
const GOOD_SHARE = 0.1;
const MOST_GOOD = 25;

/** @param history at least one trial */
export function parzenChooser(history: readonly Observation[], random: () => number): Chooser {
  const order = rank(history);
  const goodCount = Math.min(MOST_GOOD, Math.max(2, Math.ceil(GOOD_SHARE * history.length)));
  const pointsOf = (indices: readonly number[]): Point[] => indices.flatMap((i) => history[i]?.point ?? []);
  const good = pointsOf(order.slice(0, goodCount));
  const bad = pointsOf(order.slice(goodCount));
  return (dimension) => {
    const seen = (points: readonly Point[]): number[] => points.flatMap((point) => point.get(dimension.id) ?? []);
    return dimension.kind === 'any'
      ? chooseAny(dimension.count, seen(good), seen(bad), random)
      : chooseBetween(dimension, seen(good), seen(bad), random);
  };
}

function chooseAny(count: number, good: readonly number[], bad: readonly number[], random: () => number): number {
  const [l, g] = [frequencies(count, good), frequencies(count, bad)];
  let best = 0;
  let largest = -Infinity;
  for (let draw = 0; draw < DRAWS; draw++) {
    const value = drawFrom(l, random());
    const ratio = (l[value] ?? 0) / (g[value] ?? 1);
    if (ratio > largest) {
      largest = ratio;
      best = value;
    }
  }
  return best;
}

/** Shares of values, each with one observation spread over all of them as the prior. */
function frequencies(count: number, values: readonly number[]): number[] {
  const shares = Array.from({ length: count }, () => 1 / count);
  for (const value of values) shares[value] = (shares[value] ?? 0) + 1;
  return shares.map((share) => share / (values.length + 1));
}

function drawFrom(shares: readonly number[], at: number): number {
  let sum = 0;
  for (const [value, share] of shares.entries()) {
    sum += share;
    if (at < sum) return value;
  }
  return shares.length - 1;
}

type Numeric = Extract<Dimension, { kind: 'between' }>;

function chooseBetween(
  dimension: Numeric,
  good: readonly number[],
  bad: readonly number[],
  random: () => number,
): number {
  const scale = (value: number): number => (dimension.log ? Math.log(value) : value);
  const [low, high] = [scale(dimension.low), scale(dimension.high)];
  const [l, g] = [mixture(good.map(scale), low, high), mixture(bad.map(scale), low, high)];
  let best = low;
  let largest = -Infinity;
  for (let draw = 0; draw < DRAWS; draw++) {
    const value = sample(l, low, high, random);
    const ratio = density(l, value) / density(g, value);
    if (ratio > largest) {
      largest = ratio;
      best = value;
    }
  }
  return onGrid(dimension, dimension.log ? Math.exp(best) : best);
}

/** The nearest number that the dimension takes. */
export function onGrid(dimension: Numeric, value: number): number {
  const inside = Math.min(dimension.high, Math.max(dimension.low, value));
  if (dimension.step === null) return Number(inside.toPrecision(6));
  const index = Math.round((inside - dimension.low) / dimension.step);
  return valueAt(dimension, Math.min(index, levels(dimension) - 1));
}

interface Kernel {
  readonly mean: number;
  readonly width: number;
}

/** A kernel on every value and one over the whole range, equally weighted. */
function mixture(values: readonly number[], low: number, high: number): readonly Kernel[] {
  const range = high - low;
  const prior: Kernel = { mean: (low + high) / 2, width: range };
  const narrowest = range * Math.max(0.01, (values.length + 1) ** -2);
  const sorted = [...values].sort((a, b) => a - b);
  const kernels = sorted.map((mean, i): Kernel => {
    const gap = Math.max(mean - (sorted[i - 1] ?? low), (sorted[i + 1] ?? high) - mean);
    return { mean, width: Math.min(range, Math.max(narrowest, gap)) };
  });
  return [...kernels, prior];
}

/** A draw from the mixture, truncated to the range by drawing again. */
function sample(kernels: readonly Kernel[], low: number, high: number, random: () => number): number {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { mean, width } = kernels[Math.floor(random() * kernels.length)] ?? { mean: low, width: 0 };
    const value = mean + width * gaussian(random);
    if (value >= low && value <= high) return value;
  }
  return low + (high - low) * random();
}

/** Not normalized over the truncation, which is nearly the same for both densities. */
function density(kernels: readonly Kernel[], value: number): number {
  const sum = kernels.reduce((total, { mean, width }) => {
    const z = (value - mean) / width;
    return total + Math.exp(-0.5 * z * z) / width;
  }, 0);
  return sum / kernels.length;
}

/** G. E. P. Box, M. E. Muller, 1958. */
function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
