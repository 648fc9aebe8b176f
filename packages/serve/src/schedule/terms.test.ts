import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setup } from '../testing/schedule.ts';
import { settle } from '../testing/virtual-clock.ts';
import { DEFAULT_POLICY } from './policy.ts';

describe('priorities', () => {
  const priorities = { levels: 3, default: 2, ageMs: 1000 };
  const ask = (priority: number) => ({ priority });

  it('go strictly one after the other, and a request that says none has the default', async () => {
    const { clock, runner, submit } = setup({ limits: { priorities, maxBatchSize: 1 } });
    submit([0]);
    await settle();
    submit([30], 10_000, 1, ask(3));
    submit([20]);
    submit([21], 10_000, 1, ask(7));
    submit([10], 10_000, 1, ask(1));
    submit([22], 10_000, 1, ask(2));
    await clock.advance(100);
    expect(runner.batches.flat()).toEqual([0, 10, 20, 21, 22, 30]);
  });

  it('share a batch, the highest first', async () => {
    const { clock, runner, submit } = setup({ limits: { priorities, maxBatchSize: 3 } });
    submit([0]);
    await settle();
    for (const level of [3, 3, 1, 2, 1]) submit([level], 10_000, 1, ask(level));
    await clock.advance(100);
    expect(runner.batches).toEqual([[0], [1, 1, 2], [3, 3]]);
  });

  it('are of no effect on a model without levels', async () => {
    const { clock, runner, submit } = setup({ limits: { maxBatchSize: 1 } });
    submit([0]);
    await settle();
    submit([2], 10_000, 1, ask(2));
    submit([1], 10_000, 1, ask(1));
    await clock.advance(100);
    expect(runner.batches.flat()).toEqual([0, 2, 1]);
  });

  it('age: a request is overtaken only by those of higher levels that come soon after it', async () => {
    const level = fc.integer({ min: 1, max: 3 });
    const arrivals = fc.array(fc.record({ level, pause: fc.integer({ min: 0, max: 25 }) }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(arrivals, async (requests) => {
        const limits = { priorities: { ...priorities, ageMs: 40 }, maxBatchSize: 1 };
        const { clock, runner, submit } = setup({ limits });
        const order: number[] = [];
        for (const [index, { level: asked, pause }] of requests.entries()) {
          order.push(clock.now() + (asked - 1) * 40);
          submit([index], 100_000, 1, ask(asked));
          await clock.advance(pause);
        }
        await clock.advance(10_000);
        const executed = runner.batches.flat();
        expect([...executed].sort((a, b) => a - b)).toEqual(requests.map((_, index) => index));
        const arrivedAt = requests.map(({ level: asked }, index) => order[index]! - (asked - 1) * 40);
        for (const [place, index] of executed.entries()) {
          // Whoever goes before it, and came after it, is of a higher level and came within its head start.
          for (const earlier of executed.slice(0, place)) {
            if (arrivedAt[earlier]! <= arrivedAt[index]!) continue;
            expect(requests[earlier]!.level).toBeLessThan(requests[index]!.level);
            expect(order[earlier]).toBeLessThanOrEqual(order[index]!);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  it('each have a bound of their own', async () => {
    const one = { ...DEFAULT_POLICY.queue, maxRows: 1 };
    const { submit } = setup({ limits: { priorities, queues: new Map([[3, one]]) } });
    submit([0]);
    await settle();
    submit([1], 10_000, 1, ask(3));
    expect(() => submit([2], 10_000, 1, ask(3))).toThrow(expect.objectContaining({ code: 'QUEUE_FULL' }));
    submit([3], 10_000, 1, ask(2));
    submit([4], 10_000, 1, ask(2));
  });
});

describe('time in the queue', () => {
  const within = (queueTimeoutMs: number) => ({ queueTimeoutMs });
  const queue = DEFAULT_POLICY.queue;

  it('is refused when it is over, and does not end what executes', async () => {
    const { clock, runner, submit } = setup({ limits: { maxBatchSize: 1 } });
    const executing = submit([0], 10_000, 1, within(5));
    await settle();
    const waiting = submit([1], 10_000, 1, within(5));
    await clock.advance(100);
    expect(executing.outputs).toEqual([1]);
    expect(waiting).toMatchObject({ error: 'DEADLINE_EXCEEDED', at: 5 });
    expect(runner.batches).toEqual([[0]]);
  });

  it('may be shortened by a request where that is allowed, and never extended', async () => {
    for (const [allowOverride, asked, at] of [
      [true, 4, 4],
      [true, 8, 6],
      [false, 4, 6],
    ] as const) {
      const limits = { maxBatchSize: 1, queue: { ...queue, timeoutMs: 6, allowOverride } };
      const { clock, submit } = setup({ limits });
      submit([0]);
      await settle();
      const waiting = submit([1], 10_000, 1, within(asked));
      await clock.advance(100);
      expect(waiting).toMatchObject({ error: 'DEADLINE_EXCEEDED', at });
    }
  });

  it('sends a request behind all others when that is asked for, until its client gives up', async () => {
    const limits = { maxBatchSize: 1, queue: { ...queue, timeoutMs: 15, onTimeout: 'delay' as const } };
    const { clock, runner, submit } = setup({ limits });
    submit([0]);
    await settle();
    const delayed = [submit([1]), submit([2]), submit([3], 25)];
    await clock.advance(16);
    submit([4]);
    await clock.advance(100);
    expect(runner.batches.flat()).toEqual([0, 1, 4, 2]);
    expect(delayed.map(({ outputs, error }) => outputs ?? error)).toEqual([[2], [3], 'DEADLINE_EXCEEDED']);
  });
});
