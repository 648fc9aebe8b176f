import { describe, expect, it } from 'vitest';
import { median, quantileOfSorted, summarizeTimes } from './quantile.ts';

describe('quantiles', () => {
  // numpy.percentile([1, 2, 4, 8, 16], [0, 10, 50, 90, 99, 100])
  it.each([
    [0, 1],
    [0.1, 1.4],
    [0.5, 4],
    [0.9, 12.8],
    [0.99, 15.68],
    [1, 16],
  ])('%f of 1 2 4 8 16 is %f', (q, expected) => {
    expect(quantileOfSorted(Float64Array.of(1, 2, 4, 8, 16), q)).toBeCloseTo(expected, 10);
  });

  it('leaves what it is given in order', () => {
    const values = Float64Array.of(3, 1, 2);
    expect(median(values)).toBe(2);
    expect([...values]).toEqual([3, 1, 2]);
  });

  it('summarizes times', () => {
    const times = Float64Array.from({ length: 101 }, (_, i) => 100 - i);
    const summary = { p50Ms: 50, p90Ms: 90, p99Ms: 99, meanMs: 50, iterations: 101, batch: 4, threads: 2 };
    expect(summarizeTimes(times, 4, 2)).toEqual(summary);
  });
});
