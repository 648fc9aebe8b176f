import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linearScale, logScale, paretoFront } from './scale.ts';

describe('scales', () => {
  it('mark round values', () => {
    expect(linearScale([0, 10], [0, 100]).ticks).toEqual([0, 2, 4, 6, 8, 10]);
    expect(linearScale([0, 10], [0, 100]).at(5)).toBe(50);
    expect(logScale([0.03, 3], [0, 100]).ticks.map((t) => Number(t.toPrecision(3)))).toEqual([
      0.05, 0.1, 0.2, 0.5, 1, 2,
    ]);
  });

  it('stay finite for any data, also when all values are equal', () => {
    const value = fc.double({ min: 1e-6, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const domain: [number, number] = [Math.min(a, b), Math.max(a, b)];
        for (const scale of [linearScale(domain, [0, 100]), logScale(domain, [0, 100])]) {
          expect(Number.isFinite(scale.at(a))).toBe(true);
          expect(scale.ticks.length).toBeLessThan(100);
        }
      }),
    );
  });
});

describe('the Pareto front', () => {
  it('keeps what nothing beats', () => {
    const points = [
      { cost: 3, worth: 3 },
      { cost: 1, worth: 1 },
      { cost: 2, worth: 1 },
      { cost: 2, worth: 2 },
    ];
    expect(paretoFront(points).map((p) => p.cost)).toEqual([1, 2, 3]);
  });

  it('holds exactly the points that no other dominates', () => {
    const point = fc.record({ cost: fc.integer({ min: 0, max: 9 }), worth: fc.integer({ min: 0, max: 9 }) });
    fc.assert(
      fc.property(fc.array(point, { minLength: 1 }), (points) => {
        const front = paretoFront(points);
        const dominated = (p: (typeof points)[number]): boolean =>
          points.some((q) => q.cost <= p.cost && q.worth >= p.worth && (q.cost < p.cost || q.worth > p.worth));
        expect(front.some(dominated)).toBe(false);
        for (const p of points.filter((q) => !dominated(q))) {
          expect(front.some((q) => q.cost === p.cost && q.worth === p.worth)).toBe(true);
        }
      }),
    );
  });
});
