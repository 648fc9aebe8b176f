/** What is computed before a version is ready: how many calls, of what. */
import { fail, type Signature, type Tensors } from '@slipway/core';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../testing/virtual-clock.ts';
import type { WarmUpSettings } from './settings.ts';
import { warmUp, type WarmUpPlan } from './warm-up.ts';

const SIGNATURE: Signature = {
  inputs: [
    { name: 'x', dtype: 'float32', shape: ['batch', 'sequence', 2] },
    { name: 'ids', dtype: 'int64', shape: ['batch'] },
    { name: 'text', dtype: 'string', shape: ['batch', 1] },
  ],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['batch'] }],
};

async function warm(settings: WarmUpSettings, more: Partial<WarmUpPlan> & { readonly msPerRow?: number } = {}) {
  const clock = new VirtualClock();
  const calls: Tensors[] = [];
  const plan = {
    signature: SIGNATURE,
    settings,
    maxBatchSize: 6,
    preferred: [],
    latencyBudgetMs: 50,
    golden: null,
    clock,
    ...more,
  };
  const end = await warmUp(async (inputs) => {
    calls.push(inputs);
    await clock.advance((inputs['x']?.shape[0] ?? 1) * (more.msPerRow ?? 1));
    return {};
  }, plan);
  return { ...end, calls };
}

describe('warm-up', () => {
  it('calls at each size that a batch can have', async () => {
    expect((await warm({})).rows).toEqual([1, 2, 4, 6]);
    expect((await warm({}, { preferred: [3, 99] })).rows).toEqual([1, 2, 3, 4, 6]);
    expect((await warm({ batchSizes: [5], count: 2 })).rows).toEqual([5, 5]);
    expect((await warm({}, { maxBatchSize: 1 })).rows).toEqual([1]);
    expect((await warm({ data: 'none' })).rows).toEqual([]);
  });

  it('stops at the size that the latency budget would not allow', async () => {
    expect((await warm({}, { msPerRow: 20 })).rows).toEqual([1, 2, 4]);
    expect((await warm({}, { msPerRow: 60 })).rows).toEqual([1]);
  });

  it('gives zeros of the shapes of the signature, or random numbers, the same every time', async () => {
    const { calls } = await warm({ dims: { sequence: 3 } });
    expect(calls[1]).toEqual({
      x: { dtype: 'float32', shape: [2, 3, 2], data: new Float32Array(12) },
      ids: { dtype: 'int64', shape: [2], data: new BigInt64Array(2) },
      text: { dtype: 'string', shape: [2, 1], data: ['', ''] },
    });
    const random = await warm({ data: 'random' });
    expect(random.calls).toEqual((await warm({ data: 'random' })).calls);
    expect(random.calls[3]?.['x']?.data.some((value) => value !== 0)).toBe(true);
  });

  it('repeats golden samples to the rows it needs', async () => {
    const golden: Tensors = {
      x: { dtype: 'float32', shape: [2, 1, 2], data: Float32Array.of(1, 2, 3, 4) },
      ids: { dtype: 'int64', shape: [2], data: BigInt64Array.of(7n, 8n) },
      text: { dtype: 'string', shape: [2, 1], data: ['a', 'b'] },
    };
    const { calls } = await warm({ batchSizes: [3] }, { golden });
    expect(calls[0]).toEqual({
      x: { dtype: 'float32', shape: [3, 1, 2], data: Float32Array.of(1, 2, 3, 4, 1, 2) },
      ids: { dtype: 'int64', shape: [3], data: BigInt64Array.of(7n, 8n, 7n) },
      text: { dtype: 'string', shape: [3, 1], data: ['a', 'b', 'a'] },
    });
    await expect(warm({ data: 'golden' })).rejects.toThrow(/no golden samples/);
  });

  it('makes the calls that are spelled out, with data from files', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'slipway-warm-'));
    try {
      const file = (name: string, content: Buffer) => writeFile(path.join(directory, name), content);
      await file('x', Buffer.from(Float32Array.of(1, 2).buffer));
      await file('text', Buffer.concat([Buffer.of(2, 0, 0, 0), Buffer.from('hi')]));
      const inputs = {
        x: { dims: [1, 2], data: 'file', file: path.join(directory, 'x') },
        ids: { dims: [], data: 'zero' },
        text: { dims: [1], data: 'file', file: path.join(directory, 'text') },
      } as const;
      const { calls, rows } = await warm({ samples: [{ name: 's', rows: 2, count: 3, inputs }] });
      expect(rows).toEqual([2, 2, 2]);
      expect(calls[2]).toEqual({
        x: { dtype: 'float32', shape: [2, 1, 2], data: Float32Array.of(1, 2, 1, 2) },
        ids: { dtype: 'int64', shape: [2], data: new BigInt64Array(2) },
        text: { dtype: 'string', shape: [2, 1], data: ['hi', 'hi'] },
      });
      const { x, ids } = inputs;
      await expect(warm({ samples: [{ name: 's', rows: 1, count: 1, inputs: { x, ids } }] })).rejects.toThrow(
        /warm-up "s": there is nothing for the input "text"/,
      );
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('lets a model pass that cannot take zeros, unless somebody asked for them', async () => {
    const broken = () => Promise.reject(fail('INFERENCE_FAILED', { model: 'm', problem: 'division by zero' }));
    const plan = {
      signature: SIGNATURE,
      maxBatchSize: 1,
      preferred: [],
      latencyBudgetMs: 50,
      golden: null,
      clock: new VirtualClock(),
    };
    expect(await warmUp(broken, { ...plan, settings: {} })).toMatchObject({
      rows: [],
      skipped: expect.stringContaining('division') as string,
    });
    await expect(warmUp(broken, { ...plan, settings: { data: 'zero' } })).rejects.toThrow(/division/);
  });
});
