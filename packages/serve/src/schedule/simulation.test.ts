/**
 * The policy against static ones of the kind Triton and TensorFlow Serving have, on virtual time: Poisson arrivals, costs of
 * batches as measured for three models (milliseconds; ONNX Runtime, one thread of an EPYC), the same arrivals for all. It is
 * arithmetic, so it can be asserted.
 */
import { describe, expect, it } from 'vitest';
import { concatRows, type Tensor } from '@slipway/core';
import { VirtualClock, settle } from '../testing/virtual-clock.ts';
import { DEFAULT_POLICY, type SchedulePolicy } from './policy.ts';
import { Scheduler } from './scheduler.ts';

const MODELS = {
  'a small perceptron': (rows: number) => 0.12 + 0.0093 * rows,
  'a text encoder': (rows: number) => 0.25 + 5.15 * rows,
  'a network whose batches cost what their largest power of two costs': (rows: number) =>
    4 + 0.5 * 2 ** Math.ceil(Math.log2(rows)),
} as const;

/** Numbers in (0, 1), always the same. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

interface Outcome {
  readonly p50: number;
  readonly p99: number;
  readonly answered: number;
}

async function simulate(
  cost: (rows: number) => number,
  policy: Partial<SchedulePolicy>,
  perMs: number,
  requests = 1500,
): Promise<Outcome> {
  const clock = new VirtualClock();
  const random = randomNumbers(7);
  const scheduler = new Scheduler({
    model: 'm',
    signature: {
      inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 1] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 1] }],
    },
    policy: { ...DEFAULT_POLICY, maxBatchSize: 32, ...policy },
    clock,
    defer: queueMicrotask,
    observer: { batch: () => undefined },
  });
  let busyUntil = 0;
  scheduler.attach(
    {
      runStacked: (parts) => {
        const x = concatRows(parts.map((inputs) => inputs.x as Tensor));
        busyUntil = Math.max(busyUntil, clock.now()) + cost(x.shape[0] ?? 1);
        return new Promise((resolve) => {
          clock.after(busyUntil - clock.now(), () => resolve({ y: x }));
        });
      },
    },
    2,
  );
  const latencies: number[] = [];
  for (let index = 0; index < requests; index++) {
    const at = clock.now();
    const x = { dtype: 'float32', shape: [1, 1], data: Float32Array.of(index) } as const;
    scheduler.submit({ x }, { deadline: at + 30_000 }, (error) => {
      // The first hundred teach what batches cost.
      if (error === null && index >= 100) latencies.push(clock.now() - at);
    });
    await clock.advance(-Math.log(random()) / perMs);
  }
  await clock.advance(60_000);
  await settle();
  latencies.sort((a, b) => a - b);
  const quantile = (q: number): number => latencies[Math.floor(q * (latencies.length - 1))] ?? Infinity;
  return { p50: quantile(0.5), p99: quantile(0.99), answered: latencies.length };
}

describe.each(Object.entries(MODELS))('%s', (_, cost) => {
  // Rows per millisecond that full batches give.
  const saturation = 32 / cost(32);

  it.each([0.2, 0.5, 0.7])('at %f of saturation is served no later than by waiting for batches', async (load) => {
    const ours = await simulate(cost, {}, load * saturation);
    for (const maxDelayMs of [1, 5]) {
      const waiting = { maxDelayMs, latencyBudgetMs: 1e6 };
      const fixed = await simulate(cost, waiting, load * saturation);
      expect(ours.answered).toBe(fixed.answered);
      expect(ours.p50).toBeLessThanOrEqual(fixed.p50 * 1.05);
      expect(ours.p99).toBeLessThanOrEqual(fixed.p99 * 1.06);
      // Sizes chosen by who knows where the steps are: hard to beat, and needless to know.
      const chosen = await simulate(cost, { ...waiting, preferredBatchSizes: [4, 8, 16, 32] }, load * saturation);
      expect(ours.p50).toBeLessThanOrEqual(chosen.p50 * 1.05);
      expect(ours.p99).toBeLessThanOrEqual(chosen.p99 * 1.4);
    }
  });
});
