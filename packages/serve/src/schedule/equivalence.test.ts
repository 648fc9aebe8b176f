/**
 * Whatever is joined, split, filled up, overtaken or cancelled on the way: a request gets what the engine computes for it alone.
 * With ONNX Runtime itself; the requests, their company and their order are random.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { concatRows, systemClock, type Tensor, type Tensors } from '@slipway/core';
import { type EngineSession, openOnnxruntime } from '@slipway/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, mlpModel } from '../testing/onnx.ts';
import { DEFAULT_POLICY, type SchedulePolicy } from './policy.ts';
import { Scheduler } from './scheduler.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'slipway-equivalence-'));
const sessions: EngineSession[] = [];

async function load(model: Buffer): Promise<EngineSession> {
  const file = path.join(directory, `${sessions.length}.onnx`);
  writeFileSync(file, model);
  const engine = await openOnnxruntime();
  const session = await engine.load(file, { threads: 1, spinning: false, optimization: 'all' });
  sessions.push(session);
  return session;
}

afterAll(async () => {
  for (const session of sessions) await session.release();
  rmSync(directory, { recursive: true, force: true });
});

interface Request {
  readonly inputs: Tensors;
  readonly priority: number;
  readonly cancel: boolean;
}

const POLICIES: readonly Partial<SchedulePolicy>[] = [
  {},
  { maxBatchSize: 4, priorities: { levels: 3, default: 2, ageMs: 1 } },
  { allowedBatchSizes: [3, 8], maxBatchSize: 8, preserveOrdering: true },
  { maxDelayMs: 2, preferredBatchSizes: [2, 4], maxBatchSize: 8 },
];

/** Everything at once through the scheduler, with two runners; null for what was cancelled. */
async function answers(
  session: EngineSession,
  policy: Partial<SchedulePolicy>,
  requests: readonly Request[],
): Promise<(Tensors | null)[]> {
  const scheduler = new Scheduler({
    model: 'm',
    signature: session.signature,
    policy: { ...DEFAULT_POLICY, ...policy },
    clock: systemClock,
    defer: setImmediate,
    observer: { batch: () => undefined },
  });
  const settled = requests.map(
    ({ inputs, priority, cancel }) =>
      new Promise<Tensors | null>((resolve, reject) => {
        const stop = scheduler.submit(inputs, { deadline: Infinity, priority }, (error, outputs) => {
          if (error === null) resolve(outputs);
          else if (error.code === 'CANCELLED') resolve(null);
          else reject(error);
        });
        if (cancel) stop();
      }),
  );
  const runStacked = (parts: readonly Tensors[]): Promise<Tensors> => {
    const names = Object.keys(parts[0] ?? {});
    return session.run(
      Object.fromEntries(names.map((name) => [name, concatRows(parts.map((inputs) => inputs[name] as Tensor))])),
    );
  };
  for (let runner = 0; runner < 2; runner++) scheduler.attach({ runStacked }, 2);
  return Promise.all(settled);
}

const values = (count: number) =>
  fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: count, maxLength: count });

const request = (name: string, columns: fc.Arbitrary<number>): fc.Arbitrary<Request> =>
  fc.tuple(fc.integer({ min: 1, max: 11 }), columns).chain(([rows, width]) =>
    fc.record({
      inputs: values(rows * width).map((data): Tensors => {
        const tensor = { dtype: 'float32', shape: [rows, width], data: Float32Array.from(data) } as const;
        return { [name]: tensor };
      }),
      priority: fc.integer({ min: 0, max: 3 }),
      cancel: fc.integer({ min: 0, max: 5 }).map((die) => die === 0),
    }),
  );

async function expectSame(
  session: EngineSession,
  policy: Partial<SchedulePolicy>,
  requests: readonly Request[],
): Promise<void> {
  const got = await answers(session, policy, requests);
  for (const [index, { inputs, cancel }] of requests.entries()) {
    const outputs = got[index];
    if (cancel) expect(outputs).toBeNull();
    if (outputs === null || outputs === undefined) continue;
    for (const [name, alone] of Object.entries(await session.run(inputs))) {
      const together = outputs[name] as Tensor;
      expect(together.shape).toEqual(alone.shape);
      // The kernels of a matrix product depend on its size: equal up to rounding.
      const [a, b] = [alone.data as Float32Array, together.data as Float32Array];
      for (const [at, value] of a.entries()) expect(Math.abs(value - b[at]!)).toBeLessThan(1e-5);
    }
  }
}

describe('through the scheduler a request gets what it gets alone', () => {
  let mlp: EngineSession;
  let identity: EngineSession;
  beforeAll(async () => {
    mlp = await load(mlpModel([4, 16, 3]));
    identity = await load(identityModel('float32', ['batch', 'length']));
  });

  it.each(POLICIES.map((policy) => [JSON.stringify(policy), policy] as const))('with %s', async (_, policy) => {
    await fc.assert(
      fc.asyncProperty(fc.array(request('x', fc.constant(4)), { minLength: 1, maxLength: 30 }), (requests) =>
        expectSame(mlp, policy, requests),
      ),
      { numRuns: 25 },
    );
  });

  it('when lengths are filled up', async () => {
    const padding = { dims: new Map([['length', [4, 8]]]), value: 7 };
    for (const policy of [{ padding }, { padding: { dims: 'powers', value: 'first' } as const }]) {
      const requests = fc.array(request('in', fc.integer({ min: 1, max: 11 })), { minLength: 1, maxLength: 30 });
      await fc.assert(
        fc.asyncProperty(requests, (given) => expectSame(identity, policy, given)),
        { numRuns: 25 },
      );
    }
  });
});
