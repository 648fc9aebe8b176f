import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wilson } from './interval.ts';

describe('wilson', () => {
  // R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998), table I.
  it.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('%i of %i is [%f, %f]', (correct, total, low, high) => {
    const interval = wilson(correct, total);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('holds the share and stays inside [0, 1]', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }), (total, share) => {
        const interval = wilson(Math.floor(total * share), total);
        expect(interval.low).toBeGreaterThanOrEqual(0);
        expect(interval.low).toBeLessThanOrEqual(interval.value);
        expect(interval.high).toBeGreaterThanOrEqual(interval.value);
        expect(interval.high).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('refuses a share of nothing', () => {
    expect(() => wilson(0, 0)).toThrow('a share of 0 in 0 rows');
  });
});
