import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { severalAtOnce } from './several-at-once.ts';

/** Ready after so many turns of the event loop. */
async function after(turns: number): Promise<number> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
  return turns;
}

describe('several at once', () => {
  it('give results in the order of the items, and no more than that many are under way', async () => {
    const turns = fc.array(fc.nat(4), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(turns, fc.integer({ min: 1, max: 5 }), async (items, most) => {
        let [now, peak] = [0, 0];
        const results = await severalAtOnce(items, most, async (item) => {
          peak = Math.max(peak, ++now);
          const result = await after(item);
          now--;
          return result;
        });
        expect(results).toEqual(items);
        expect(peak).toBe(Math.min(most, items.length));
      }),
      { numRuns: 40 },
    );
  });

  it('begin nothing after a failure, and end what was begun', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const work = async (item: number): Promise<void> => {
      begun.push(item);
      await after(item === 1 ? 1 : 4);
      ended.push(item);
      if (item === 1) throw new Error('the first to fail');
    };
    await expect(severalAtOnce([0, 1, 2, 3, 4], 2, work)).rejects.toThrow('the first to fail');
    expect(begun).toEqual([0, 1]);
    expect(ended).toEqual([1, 0]);
  });
});
