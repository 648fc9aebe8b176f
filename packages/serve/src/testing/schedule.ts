/** A scheduler on virtual time with a runner that computes y = x + 1, for tests. */
import { concatRows, fail, type Signature, type SlipwayError, type Tensor, type Tensors } from '@slipway/core';
import { expect } from 'vitest';
import { DEFAULT_POLICY, type SchedulePolicy } from '../schedule/policy.ts';
import { type Asked, Scheduler } from '../schedule/scheduler.ts';
import type { Executor } from '../schedule/servers.ts';
import { VirtualClock } from './virtual-clock.ts';

const SIGNATURE: Signature = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 'n'] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 'n'] }],
};
export const LIMITS: SchedulePolicy = { ...DEFAULT_POLICY, maxBatchSize: 8, latencyBudgetMs: 1000, maxQueueRows: 100 };

/** y = x + 1, in `costMs` per call and row of virtual time; `poison` values make the call fail. */
export class FakeRunner implements Executor {
  readonly batches: number[][] = [];
  readonly #clock: VirtualClock;
  readonly #costMs: number;
  /** It executes one call after the other. */
  #busyUntil = 0;
  lost: ((error: SlipwayError) => void) | null = null;

  constructor(clock: VirtualClock, costMs = 10) {
    this.#clock = clock;
    this.#costMs = costMs;
  }

  runStacked(parts: readonly Tensors[]): Promise<Tensors> {
    const { shape, data } = concatRows(parts.map(({ x }) => x as Tensor));
    this.batches.push([...(data as Float32Array)]);
    return new Promise((resolve, reject) => {
      this.lost = reject;
      this.#busyUntil = Math.max(this.#busyUntil, this.#clock.now()) + this.#costMs * (shape[0] ?? 1);
      this.#clock.after(this.#busyUntil - this.#clock.now(), () => {
        if ((data as Float32Array).includes(-1)) reject(fail('INFERENCE_FAILED', { model: 'm', problem: 'poison' }));
        else resolve({ y: { dtype: 'float32', shape, data: (data as Float32Array).map((value) => value + 1) } });
      });
    });
  }
}

export function setup(
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
      else result.outputs = [...(outputs?.y?.data as Float32Array)];
    });
    return result;
  };
  scheduler.attach(runner, options.calls ?? 1);
  return { clock, runner, scheduler, submit };
}
