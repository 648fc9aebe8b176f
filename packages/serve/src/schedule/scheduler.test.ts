import { fail, type Signature, type SlipwayError, type Tensors } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { settle, VirtualClock } from '../testing/virtual-clock.ts';
import { DEFAULT_POLICY, type SchedulePolicy } from './policy.ts';
import { type Asked, type Executor, Scheduler } from './scheduler.ts';

const SIGNATURE: Signature = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 'n'] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 'n'] }],
};
const LIMITS: SchedulePolicy = { ...DEFAULT_POLICY, maxBatchSize: 8, latencyBudgetMs: 1000, maxQueueRows: 100 };

/** y = x + 1, in `costMs` per call and row of virtual time; `poison` values make the call fail. */
class FakeRunner implements Executor {
  readonly batches: number[][] = [];
  readonly #clock: VirtualClock;
  readonly #costMs: number;
  lost: ((error: SlipwayError) => void) | null = null;

  constructor(clock: VirtualClock, costMs = 10) {
    this.#clock = clock;
    this.#costMs = costMs;
  }

  run(inputs: Tensors): Promise<Tensors> {
    const { shape, data } = inputs.x!;
    this.batches.push([...(data as Float32Array)]);
    return new Promise((resolve, reject) => {
      this.lost = reject;
      this.#clock.after(this.#costMs * (shape[0] ?? 1), () => {
        if ((data as Float32Array).includes(-1)) reject(fail('INFERENCE_FAILED', { model: 'm', problem: 'poison' }));
        else resolve({ y: { dtype: 'float32', shape, data: (data as Float32Array).map((value) => value + 1) } });
      });
    });
  }
}

function setup(
  options: { limits?: Partial<SchedulePolicy>; signature?: Signature; cost?: number; calls?: number } = {},
) {
  const clock = new VirtualClock();
  const runner = new FakeRunner(clock, options.cost);
  const scheduler = new Scheduler({
    model: 'm',
    signature: options.signature ?? SIGNATURE,
    policy: { ...LIMITS, ...options.limits },
    clock,
    defer: queueMicrotask,
    observer: { batch: () => undefined },
  });
  const submit = (values: number[], timeout = 10_000, columns = 1, asked: Partial<Asked> = {}) => {
    const result: { outputs?: number[]; error?: string; at?: number; cancel: () => void } = { cancel: () => undefined };
    const data = Float32Array.from(values);
    const inputs: Tensors = { x: { dtype: 'float32', shape: [values.length / columns, columns], data } };
    result.cancel = scheduler.submit(inputs, { deadline: clock.now() + timeout, ...asked }, (error, outputs) => {
      expect(result.at).toBeUndefined();
      result.at = clock.now();
      if (error !== null) result.error = error.code;
      else result.outputs = [...(outputs!.y!.data as Float32Array)];
    });
    return result;
  };
  scheduler.attach(runner, options.calls ?? 1);
  return { clock, runner, scheduler, submit };
}

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
    for (let i = 0; i < 8; i++) submit([i]);
    await clock.advance(1000);
    expect(Math.max(...runner.batches.map(({ length }) => length))).toBe(3);
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
    submit([0]);
    await settle();
    const late = submit([1], 5);
    const patient = submit([2]);
    const executing = submit([3], 25);
    await clock.advance(100);
    expect(late).toMatchObject({ error: 'DEADLINE_EXCEEDED', at: 5 });
    expect(patient.outputs).toEqual([3]);
    expect(executing).toMatchObject({ error: 'DEADLINE_EXCEEDED', at: 25 });
    expect(runner.batches).toEqual([[0], [2], [3]]);
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
      run: (inputs) => {
        sizes.push(inputs.x!.shape[0]!);
        const sum = (inputs.x!.data as Float32Array).reduce((a, b) => a + b, 0);
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
              expect((error as SlipwayError).code).toBe('QUEUE_FULL');
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
