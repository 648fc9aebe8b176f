import type { Signature, Tensors } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { setup } from '../testing/schedule.ts';
import { settle } from '../testing/virtual-clock.ts';
import { Padder } from './padding.ts';

describe('a batch that waits because it was told to', () => {
  it('goes when it is full, or when its first request has waited long enough', async () => {
    const { clock, runner, submit } = setup({ limits: { maxDelayMs: 20, maxBatchSize: 4 } });
    submit([0]);
    submit([1]);
    await clock.advance(19);
    expect(runner.batches).toEqual([]);
    await clock.advance(1);
    expect(runner.batches).toEqual([[0, 1]]);
    await clock.advance(100);
    for (const value of [2, 3, 4, 5, 6]) submit([value]);
    await settle();
    expect(runner.batches.slice(1)).toEqual([[2, 3, 4, 5]]);
    await clock.advance(100);
    expect(runner.batches.slice(2)).toEqual([[6]]);
  });

  it('goes at a preferred size, the largest there is', async () => {
    const limits = { maxDelayMs: 20, maxBatchSize: 8, preferredBatchSizes: [2, 4] };
    const { clock, runner, submit } = setup({ limits });
    for (const value of [0, 1, 2, 3, 4]) submit([value]);
    await settle();
    expect(runner.batches).toEqual([[0, 1, 2, 3]]);
    await clock.advance(100);
    expect(runner.batches).toEqual([[0, 1, 2, 3], [4]]);
  });

  it('does not wait past the deadline of its first request', async () => {
    const { clock, submit } = setup({ limits: { maxDelayMs: 500 } });
    submit([0], 10_000);
    await clock.advance(510);
    const urgent = submit([1], 100);
    await clock.advance(100);
    expect(urgent).toMatchObject({ outputs: [2], at: 608 });
  });
});

describe('what configurations of other servers ask', () => {
  it('allowed batch sizes: rows are added, and nobody sees them', async () => {
    const { clock, runner, submit } = setup({ limits: { allowedBatchSizes: [2, 8] } });
    const alone = submit([7]);
    await clock.advance(100);
    const results = [1, 2, 3].map((value) => submit([value]));
    await clock.advance(100);
    expect(runner.batches).toEqual([
      [7, 7],
      [1, 2, 3, 3, 3, 3, 3, 3],
    ]);
    expect([alone, ...results].map(({ outputs }) => outputs)).toEqual([[8], [2], [3], [4]]);
  });

  it('no splitting: what has more rows than a batch is refused', () => {
    const { submit } = setup({ limits: { splitOversize: false } });
    expect(() => submit(Array.from({ length: 9 }, () => 1))).toThrow(
      expect.objectContaining({ code: 'TENSOR_INVALID' }),
    );
    submit(Array.from({ length: 8 }, () => 1));
  });

  it('ordered answers: none overtakes another, and a cancelled one holds nobody up', async () => {
    const priorities = { levels: 2, default: 1, ageMs: 1000 };
    const { clock, submit } = setup({ limits: { preserveOrdering: true, maxBatchSize: 1, priorities } });
    submit([0]);
    await settle();
    const low = submit([1], 10_000, 1, { priority: 2 });
    const high = submit([2], 10_000, 1, { priority: 1 });
    const gone = submit([3], 10_000, 1, { priority: 2 });
    const last = submit([4], 10_000, 1, { priority: 1 });
    gone.cancel();
    await clock.advance(100);
    // Executed 2, 4, 1: the answers of 2 and 4 waited for that of 1.
    expect([low.at, high.at, last.at]).toEqual([40, 40, 40]);
    expect(gone.at).toBe(0);
  });
});

describe('padding', () => {
  const signature: Signature = {
    inputs: [
      { name: 'ids', dtype: 'int64', shape: ['batch', 'sequence'] },
      { name: 'mask', dtype: 'float16', shape: ['batch', 'sequence', 2] },
      { name: 'words', dtype: 'string', shape: ['batch', 'sequence'] },
    ],
    outputs: [{ name: 'hidden', dtype: 'float32', shape: ['batch', 'sequence', 3] }],
  };
  const padding = { dims: new Map([['sequence', [4, 8]]]), value: 5 };
  const inputs = (rows: number, length: number): Tensors => ({
    ids: {
      dtype: 'int64',
      shape: [rows, length],
      data: BigInt64Array.from({ length: rows * length }, (_, i) => BigInt(i + 10)),
    },
    mask: { dtype: 'float16', shape: [rows, length, 2], data: new Uint16Array(rows * length * 2).fill(1) },
    words: { dtype: 'string', shape: [rows, length], data: Array.from({ length: rows * length }, (_, i) => `w${i}`) },
  });

  it('fills up every input to the next size, with the value declared', () => {
    const { inputs: padded, lengths } = new Padder(signature, padding).pad(inputs(2, 3));
    expect(lengths).toEqual(new Map([['sequence', 3]]));
    expect(padded.ids).toEqual({
      dtype: 'int64',
      shape: [2, 4],
      data: BigInt64Array.of(10n, 11n, 12n, 5n, 13n, 14n, 15n, 5n),
    });
    // 5 in half precision.
    const row = [1, 1, 1, 1, 1, 1, 0x4500, 0x4500];
    expect(padded.mask).toEqual({ dtype: 'float16', shape: [2, 4, 2], data: Uint16Array.from([...row, ...row]) });
    expect(padded.words?.data).toEqual(['w0', 'w1', 'w2', '', 'w3', 'w4', 'w5', '']);
  });

  it('leaves alone what has a size already, is longer than the last, or disagrees with itself', () => {
    const padder = new Padder(signature, padding);
    const unequal = { ...inputs(1, 3), ids: inputs(1, 2).ids! };
    for (const given of [inputs(1, 4), inputs(1, 9), unequal]) {
      expect(padder.pad(given)).toEqual({ inputs: given, lengths: null });
    }
  });

  it('is cut off again: the outputs are those of the rows and lengths that were asked', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 8 }), (rows, length) => {
        const { lengths } = new Padder(signature, padding).pad(inputs(rows, length));
        const padded = length <= 4 ? 4 : 8;
        if (lengths === null) {
          expect(padded).toBe(length);
          return;
        }
        const at = (row: number, step: number, unit: number): number => row * 100 + step * 10 + unit;
        const all = (steps: number): Float32Array<ArrayBuffer> =>
          Float32Array.from({ length: rows * steps * 3 }, (_, i) =>
            at(Math.floor(i / (steps * 3)), Math.floor(i / 3) % steps, i % 3),
          );
        const hidden = { dtype: 'float32', shape: [rows, padded, 3], data: all(padded) } as const;
        expect(new Padder(signature, padding).cut({ hidden }, lengths)).toEqual({
          hidden: { dtype: 'float32', shape: [rows, length, 3], data: all(length) },
        });
      }),
    );
  });

  it('brings requests of different lengths into one batch', async () => {
    const limits = { padding: { dims: new Map([['n', [4]]]), value: 9 } };
    const { clock, runner, submit } = setup({ limits });
    submit([0, 0, 0, 0], 10_000, 4);
    await settle();
    const results = [submit([1, 2], 10_000, 2), submit([3, 4, 5], 10_000, 3), submit([6, 7, 8, 9, 10], 10_000, 5)];
    await clock.advance(1000);
    expect(runner.batches.slice(1)).toEqual([
      [1, 2, 9, 9, 3, 4, 5, 9],
      [6, 7, 8, 9, 10],
    ]);
    expect(results.map(({ outputs }) => outputs)).toEqual([
      [2, 3],
      [4, 5, 6],
      [7, 8, 9, 10, 11],
    ]);
  });
});
