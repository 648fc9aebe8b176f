import { randomStream } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { bootstrapInterval, normalQuantile, normalShare, pairedBootstrap } from './bootstrap.ts';
import { keeper, type Kept } from './kept.ts';
import { meanFigure } from './metric.ts';

const keptOf = (values: ArrayLike<number>): Kept => {
  const kept = keeper();
  for (let i = 0; i < values.length; i++) kept.add([values[i]!]);
  return kept.finish();
};
const meanOf = (values: ArrayLike<number>) => meanFigure(keptOf(values));
const SKEWED = [1.2, 0.5, 2.2, 8.1, 0.3, 1.1, 0.9, 3.4, 0.2, 1.7, 5.5, 0.6, 2.8, 1.0, 0.4];

describe('the bootstrap', () => {
  // scipy.stats.bootstrap((x,), mean, method='BCa', n_resamples=200000): [1.18, 3.55], over three seeds ± 0.02
  it('gives the BCa interval of SciPy', () => {
    const figure = meanOf(SKEWED);
    const mean = SKEWED.reduce((sum, value) => sum + value, 0) / SKEWED.length;
    const all = Array.from({ length: 10 }, (_, seed) => bootstrapInterval(figure, mean, 15, 15, seed)!);
    const average = (of: 'low' | 'high') => all.reduce((sum, interval) => sum + interval[of], 0) / all.length;
    expect(average('low')).toBeGreaterThan(1.13);
    expect(average('low')).toBeLessThan(1.23);
    expect(average('high')).toBeGreaterThan(3.4);
    expect(average('high')).toBeLessThan(3.7);
    expect(bootstrapInterval(figure, mean, 15, 15, 3)).toEqual(all[3]);
  });

  it('covers the truth about as often as it says', () => {
    const random = randomStream(1);
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      const values = Float64Array.from({ length: 60 }, () => -Math.log(1 - random()));
      const mean = values.reduce((sum, value) => sum + value, 0) / 60;
      // A size that leaves the least number of resamples, for time.
      const { low, high } = bootstrapInterval(meanOf(values), mean, 60, 1e9, trial)!;
      if (low <= 1 && 1 <= high) covered++;
    }
    expect(covered).toBeGreaterThanOrEqual(178);
    expect(covered).toBeLessThanOrEqual(199);
  });

  it('says nothing of one row, or of a figure that is often undefined', () => {
    expect(bootstrapInterval(meanOf([1]), 1, 1, 1, 0)).toBeNull();
    const rare = (weights: Uint32Array): number => (weights[0]! > 0 ? 1 : Number.NaN);
    expect(bootstrapInterval(rare, 1, 20, 20, 0)).toBeNull();
    expect(pairedBootstrap(rare, rare, 20, 20, 0)).toBeNull();
  });

  it('has a width of zero where nothing varies', () => {
    expect(bootstrapInterval(meanOf([2, 2, 2, 2]), 2, 4, 4, 0)).toEqual({ low: 2, high: 2 });
  });
});

describe('the paired bootstrap', () => {
  const random = randomStream(7);
  const rows = Float64Array.from({ length: 300 }, () => 10 * random());
  it('sees a small difference that rows have in common, and not one that comes and goes', () => {
    const shifted = rows.map((value) => value + 0.2 + 0.1 * random());
    const real = pairedBootstrap(meanOf(rows), meanOf(shifted), 300, 300, 0)!;
    expect(real.low).toBeGreaterThan(0.23);
    expect(real.high).toBeLessThan(0.27);
    expect(real.p).toBeLessThan(0.002);
    const noisy = rows.map((value) => value + 8 * (random() - 0.5));
    const none = pairedBootstrap(meanOf(rows), meanOf(noisy), 300, 300, 0)!;
    expect(none.p).toBeGreaterThan(0.01);
    expect(none.low).toBeLessThan(none.high);
  });

  it('calls equal models different about as rarely as its p says', () => {
    let below = 0;
    for (let trial = 0; trial < 200; trial++) {
      const noise = Float64Array.from({ length: 40 }, () => random() - 0.5);
      const result = pairedBootstrap(meanOf(new Float64Array(40)), meanOf(noise), 40, 1e9, trial)!;
      if (result.p <= 0.05) below++;
    }
    expect(below).toBeLessThanOrEqual(24);
    expect(below).toBeGreaterThanOrEqual(2);
  });
});

it('the normal distribution and its inverse', () => {
  expect(normalShare(1.959963984540054)).toBeCloseTo(0.975, 6);
  expect(normalShare(-1)).toBeCloseTo(0.15865525393145707, 6);
  expect(normalQuantile(0.025)).toBeCloseTo(-1.959963984540054, 4);
  expect(normalQuantile(0.5)).toBeCloseTo(0, 6);
});
