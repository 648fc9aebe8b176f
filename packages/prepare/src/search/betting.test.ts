import { randomStream } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { testMeanAbove } from './betting.ts';

/** Values in a random order. */
function shuffled(values: readonly number[], random: () => number): number[] {
  const all = [...values];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j] ?? 0, all[i] ?? 0];
  }
  return all;
}

/** Drops per row: lost answers are 1, gained ones −1. */
const rows = (total: number, lost: number, gained: number): number[] =>
  Array.from({ length: total }, (_, i) => (i < lost ? 1 : i < lost + gained ? -1 : 0));

/** After how many rows the drop is called too large, or null. */
function rejectedAfter(values: readonly number[], bound: number, alpha: number): number | null {
  const test = testMeanAbove(values.length, bound, [-1, 1], alpha);
  for (const value of values) {
    test.add(value);
    if (test.isAbove) return test.count;
  }
  return null;
}

describe('the test of a mean by betting', () => {
  it('is wrong no more often than it says, also when it looks after every row', () => {
    const random = randomStream(11);
    const alpha = 0.05;
    for (const [total, lost, gained] of [
      [500, 10, 5],
      [500, 60, 55],
      [2000, 20, 0],
      [300, 3, 0],
    ] as const) {
      // Exactly at the bound: the hardest case that must not be rejected.
      const bound = (lost - gained) / total;
      const values = rows(total, lost, gained);
      const wrong = Array.from({ length: 400 }, () => rejectedAfter(shuffled(values, random), bound, alpha)).filter(
        (after) => after !== null,
      ).length;
      // Three standard errors above 5 % of 400.
      expect(wrong, `${lost}/${gained} of ${total}`).toBeLessThanOrEqual(20 + 3 * Math.sqrt(400 * 0.05 * 0.95));
    }
  });

  it('sees a collapse within a small part of the rows', () => {
    const random = randomStream(12);
    const after = Array.from(
      { length: 50 },
      () => rejectedAfter(shuffled(rows(9000, 4000, 20), random), 0.01, 0.001) ?? 9000,
    );
    expect(Math.max(...after)).toBeLessThan(150);
  });

  it('never rejects what is better, and always what all rows show to be worse', () => {
    const random = randomStream(13);
    expect(rejectedAfter(shuffled(rows(1000, 5, 50), random), 0, 0.001)).toBeNull();
    expect(rejectedAfter(rows(200, 200, 0), 0.01, 1e-12)).not.toBeNull();
    // What is left cannot bring it back: certain, whatever alpha is.
    const certain = testMeanAbove(100, 0.05, [0, 1], 1e-300);
    for (let row = 0; row < 7; row++) certain.add(row < 6 ? 1 : 0);
    expect(certain.isAbove).toBe(true);
  });

  it('says what it has seen', () => {
    const test = testMeanAbove(10, 0.5, [0, 1], 0.01);
    test.add(1);
    test.add(0);
    expect([test.count, test.mean, test.isAbove]).toEqual([2, 0.5, false]);
  });
});
