import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bisect } from './bisect.ts';

const items = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('bisect', () => {
  it('finds exactly the items that are too much, in about 2·b·log2(n) trials', async () => {
    const cases = fc
      .integer({ min: 1, max: 200 })
      .chain((count) => fc.tuple(fc.constant(count), fc.uniqueArray(fc.nat(count - 1), { maxLength: 6 })));
    await fc.assert(
      fc.asyncProperty(cases, async ([count, bad]) => {
        const accepts = (set: ReadonlySet<number>): Promise<boolean> =>
          Promise.resolve(!bad.some((one) => set.has(one)));
        const { accepted, rejected, undecided, trials } = await bisect(items(count), accepts, 10_000);
        expect([...rejected].sort((a, b) => a - b)).toEqual([...bad].sort((a, b) => a - b));
        expect([...accepted].sort((a, b) => a - b)).toEqual(items(count).filter((item) => !bad.includes(item)));
        expect(undecided).toEqual([]);
        expect(trials).toBeLessThanOrEqual(1 + 2 * bad.length * (Math.ceil(Math.log2(count)) + 1));
      }),
    );
  });

  it('stays within a tolerance that items use up together, and leaves out none that would fit', async () => {
    const noises = fc.array(fc.nat(20), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(noises, fc.nat(100), async (noise, tolerance) => {
        const sum = (set: Iterable<number>): number => [...set].reduce((total, item) => total + (noise[item] ?? 0), 0);
        const accepts = (set: ReadonlySet<number>): Promise<boolean> => Promise.resolve(sum(set) <= tolerance);
        const { accepted, rejected } = await bisect(items(noise.length), accepts, 10_000);
        expect(sum(accepted)).toBeLessThanOrEqual(tolerance);
        for (const item of rejected) expect(sum(accepted) + (noise[item] ?? 0)).toBeGreaterThan(tolerance);
        expect(accepted.size + rejected.length).toBe(noise.length);
      }),
    );
  });

  it('asks no more often than it may, and returns only what was accepted', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 60 }), fc.nat(20), fc.nat(), async (count, budget, salt) => {
        const seen: ReadonlySet<number>[] = [];
        let asked = 0;
        const accepts = (set: ReadonlySet<number>): Promise<boolean> => {
          asked++;
          const good = [...set].reduce((hash, item) => (hash * 31 + item + salt) % 1009, 7) % 3 === 0;
          if (good) seen.push(set);
          return Promise.resolve(good);
        };
        const result = await bisect(items(count), accepts, budget);
        expect(asked).toBeLessThanOrEqual(budget);
        expect(result.trials).toBe(asked);
        if (result.accepted.size > 0) expect(seen.at(-1)).toBe(result.accepted);
        expect(result.accepted.size + result.rejected.length + result.undecided.length).toBe(count);
      }),
    );
  });
});
