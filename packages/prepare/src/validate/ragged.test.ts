/** Evaluation and latency over rows that differ in shape: each is a call of its own, and labels may be as long as their row. */
import {
  columnOf,
  createDataset,
  type Dataset,
  type Signature,
  type Tensor,
  tensor,
  type Tensors,
} from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { wrapAround } from './calls.ts';
import { evaluateAll } from './evaluate.ts';
import { createMetric } from './metrics/index.ts';
import { unitWeights } from './metric.ts';
import { slicesOf } from './slices.ts';

const signature: Signature = {
  inputs: [{ name: 'ids', dtype: 'int64', shape: ['batch', 'sequence'] }],
  outputs: [{ name: 'logits', dtype: 'float32', shape: ['batch', 'sequence', 3] }],
};
const int64 = (values: readonly number[]): Tensor =>
  tensor('int64', [1, values.length], BigInt64Array.from(values, BigInt));

const SENTENCES = [[0, 1, 2], [2], [1, 1], [0, 2, 1, 0, 1], [2]];
const TOKENS = [[1, 2, 0], [0], [1, -100], [2, 1, 0, 1, 2], [1]];

const dataset = (labels: readonly (readonly number[])[] = TOKENS): Dataset =>
  createDataset(signature, { ids: columnOf(SENTENCES.map(int64)) }, columnOf(labels.map(int64)), {
    rowCount: SENTENCES.length,
    firstRow: 0,
    groups: SENTENCES.map(({ length }) => (length > 2 ? 'long' : 'short')),
  });

/** Three logits per token: how well its own class, the next and the one after it are liked. */
const LIKES = [0.5, 2, -1];
const calls: (readonly number[])[] = [];
const model = {
  signature,
  run: ({ ids }: Tensors): Promise<Tensors> => {
    calls.push(ids!.shape);
    const tokens = [...(ids!.data as BigInt64Array)].map(Number);
    const logits = tokens.flatMap((token) => [0, 1, 2].map((label) => LIKES[(label - token + 3) % 3] ?? 0));
    return Promise.resolve({ logits: tensor('float32', [...ids!.shape, 3], Float32Array.from(logits)) });
  },
};

const perplexity = createMetric({ metric: 'perplexity' }, { output: 'logits', names: null });
const evaluate = async (rows: Dataset) => {
  calls.length = 0;
  const options = { dataset: rows, metrics: [perplexity], output: 'logits', signal: new AbortController().signal };
  const all = await evaluateAll(model, new Map([['same', model]]), { ...options, onRows: () => undefined });
  const result = all.get('same')!;
  if (!('kept' in result)) throw result;
  return result;
};

describe('rows that differ in length', () => {
  it('have the perplexity of all their tokens, each row in a call of its own', async () => {
    const norm = Math.log(LIKES.reduce((sum, value) => sum + Math.exp(value), 0));
    const losses = SENTENCES.flatMap((tokens, row) =>
      tokens.flatMap((token, at) => {
        const label = TOKENS[row]![at]!;
        return label < 0 ? [] : [norm - LIKES[(label - token + 3) % 3]!];
      }),
    );
    const { kept, parity } = await evaluate(dataset());
    const figure = perplexity.figure(kept[0]!)(unitWeights(SENTENCES.length));
    expect(figure).toBeCloseTo(Math.exp(losses.reduce((sum, loss) => sum + loss, 0) / losses.length), 6);
    expect(parity).toMatchObject({ rows: 5, sqnrDb: null });
    expect(new Set(calls.map(([rows]) => rows))).toEqual(new Set([1]));
    expect(calls.slice(0, 5).map(([, length]) => length)).toEqual([3, 1, 2, 5, 1]);
  });

  it('say which row has labels that do not belong to it', async () => {
    const wrong = TOKENS.with(3, [2, 1]);
    await expect(evaluate(dataset(wrong))).rejects.toThrow(
      'row 3: perplexity needs a label per token: labels are int64[1, 2] for 1 rows of 5 tokens',
    );
  });

  it('fall into groups, and into no classes', () => {
    const options = { wanted: null, group: null, names: null };
    expect(slicesOf(dataset(), options).map(({ by, name, rows }) => [by, name, [...rows]])).toEqual([
      ['group', 'long', [0, 3]],
      ['group', 'short', [1, 2, 4]],
    ]);
    const lengths = slicesOf(dataset(), { ...options, group: ({ inputs }) => inputs['ids']!.data.length });
    expect(lengths.map(({ name, rows }) => [name, [...rows]])).toEqual([
      ['1', [1, 4]],
      ['2', [2]],
      ['3', [0]],
      ['5', [3]],
    ]);
  });

  it('are measured with rows of one length in a call, again where there are too few', () => {
    expect(wrapAround(dataset(), 1, 3)['ids']).toEqual(tensor('int64', [3, 1], BigInt64Array.of(2n, 2n, 2n)));
    expect(wrapAround(dataset(), 0, 2)['ids']!.shape).toEqual([2, 3]);
    expect(wrapAround(dataset(), 8, 1)['ids']!.shape).toEqual([1, 5]);
  });
});
