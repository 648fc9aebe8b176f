import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CostModel } from './cost.ts';

const sizes = fc.array(fc.integer({ min: 1, max: 128 }), { minLength: 1, maxLength: 200 });
const affine = fc.record({
  fixed: fc.double({ min: 0.01, max: 50, noNaN: true }),
  perRow: fc.double({ min: 0, max: 5, noNaN: true }),
});
type Cost = (rows: number) => number;

function learned(costs: Cost, seen: readonly number[]): CostModel {
  const model = new CostModel();
  for (const rows of seen) model.observe(rows, costs(rows));
  return model;
}

describe('cost of a batch', () => {
  it('is unknown before the first batch: then any number of rows may go, and none is known to take long', () => {
    const model = new CostModel();
    expect([model.of(5), model.rowsWithin(0), model.atLeast(5), model.leastPerRow(8)]).toEqual([0, Infinity, 0, 0]);
  });

  it('is asked of the prior as long as nothing is known here, except what no batch undercuts', () => {
    const model = new CostModel(learned((rows) => 2 * rows, [1, 2, 4]));
    expect([model.of(4), model.rowsWithin(6), model.atLeast(4)]).toEqual([8, 3, 0]);
    model.observe(1, 10);
    expect(model.of(4)).toBe(40);
  });

  it('is exact on sizes seen, for a slope', () => {
    fc.assert(
      fc.property(affine, sizes, ({ fixed, perRow }, seen) => {
        const cost: Cost = (rows) => fixed + perRow * rows;
        const small = seen.map((rows) => 1 + (rows % 8));
        const model = learned(cost, small);
        for (const rows of small) expect(model.of(rows)).toBeCloseTo(cost(rows), 6);
      }),
    );
  });

  it('is between those of its neighbours in size, whatever the shape of the cost', () => {
    const steps = fc.integer({ min: 1, max: 32 });
    fc.assert(
      fc.property(steps, affine, sizes, (step, { fixed, perRow }, seen) => {
        const cost: Cost = (rows) => fixed + perRow * Math.ceil(rows / step) * step;
        const model = learned(cost, seen);
        for (const rows of seen) {
          // Sizes are at most a quarter of an octave wide: c of that much less and more.
          const less = Math.min(cost(Math.max(1, Math.floor(rows * 0.75))), cost(rows) * 0.85);
          expect(model.of(rows)).toBeGreaterThanOrEqual(less);
          expect(model.of(rows)).toBeLessThanOrEqual(Math.max(cost(Math.ceil(rows * 1.25)), cost(rows) * 1.15));
        }
      }),
    );
  });

  it('never falls with the rows, whatever was seen', () => {
    const observation = fc.tuple(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0, max: 1000, noNaN: true }));
    fc.assert(
      fc.property(fc.array(observation, { maxLength: 300 }), (seen) => {
        const model = new CostModel();
        for (const [rows, cost] of seen) model.observe(rows, cost);
        let before = 0;
        for (let rows = 1; rows <= 200; rows++) {
          const cost = model.of(rows);
          expect(cost).toBeGreaterThanOrEqual(before - 1e-6 * before);
          before = cost;
        }
      }),
    );
  });

  it('says how many rows fit into a time: these do, and one more does not', () => {
    const observation = fc.tuple(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0.1, max: 1000, noNaN: true }));
    const observations = fc.array(observation, { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(observations, fc.double({ min: 0.1, max: 2000, noNaN: true }), (seen, budget) => {
        const model = new CostModel();
        for (const [rows, cost] of seen) model.observe(rows, cost);
        const rows = model.rowsWithin(budget);
        if (rows > 0) expect(model.of(rows)).toBeLessThanOrEqual(budget * (1 + 1e-6) + 1e-5);
        expect(model.of(rows + 1)).toBeGreaterThan(budget * (1 - 1e-6) - 1e-5);
      }),
    );
  });

  it('never promises more rows than a cost with a fixed part allows, and tries its way there in a few batches', () => {
    fc.assert(
      fc.property(affine, fc.double({ min: 1, max: 200, noNaN: true }), ({ fixed, perRow }, milliseconds) => {
        const cost: Cost = (rows) => fixed + perRow * rows;
        const model = learned(cost, [1]);
        const budget = Math.max(milliseconds, 1.1 * cost(1));
        const allowed = Math.min(1024, Math.floor((budget - fixed) / perRow + 1e-6));
        let tooLong = 0;
        let rows = 1;
        for (let batch = 0; batch < 60; batch++) {
          expect(Math.min(1024, model.rowsWithin(budget))).toBeLessThanOrEqual(allowed * 1.26 + 1);
          rows = Math.min(1024, model.rowsToTry(milliseconds));
          if (cost(rows) > budget * 1.02) tooLong++;
          model.observe(rows, cost(rows));
        }
        expect(rows).toBeGreaterThanOrEqual(Math.floor(allowed * 0.75));
        expect(tooLong).toBeLessThanOrEqual(4);
      }),
      { interruptAfterTimeLimit: 5000 },
    );
  });

  it('does not move for outliers', () => {
    fc.assert(
      fc.property(affine, fc.array(fc.nat(99), { minLength: 60, maxLength: 60 }), ({ fixed, perRow }, dice) => {
        const cost: Cost = (rows) => fixed + perRow * rows;
        const model = new CostModel();
        let slow = 0;
        for (const [index, die] of dice.entries()) {
          const rows = 1 + (index % 4);
          // At most two of nine in a row of one size are slow.
          const outlier = die < 15 && index - slow > 20;
          if (outlier) slow = index;
          model.observe(rows, outlier ? cost(rows) * 50 : cost(rows));
        }
        for (let rows = 1; rows <= 4; rows++) expect(model.of(rows)).toBeCloseTo(cost(rows), 6);
        expect(model.atLeast(4)).toBeCloseTo(cost(4), 6);
      }),
    );
  });

  it('follows a machine that became slower or faster after half of what it keeps', () => {
    for (const factor of [0.2, 4]) {
      const model = learned((rows) => 3 + rows, [1, 1, 1, 1, 1, 1, 1, 1, 1, 8, 8, 8, 8, 8, 8, 8, 8, 8]);
      for (let i = 0; i < 5; i++) for (const rows of [1, 8]) model.observe(rows, factor * (3 + rows));
      expect(model.of(1)).toBeCloseTo(factor * 4);
      expect(model.of(8)).toBeCloseTo(factor * 11);
    }
  });

  it('forgets sizes that do not come any more', () => {
    const model = learned((rows) => rows, [100]);
    for (let i = 0; i < 2100; i++) model.observe(2, 1);
    expect(model.of(100)).toBe(50);
  });

  it('knows what no batch undercuts: never more than any cost that came true', () => {
    fc.assert(
      fc.property(affine, sizes, fc.integer({ min: 1, max: 128 }), ({ fixed, perRow }, seen, rows) => {
        const cost: Cost = (n) => fixed + perRow * n;
        const model = learned(cost, seen);
        expect(model.atLeast(rows)).toBeLessThanOrEqual(cost(rows) + 1e-9);
        for (let n = 1; n <= 128; n++) {
          expect(model.leastPerRow(128)).toBeLessThanOrEqual(cost(n) / n + 1e-9);
        }
      }),
    );
  });
});
