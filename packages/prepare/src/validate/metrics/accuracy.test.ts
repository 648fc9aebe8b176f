import { type Tensor, tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { measureMetric } from '../testing/measure.ts';
import { expectedAnswers } from './answers.ts';

const floats = (columns: number, ...values: number[]) =>
  tensor('float32', [values.length / columns, columns], Float32Array.from(values));
const classes = (...values: number[]) => tensor('int64', [values.length], BigInt64Array.from(values, BigInt));
const scores = floats(2, 0.9, 0.1, 0.2, 0.8, 0.4, 0.6);

describe('expected answers', () => {
  const rows = { rows: 3, firstRow: 100 };
  it('are indices, one-hot rows, or names', () => {
    expect(expectedAnswers(tensor('uint8', [3], Uint8Array.of(0, 1, 1)), rows, null)).toEqual([0, 1, 1]);
    expect(expectedAnswers(classes(0, 1, 1), rows, null)).toEqual([0, 1, 1]);
    expect(expectedAnswers(floats(2, 1, 0, 0, 1, 0, 1), rows, null)).toEqual([0, 1, 1]);
    expect(expectedAnswers(tensor('string', [3], ['dog', 'cat', 'dog']), rows, ['cat', 'dog'])).toEqual([1, 0, 1]);
    expect(expectedAnswers(tensor('string', [3], ['a', 'b', 'c']), rows, null)).toEqual(['a', 'b', 'c']);
  });

  it.each([
    [tensor('uint8', [2], Uint8Array.of(0, 1)), '2 labels for 3 rows'],
    [tensor('float32', [3], Float32Array.of(0, 0.5, 1)), 'the label of row 101 is 0.5'],
    [tensor('float32', [3], Float32Array.of(0, NaN, 1)), 'the label of row 101 is NaN'],
    [tensor('string', [3], ['cat', 'cow', 'dog']), 'label "cow" of row 101 is not among the labels'],
    [tensor('int8', [3, 2, 2], new Int8Array(12)), 'labels have the shape [3, 2, 2]; give one per row, or one-hot'],
    [floats(2, 1, 0, 1, 1, 0, 1), 'the labels of row 101 are neither one class nor one-hot: column 1 is 1'],
    [floats(2, 1, 0, 0.5, 0.5, 0, 1), 'the labels of row 101 are neither one class nor one-hot: column 0 is 0.5'],
    [floats(2, 1, 0, 0, 0, 0, 1), 'the labels of row 101 are one-hot of nothing'],
  ])('fail clearly: %#', (labels, message) => {
    expect(() => expectedAnswers(labels, rows, ['cat', 'dog'])).toThrow(message);
  });
});

describe('accuracy', () => {
  const accuracy = { metric: 'accuracy' } as const;
  it('compares the largest score, the answer itself, or text', async () => {
    const { kept, value } = await measureMetric(accuracy, { outputs: { y: scores }, labels: classes(0, 1, 0) });
    expect([...kept.values]).toEqual([1, 1, 0]);
    expect(value).toBeCloseTo(2 / 3, 12);
    expect((await measureMetric(accuracy, { outputs: { y: classes(0, 1, 1) }, labels: classes(0, 1, 0) })).value).toBe(
      2 / 3,
    );
    const text = {
      outputs: { y: tensor('string', [2], ['cat', 'dog']) },
      labels: tensor('string', [2], ['cat', 'cat']),
    };
    expect((await measureMetric(accuracy, text)).value).toBe(0.5);
    const one = { outputs: { y: floats(1, 0.7, 0.2, NaN) }, labels: classes(1, 1, 0) };
    expect([...(await measureMetric({ ...accuracy, threshold: 0.5 }, one)).kept.values]).toEqual([1, 0, 0]);
  });

  it('compares names with numbers by the names of the classes, and never without them', async () => {
    const names = ['cat', 'dog'];
    const text = tensor('string', [3], ['cat', 'dog', 'cow']);
    const kept = async (labels: Tensor): Promise<number[]> => [
      ...(await measureMetric(accuracy, { outputs: { y: text }, labels, names })).kept.values,
    ];
    expect(await kept(classes(0, 0, 1))).toEqual([1, 0, 0]);
    expect(await kept(tensor('string', [3], ['cat', 'cat', 'dog']))).toEqual([1, 0, 0]);
    await expect(measureMetric(accuracy, { outputs: { y: text }, labels: classes(0, 0, 1) })).rejects.toThrow(
      'the label of row 0 is 0, and output "y" answers "cat": list the names of the classes',
    );
    const numbers = { outputs: { y: classes(0, 1) }, labels: tensor('string', [2], ['cat', 'dog']) };
    await expect(measureMetric(accuracy, numbers)).rejects.toThrow(
      'the label of row 0 is "cat", and output "y" answers 0',
    );
  });

  it('counts a row of nothing but NaN as wrong, whatever its label', async () => {
    const outputs = { y: floats(2, NaN, NaN, NaN, -3) };
    expect([...(await measureMetric(accuracy, { outputs, labels: classes(0, 1) })).kept.values]).toEqual([0, 1]);
  });

  it('fails on labels that are no class, and on outputs that are no answer', async () => {
    await expect(measureMetric(accuracy, { outputs: { y: scores }, labels: classes(0, 1, 2) })).rejects.toThrow(
      'the label of row 2 is 2, but output "y" has the classes 0 to 1',
    );
    await expect(measureMetric(accuracy, { outputs: { y: floats(1, 1, 2) }, labels: classes(1, 2) })).rejects.toThrow(
      'accuracy cannot be read from output "y" (float32[2, 1] for 2 rows)',
    );
    await expect(measureMetric(accuracy, { outputs: { y: scores } })).rejects.toThrow('accuracy needs labels');
    const other = { metric: 'accuracy', output: 'z' } as const;
    await expect(measureMetric(other, { outputs: { y: scores }, labels: classes(0, 1, 0) })).rejects.toThrow(
      'accuracy reads output "z"; the outputs of the model are "y"',
    );
  });
});

describe('top-k', () => {
  // sklearn.metrics.top_k_accuracy_score: 0.75 for k = 2, 0.5 for k = 1
  const outputs = { y: floats(3, 0.5, 0.2, 0.2, 0.3, 0.4, 0.2, 0.2, 0.4, 0.3, 0.7, 0.2, 0.1) };
  const labels = classes(0, 1, 2, 2);
  it.each([
    [1, 0.5],
    [2, 0.75],
    [3, 1],
    [9, 1],
  ])('of %i is %f', async (k, expected) => {
    expect((await measureMetric({ metric: 'top-k', k }, { outputs, labels })).value).toBe(expected);
  });

  it('of one is accuracy, ties included', async () => {
    const ties = { outputs: { y: floats(3, 1, 1, 1, 1, 1, 1, 0, 2, 2) }, labels: classes(0, 1, 1) };
    const top = await measureMetric({ metric: 'top-k', k: 1 }, ties);
    expect([...top.kept.values]).toEqual([...(await measureMetric({ metric: 'accuracy' }, ties)).kept.values]);
    expect([...top.kept.values]).toEqual([1, 0, 1]);
  });
});
