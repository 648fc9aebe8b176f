import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { measureMetric } from '../testing/measure.ts';

const classes = (...values: number[]) => tensor('int64', [values.length], BigInt64Array.from(values, BigInt));

// scikit-learn 1.9: precision_score, recall_score, f1_score with zero_division=0.
const labels = classes(0, 1, 2, 2, 1, 0, 3, 1);
const outputs = { y: classes(0, 2, 2, 1, 1, 0, 0, 1) };

describe('precision, recall and F1', () => {
  it.each([
    ['macro', 0.4583333333333333, 0.5416666666666666, 0.4916666666666667],
    ['micro', 0.625, 0.625, 0.625],
    ['weighted', 0.5416666666666666, 0.625, 0.575],
  ] as const)('are those of scikit-learn, %s', async (average, precision, recall, f1) => {
    const of = async (metric: 'precision' | 'recall' | 'f1') =>
      (await measureMetric({ metric, average }, { outputs, labels })).value;
    expect(await of('precision')).toBeCloseTo(precision, 12);
    expect(await of('recall')).toBeCloseTo(recall, 12);
    expect(await of('f1')).toBeCloseTo(f1, 12);
  });

  it('are of one class when binary, from scores, a threshold or answers', async () => {
    const wanted = classes(0, 1, 1, 0, 1, 0);
    const f1 = { metric: 'f1', average: 'binary' } as const;
    const probability = tensor('float32', [6], Float32Array.of(0.1, 0.9, 0.4, 0.6, 0.5, 0));
    expect((await measureMetric(f1, { outputs: { y: probability }, labels: wanted })).value).toBeCloseTo(2 / 3, 12);
    const scores = tensor('float32', [6, 2], Float32Array.of(2, 1, 0, 5, 1, 0, 0, 1, -9, -8, 0, 0));
    expect((await measureMetric(f1, { outputs: { y: scores }, labels: wanted })).value).toBeCloseTo(2 / 3, 12);
    const zero = { ...f1, positive: 0 };
    expect((await measureMetric(zero, { outputs: { y: scores }, labels: wanted })).value).toBeCloseTo(2 / 3, 12);
    const three = tensor('float32', [6, 3], new Float32Array(18));
    await expect(measureMetric(f1, { outputs: { y: three }, labels: wanted })).rejects.toThrow(
      'f1-binary is of two classes; output "y" has 3',
    );
  });

  it('have 0 where a denominator is zero, and are not defined over no rows', async () => {
    const never = { outputs: { y: classes(0, 0) }, labels: classes(1, 1) };
    for (const metric of ['precision', 'recall', 'f1'] as const) {
      expect((await measureMetric({ metric, average: 'binary' }, never)).value).toBe(0);
    }
    const { metric, kept } = await measureMetric({ metric: 'f1' }, never);
    expect(metric.figure(kept)(new Uint32Array(2))).toBeNaN();
  });

  it('take a row without an answer for a miss', async () => {
    const nothing = tensor('float32', [2, 2], Float32Array.of(NaN, NaN, 0, 1));
    const { value } = await measureMetric({ metric: 'recall' }, { outputs: { y: nothing }, labels: classes(0, 1) });
    expect(value).toBe(0.5);
  });

  it('need names for text', async () => {
    const text = tensor('string', [2], ['a', 'b']);
    await expect(measureMetric({ metric: 'f1' }, { outputs: { y: text }, labels: text })).rejects.toThrow(
      'list them as `labels`',
    );
  });
});
