import type { SlipwayError } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setup } from '../testing/schedule.ts';
import { settle } from '../testing/virtual-clock.ts';

describe('refuses what cannot be answered in time', () => {
  it('at once, and says when to come back', async () => {
    const { clock, submit } = setup({ limits: { maxBatchSize: 1 } });
    submit([0]);
    await clock.advance(10);
    submit([1]);
    await settle();
    submit([2], 35);
    expect(() => submit([3], 25)).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    expect(submit([4], 30).error).toBeUndefined();
  });

  it('only if it would have been too late for it', async () => {
    const request = fc.record({
      rows: fc.integer({ min: 1, max: 6 }),
      level: fc.integer({ min: 1, max: 3 }),
      timeout: fc.integer({ min: 5, max: 120 }),
      pause: fc.integer({ min: 0, max: 12 }),
    });
    let refusals = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: 5, maxLength: 60 }),
        fc.constantFrom(1, 2),
        async (requests, calls) => {
          /** The request that was refused first, and what became of it when it is patient. */
          const play = async (patient: number | null): Promise<{ refused: number | null; late: boolean }> => {
            const priorities = { levels: 3, default: 2, ageMs: 50 };
            const { clock, submit } = setup({ cost: 7, calls, limits: { maxBatchSize: 4, priorities } });
            // What all batches cost is known: then the forecast is exact.
            for (const rows of [1, 2, 3, 4]) {
              submit(Array.from({ length: rows }, () => 0));
              await clock.advance(30);
            }
            for (const [index, { rows, level, timeout, pause }] of requests.entries()) {
              const values = Array.from({ length: rows }, () => 1);
              const due = clock.now() + timeout;
              try {
                const result = submit(values, index === patient ? 1e6 : timeout, 1, { priority: level });
                if (index === patient) {
                  await clock.advance(1e6);
                  return { refused: patient, late: result.at! > due };
                }
              } catch (error) {
                expect((error as SlipwayError).code).toBe('OVERLOADED');
                await clock.advance(0);
                return { refused: index, late: true };
              }
              await clock.advance(pause);
            }
            await clock.advance(1e6);
            return { refused: null, late: false };
          };
          const { refused } = await play(null);
          if (refused === null) return;
          refusals++;
          expect((await play(refused)).late).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
    expect(refusals).toBeGreaterThan(50);
  });

  it('so that what is executed under overload is answered in time', async () => {
    const { clock, runner, submit } = setup({ cost: 10, limits: { maxBatchSize: 4 } });
    submit([0]);
    await clock.advance(1000);
    let refused = 0;
    const taken: ReturnType<typeof submit>[] = [];
    // 1 row every 5 ms, of which a runner can do one in 10 ms.
    for (let index = 0; index < 400; index++) {
      try {
        taken.push(submit([index], 100));
      } catch {
        refused++;
      }
      await clock.advance(5);
    }
    await clock.advance(1000);
    const answered = taken.filter(({ outputs }) => outputs !== undefined).length;
    expect(runner.batches.flat().length - 1).toBe(answered);
    expect(answered).toBeGreaterThan(190);
    expect(refused).toBeGreaterThan(150);
    expect(taken.length - answered).toBeLessThan(20);
  });
});
