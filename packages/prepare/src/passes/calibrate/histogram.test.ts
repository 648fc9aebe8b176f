import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram, magnitudes } from './histogram.ts';

const of = (...parts: readonly Float32Array[]): Histogram => {
  const histogram = new Histogram();
  for (const part of parts) histogram.add(part);
  return histogram;
};

const values = fc
  .array(fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.float({ min: -1, max: 1, noNaN: true })), {
    minLength: 1,
    maxLength: 200,
  })
  .map((list) => Float32Array.from(list));

describe('Histogram', () => {
  it('counts every value in a bucket that holds it and is at most a thousandth of it wide', () => {
    fc.assert(
      fc.property(values, (list) => {
        const { low, high, count } = of(list).buckets();
        const largest = Math.max(...list.map(Math.abs));
        expect(count.reduce((sum, n) => sum + n, 0)).toBe(list.length);
        let below = -Infinity;
        low.forEach((from, i) => {
          const to = high[i] ?? NaN;
          expect(from).toBeGreaterThanOrEqual(below);
          below = to;
          if (from === 0 && to === 0) {
            const tiny = list.filter((value) => Math.abs(value) < Math.max(2 ** -126, largest / 2 ** 24));
            expect(tiny.length).toBeGreaterThanOrEqual(count[i] ?? 0);
            return;
          }
          // Buckets are closed towards zero.
          const inside = list.filter((value) =>
            from >= 0 ? value >= from && value < to : value > from && value <= to,
          );
          expect(inside).toHaveLength(count[i] ?? NaN);
          expect(to - from).toBeLessThanOrEqual(Math.min(Math.abs(from), Math.abs(to)) / 1024);
        });
      }),
    );
  });

  it('is the same however the values are ordered and cut into calls', () => {
    fc.assert(
      fc.property(values, fc.nat(), (list, at) => {
        const cut = at % list.length;
        const [head, tail] = [list.slice(0, cut), list.slice(cut)];
        expect(of(tail, head).buckets()).toEqual(of(list).buckets());
        expect([of(tail, head).min, of(list).max]).toEqual([Math.min(...list), Math.max(...list)]);
      }),
    );
  });

  it('keeps a bounded number of buckets whatever comes', () => {
    const all = Float32Array.from({ length: 2 ** 20 }, (_, i) => (i % 2 === 0 ? 1 : -1) * 2 ** ((i % 5000) / 20 - 125));
    // 25 powers of two of 1024 buckets, on two sides, and zero.
    expect(of(all).buckets().count.length).toBeLessThanOrEqual(2 * 25 * 1024 + 1);
  });

  it('says when a value is not finite', () => {
    const histogram = new Histogram();
    expect(histogram.add(Float32Array.of(1, 2))).toBe(true);
    for (const bad of [NaN, Infinity, -Infinity]) expect(new Histogram().add(Float32Array.of(1, bad))).toBe(false);
  });

  it('folds both sides of zero into magnitudes', () => {
    const { low, count } = magnitudes(of(Float32Array.of(-2, 0, 1, 2, -1, 2)).buckets());
    expect([...low]).toEqual([0, 1, 1, 2, 2]);
    expect(count.reduce((sum, n) => sum + n, 0)).toBe(6);
  });
});
