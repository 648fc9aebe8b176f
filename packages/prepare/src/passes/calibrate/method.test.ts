import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normal } from '../testing/run.ts';
import { Histogram } from './histogram.ts';
import { type Estimator, estimate } from './method.ts';
import { meanSquaredError } from './mse.ts';
import type { Range, Target } from './range.ts';

const EIGHT: Target = { levels: 256, symmetric: false };
const EIGHT_SYMMETRIC: Target = { levels: 256, symmetric: true };

function histogramOf(...parts: readonly (readonly number[] | Float32Array)[]): Histogram {
  const histogram = new Histogram();
  for (const part of parts) histogram.add(Float32Array.from(part));
  return histogram;
}

const range = (values: Histogram, estimator: Estimator, target = EIGHT): Range => estimate(values, target, estimator);

/** What quantization with this range really costs, value by value. */
function realError(values: Float32Array, { min, max }: Range, { levels, symmetric }: Target): number {
  const bound = Math.max(-min, max);
  const [low, high] = symmetric ? [-bound, bound] : [Math.min(min, 0), Math.max(max, 0)];
  const step = (high - low) / (symmetric ? levels - 2 : levels - 1);
  const sum = values.reduce((total, value) => {
    const clipped = Math.min(high, Math.max(low, value));
    return total + (value - Math.round(clipped / step) * step) ** 2;
  }, 0);
  return sum / values.length;
}

const ALL: readonly Estimator[] = [
  { method: 'minmax' },
  { method: 'percentile', percentile: 99.9 },
  { method: 'entropy' },
  { method: 'mse' },
];

describe.each(ALL)('$method', (estimator) => {
  it('stays within the values, whatever they are and whatever the type', () => {
    const list = fc.array(fc.float({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1, maxLength: 60 });
    const target = fc.record({ levels: fc.constantFrom(16, 256, 65536), symmetric: fc.boolean() });
    fc.assert(
      fc.property(list, target, (values, type) => {
        const histogram = histogramOf(values);
        const { min, max } = estimate(histogram, type, estimator);
        expect(min).toBeLessThanOrEqual(max);
        expect(min).toBeGreaterThanOrEqual(histogram.min);
        expect(max).toBeLessThanOrEqual(histogram.max);
      }),
      { numRuns: 40 },
    );
  });

  it('keeps everything of a tensor that is constant, or evenly spread', () => {
    expect(range(histogramOf([3, 3, 3]), estimator)).toEqual({ min: 3, max: 3 });
    const even = histogramOf(Float32Array.from({ length: 20001 }, (_, i) => i / 10000 - 1));
    const { min, max } = range(even, estimator);
    expect(max).toBeGreaterThan(0.97);
    expect(min).toBeLessThan(-0.97);
  });

  it('scales with the values', () => {
    const values = normal(20000, 3);
    const one = range(histogramOf(values), estimator);
    const thousandth = range(histogramOf(values.map((value) => value / 1024)), estimator);
    expect(thousandth.max * 1024).toBeCloseTo(one.max, 2);
    expect(thousandth.min * 1024).toBeCloseTo(one.min, 2);
  });
});

describe('percentile', () => {
  it('cuts equal shares from both ends, and of magnitudes when the range is symmetric', () => {
    const values = histogramOf(Float32Array.from({ length: 10000 }, (_, i) => i - 2000));
    const asymmetric = range(values, { method: 'percentile', percentile: 99 });
    expect(asymmetric.min).toBeCloseTo(-1950, -1);
    expect(asymmetric.max).toBeCloseTo(7949, -2);
    const symmetric = range(values, { method: 'percentile', percentile: 99 }, EIGHT_SYMMETRIC);
    expect(symmetric.max).toBeCloseTo(7899, -2);
    expect(symmetric.min).toBe(-2000);
  });

  it('needs a share that an outlier is outside of', () => {
    const values = histogramOf(normal(100_000, 1), [40]);
    expect(range(values, { method: 'percentile', percentile: 99.999 }).max).toBeGreaterThan(4);
    expect(range(values, { method: 'percentile', percentile: 99.9 }).max).toBeLessThan(3.6);
  });
});

describe('entropy', () => {
  it('leaves out one value of 40 among a hundred thousand normal ones', () => {
    const { min, max } = range(histogramOf(normal(100_000, 1), [40]), { method: 'entropy' });
    expect(max).toBeGreaterThan(3);
    expect(max).toBeLessThan(7);
    expect(min).toBeGreaterThan(-7);
  });

  it('sees what is at the bottom of an outlier a million times as large', () => {
    const { max } = range(histogramOf(normal(100_000, 2), [1e6]), { method: 'entropy' });
    expect(max).toBeGreaterThan(2);
    expect(max).toBeLessThan(10);
  });

  it('gives a tensor that is never negative all levels, and 16 bits all values', () => {
    const positive = histogramOf(normal(100_000, 4).map(Math.abs), [40]);
    const found = range(positive, { method: 'entropy' });
    expect(found.min).toBe(positive.min);
    expect(found.max).toBeLessThan(7);
    expect(range(positive, { method: 'entropy' }, { levels: 65536, symmetric: false }).max).toBe(40);
  });
});

describe('mse', () => {
  const samples: readonly (readonly [string, Float32Array])[] = [
    ['normal', normal(4_000, 5)],
    ['normal with outliers', Float32Array.from([...normal(4_000, 6), 30, -12])],
    ['never negative', normal(4_000, 7).map((value) => Math.max(0, value))],
    ['heavy-tailed', normal(4_000, 8).map((value) => value ** 3)],
    ['shifted', normal(4_000, 9).map((value) => value + 3)],
  ];
  it.each(samples)('is as good as a search over the values themselves: %s', (_, values) => {
    for (const target of [EIGHT, EIGHT_SYMMETRIC, { levels: 16, symmetric: false }, { levels: 16, symmetric: true }]) {
      const histogram = histogramOf(values);
      const own = realError(values, range(histogram, { method: 'mse' }, target), target);
      let least = realError(values, histogram, target);
      for (let low = 0.01; low <= 1; low *= 1.2) {
        for (let high = 0.01; high <= 1; high *= 1.2) {
          least = Math.min(least, realError(values, { min: histogram.min * low, max: histogram.max * high }, target));
        }
      }
      expect(own).toBeLessThan(least * 1.06);
    }
  });

  it('expects of a histogram the error that the values have', () => {
    const values = normal(50_000, 10);
    for (const target of [EIGHT, EIGHT_SYMMETRIC, { levels: 65536, symmetric: false }]) {
      for (const max of [0.5, 2, 4]) {
        const tried = { min: -max * 0.8, max };
        const expected = meanSquaredError(histogramOf(values).buckets(), tried, target);
        expect(expected / realError(values, tried, target)).toBeCloseTo(1, 1);
      }
    }
  });
});
