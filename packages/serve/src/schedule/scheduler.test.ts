import { fail, type Signature, type SlipwayError } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeRunner, LIMITS, setup } from '../testing/schedule.ts';
import { settle } from '../testing/virtual-clock.ts';
import type { Executor } from './servers.ts';

describe('scheduler', () => {
  it('sends at once when a runner is free, and what queued meanwhile as one batch', async () => {
    const { clock, runner, submit } = setup();
    const first = submit([1]);
    await settle();
    expect(runner.batches).toEqual([[1]]);
    const others = [2, 3, 4].map((value) => submit([value]));
    await clock.advance(10);
    expect(first.outputs).toEqual([2]);
    expect(runner.batches).toEqual([[1], [2, 3, 4]]);
    await clock.advance(30);
    expect(others.map(({ outputs }) => outputs)).toEqual([[3], [4], [5]]);
  });

  it('puts only requests of the same shape into one batch', async () => {
    const { clock, runner, submit } = setup();
    submit([0]);
    await settle();
    submit([1]);
    submit([2, 3], 10_000, 2);
    submit([4]);
    await clock.advance(100);
    expect(runner.batches).toEqual([[0], [1, 4], [2, 3]]);
  });

  it('splits what exceeds the maximum and puts it together again', async () => {
    const { clock, runner, submit } = setup();
    const large = submit(Array.from({ length: 19 }, (_, i) => i));
    await clock.advance(1000);
    expect(runner.batches.map(({ length }) => length)).toEqual([8, 8, 3]);
    expect(large.outputs).toEqual(Array.from({ length: 19 }, (_, i) => i + 1));
  });

  it('learns what rows cost and keeps batches within the latency budget', async () => {
    const { clock, runner, submit } = setup({ limits: { latencyBudgetMs: 35 } });
    submit([0]);
    await settle();
    for (let i = 0; i < 50; i++) submit([i]);
    await clock.advance(1000);
    const sizes = runner.batches.map(({ length }) => length);
    // One that is too large, by one step, to find out that it is.
    expect(sizes.filter((size) => size > 3)).toEqual([4]);
    expect(sizes.slice(4, -1).every((size) => size === 3)).toBe(true);
  });

  it('never lets a bad request fail its neighbours', async () => {
    const { clock, submit } = setup();
    submit([0]);
    await settle();
    const results = [1, 2, -1, 4, 5].map((value) => submit([value]));
    await clock.advance(1000);
    expect(results.map(({ outputs, error }) => outputs ?? error)).toEqual([[2], [3], 'INFERENCE_FAILED', [5], [6]]);
  });

  it('answers 504 at the deadline, and does not execute what has expired', async () => {
    const { clock, runner, submit } = setup({ limits: { maxBatchSize: 1 } });
    const executing = submit([0], 8);
    await settle();
    const late = submit([1], 5);
    const patient = submit([2]);
    await clock.advance(100);
    expect(executing).toMatchObject({ error: 'DEADLINE_EXCEEDED', at: 8 });
    expect(late).toMatchObject({ error: 'DEADLINE_EXCEEDED', at: 5 });
    expect(patient.outputs).toEqual([3]);
    expect(runner.batches).toEqual([[0], [2]]);
  });

  it('does not execute what cannot end in time', async () => {
    const { clock, runner, submit } = setup({ limits: { maxBatchSize: 1 } });
    submit([0]);
    await settle();
    submit([1]);
    const late = submit([2], 25);
    await clock.advance(100);
    // At 20 the runner is free, and has never taken less than 10.
    expect(late).toMatchObject({ error: 'DEADLINE_EXCEEDED', at: 20 });
    expect(runner.batches).toEqual([[0], [1]]);
  });

  it('believes for a second that something takes too long, then tries again', async () => {
    const { clock, runner, submit } = setup();
    submit([0]);
    await clock.advance(10);
    const refused = submit([1], 9);
    await clock.advance(1);
    expect(refused.error).toBe('DEADLINE_EXCEEDED');
    await clock.advance(1000);
    submit([2], 9);
    await clock.advance(10);
    expect(runner.batches).toEqual([[0], [2]]);
  });

  it('never executes what was cancelled in the queue', async () => {
    const { clock, runner, scheduler, submit } = setup();
    submit([0]);
    await settle();
    const cancelled = submit([1]);
    submit([2]);
    cancelled.cancel();
    cancelled.cancel();
    await clock.advance(100);
    expect(cancelled.error).toBe('CANCELLED');
    expect(runner.batches).toEqual([[0], [2]]);
    expect([scheduler.pending, scheduler.queuedRows]).toEqual([0, 0]);
  });

  it('refuses beyond the bound, with an estimate of when to come back', async () => {
    const { submit } = setup({ limits: { maxQueueRows: 4 } });
    submit([0]);
    await settle();
    submit([1, 2]);
    submit([3, 4]);
    expect(() => submit([5])).toThrow(expect.objectContaining({ code: 'QUEUE_FULL' }));
  });

  it('hands the next call over only when the one before is about to end', async () => {
    const { clock, runner, submit } = setup({ calls: 2, limits: { maxBatchSize: 2 } });
    submit([0]);
    await clock.advance(10);
    submit([1]);
    await settle();
    const cancelled = submit([2]);
    submit([3]);
    await clock.advance(8);
    cancelled.cancel();
    submit([4]);
    expect(runner.batches).toEqual([[0], [1]]);
    await clock.advance(1);
    // At 19 of 20: its tensors are brought over meanwhile.
    expect(runner.batches).toEqual([[0], [1], [3, 4]]);
    await clock.advance(100);
  });

  it('fails what executed on a lost runner, retries what had not begun', async () => {
    const { clock, runner, scheduler, submit } = setup({ limits: { maxBatchSize: 1 } });
    const executing = submit([1]);
    await settle();
    const queued = submit([2]);
    scheduler.detach(runner);
    runner.lost!(fail('RUNNER_LOST', { model: 'm', reason: 'killed' }));
    await settle();
    expect(executing.error).toBe('RUNNER_LOST');
    const next = new FakeRunner(clock);
    scheduler.attach(next, 1);
    await settle();
    const unlucky = submit([3]);
    scheduler.detach(next);
    next.lost!(fail('RUNNER_GONE', { model: 'm', reason: 'killed' }));
    await settle();
    const last = new FakeRunner(clock);
    scheduler.attach(last, 1);
    await clock.advance(100);
    expect([queued.outputs, unlucky.outputs]).toEqual([[3], [4]]);
  });

  it('runs a model with a fixed batch of one row by row', async () => {
    const one: Signature = {
      inputs: [{ name: 'x', dtype: 'float32', shape: [1, 2] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: [1, 2] }],
    };
    const { clock, runner, submit } = setup({ signature: one });
    const result = submit([1, 2, 3, 4, 5, 6], 10_000, 2);
    await clock.advance(100);
    expect(runner.batches).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(result.outputs).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('stops stacking when the outputs show that rows do not belong to rows', async () => {
    const { clock, scheduler, submit, runner } = setup();
    scheduler.detach(runner);
    const sizes: number[] = [];
    const summing: Executor = {
      runStacked: (parts) => {
        sizes.push(parts.length);
        const sum = parts.flatMap(({ x }) => [...(x!.data as Float32Array)]).reduce((a, b) => a + b, 0);
        return Promise.resolve({ y: { dtype: 'float32', shape: [1, 1], data: Float32Array.of(sum) } });
      },
    };
    const results = [submit([1]), submit([2]), submit([3])];
    scheduler.attach(summing, 1);
    await clock.advance(1);
    expect(results.map(({ outputs }) => outputs)).toEqual([[1], [2], [3]]);
    expect(sizes).toEqual([3, 1, 1, 1]);
  });

  it('gives every request what it would get alone, whatever is cancelled, fails or expires around it', async () => {
    const request = fc.record({
      values: fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 12 }),
      poison: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      cancelAfter: fc.option(fc.integer({ min: 0, max: 60 }), { nil: null }),
      timeout: fc.constantFrom(20, 200, 100_000),
      pause: fc.integer({ min: 0, max: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 25 }),
        fc.integer({ min: 1, max: 2 }),
        async (requests, calls) => {
          const { clock, scheduler, submit, runner } = setup({ cost: 3, calls });
          const results: { values: number[]; result: ReturnType<typeof submit> | null; cancelledQueued: boolean }[] =
            [];
          for (const { values, poison, cancelAfter, timeout, pause } of requests) {
            const entry = {
              values: poison ? [...values, -1] : values,
              result: null,
              cancelledQueued: false,
            } as (typeof results)[number];
            results.push(entry);
            try {
              entry.result = submit(entry.values, timeout);
              if (cancelAfter !== null) clock.after(cancelAfter, () => entry.result!.cancel());
            } catch (error) {
              expect(['QUEUE_FULL', 'OVERLOADED']).toContain((error as SlipwayError).code);
            }
            expect(scheduler.queuedRows).toBeLessThanOrEqual(LIMITS.maxQueueRows + 12);
            await clock.advance(pause);
          }
          await clock.advance(200_000);
          for (const { values, result } of results) {
            if (result === null) continue;
            expect(result.at).toBeDefined();
            if (result.outputs !== undefined) expect(result.outputs).toEqual(values.map((value) => value + 1));
            else if (result.error === 'INFERENCE_FAILED') expect(values).toContain(-1);
            else expect(['CANCELLED', 'DEADLINE_EXCEEDED']).toContain(result.error);
          }
          expect([scheduler.pending, scheduler.queuedRows]).toEqual([0, 0]);
          expect(Math.max(0, ...runner.batches.map(({ length }) => length))).toBeLessThanOrEqual(8);
        },
      ),
      { numRuns: 200 },
    );
  });
});
