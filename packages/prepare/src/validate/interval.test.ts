import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pairedInterval, wilson } from './interval.ts';

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

describe('the interval of a paired difference', () => {
  // Tango's score interval, with the likelihood maximized numerically by SciPy instead of by formula.
  it.each([
    [2, 12, 50, 0.06111240715146769, 0.34470874786154976],
    [9, 3, 200, -0.0705095345460124, 0.004614126307723196],
    [0, 1, 40, -0.06481214120665361, 0.12881368963621262],
    [10, 40, 1000, 0.01684968617901801, 0.04502707518117739],
  ])('%i lost and %i gained of %i is [%f, %f]', (lost, gained, total, low, high) => {
    const interval = pairedInterval(lost, gained, total);
    expect(interval.low).toBeCloseTo(low, 6);
    expect(interval.high).toBeCloseTo(high, 6);
    // The other way round is the mirror image.
    const other = pairedInterval(gained, lost, total);
    expect(other.low).toBeCloseTo(-high, 6);
    expect(other.high).toBeCloseTo(-low, 6);
  });

  it('holds the difference, and has a width even when no row differs', () => {
    const counts = fc.tuple(fc.nat(50), fc.nat(50), fc.nat(1000));
    fc.assert(
      fc.property(counts, ([lost, gained, rest]) => {
        const total = lost + gained + rest;
        fc.pre(total > 0);
        const { low, high } = pairedInterval(lost, gained, total);
        expect(low).toBeGreaterThanOrEqual(-1);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual((gained - lost) / total + 1e-9);
        expect(high).toBeGreaterThanOrEqual((gained - lost) / total - 1e-9);
      }),
    );
    const { low, high } = pairedInterval(0, 0, 100);
    // z² / (n + z²)
    expect(high).toBeCloseTo(3.8414588 / 103.8414588, 5);
    expect(low).toBeCloseTo(-high, 9);
  });
});
