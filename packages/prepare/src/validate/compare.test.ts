import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeRatio, mcnemar, ratioInterval } from './compare.ts';
import { randomStream } from '@slipway/core';

/** Rounds of a machine whose speed wanders: both models are hit alike, each with a little noise of its own. */
function rounds(ratio: number, seed: number, count = 15): [Float64Array, Float64Array] {
  const random = randomStream(seed);
  const machine = Float64Array.from({ length: count }, () => 1 + 2 * random());
  const noisy = (scale: number): Float64Array => machine.map((speed) => scale * speed * (1 + 0.02 * (random() - 0.5)));
  return [noisy(ratio), noisy(1)];
}

describe('ratioInterval', () => {
  it.each([
    [0.5, 'less'],
    [0.9, 'less'],
    [1, 'indistinguishable'],
    [1.01, 'indistinguishable'],
    [1.1, 'greater'],
    [4, 'greater'],
  ] as const)('calls a true ratio of %f %s on a machine whose speed varies threefold', (ratio, expected) => {
    for (let seed = 0; seed < 20; seed++) {
      const interval = ratioInterval(...rounds(ratio, seed), seed);
      expect(interval.low).toBeLessThanOrEqual(interval.ratio);
      expect(interval.high).toBeGreaterThanOrEqual(interval.ratio);
      expect(interval.ratio).toBeCloseTo(ratio, 1);
      expect(judgeRatio(interval)).toBe(expected);
    }
  });

  it('does not call a difference that comes and goes real', () => {
    const unstable = Float64Array.from({ length: 15 }, (_, i) => (i % 2 === 0 ? 0.5 : 1.8));
    expect(judgeRatio(ratioInterval(unstable, new Float64Array(15).fill(1), 1))).toBe('indistinguishable');
  });

  it('is the same for the same seed', () => {
    expect(ratioInterval(...rounds(1.2, 3), 7)).toEqual(ratioInterval(...rounds(1.2, 3), 7));
  });
});

describe('mcnemar', () => {
  // R: binom.test(k, n)$p.value
  it.each([
    [5, 15, 0.04138947],
    [0, 10, 0.001953125],
    [8, 8, 1],
    [0, 0, 1],
    [1, 5, 0.21875],
  ])('of %i against %i is %f', (first, second, p) => {
    expect(mcnemar(first, second)).toBeCloseTo(p, 8);
    expect(mcnemar(second, first)).toBeCloseTo(p, 8);
  });

  it('is a probability, however many rows', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(100_000), (first, second) => {
        const p = mcnemar(first, second);
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThanOrEqual(1);
      }),
      { numRuns: 30 },
    );
  });
});
