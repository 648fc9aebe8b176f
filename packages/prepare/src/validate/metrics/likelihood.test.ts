import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { measureMetric } from '../testing/measure.ts';

const classes = (...values: number[]) => tensor('int64', [values.length], BigInt64Array.from(values, BigInt));
const table = (columns: number, ...values: number[]) =>
  tensor('float64', [values.length / columns, columns], Float64Array.from(values));
const logLoss = { metric: 'log-loss' } as const;
const LOGITS = [2, -1, 0.5, 0, 3, 1, -2, 0.1, 0.2, 1, 1, 1, 5, -5, 0, 0.3, 0.2, 0.1];

describe('log-loss', () => {
  // scikit-learn 1.9: log_loss
  it('is that of scikit-learn, of probabilities, of one probability and of logits', async () => {
    const three = [0.7, 0.2, 0.1, 0.3, 0.4, 0.3, 0.2, 0.2, 0.6, 0.5, 0.2, 0.3, 0.1, 0.3, 0.6, 0.4, 0.5, 0.1];
    const labels = classes(0, 1, 2, 2, 1, 0);
    expect((await measureMetric(logLoss, { outputs: { y: table(3, ...three) }, labels })).value).toBeCloseTo(
      0.8513379400174843,
      12,
    );
    const one = table(1, 0.1, 0.4, 0.35, 0.8, 0.8, 0.2, 0.5, 0.5);
    expect(
      (await measureMetric(logLoss, { outputs: { y: one }, labels: classes(0, 0, 1, 1, 0, 0, 1, 0) })).value,
    ).toBeCloseTo(0.6385034550131132, 12);
    expect((await measureMetric(logLoss, { outputs: { y: table(3, ...LOGITS) }, labels })).value).toBeCloseTo(
      2.2032349909092614,
      12,
    );
  });

  it('of a logit is that of two, and does not overflow', async () => {
    const labels = classes(1, 0, 1);
    const one = await measureMetric(
      { ...logLoss, scores: 'logits' },
      { outputs: { y: table(1, 2, -1, -800) }, labels },
    );
    const two = await measureMetric(logLoss, { outputs: { y: table(2, 0, 2, 0, -1, 0, -800) }, labels });
    expect(one.value).toBeCloseTo(two.value, 12);
    expect(one.kept.values[4]).toBe(800);
  });

  it('bounds impossible probabilities by their type', async () => {
    const impossible = tensor('float32', [1, 2], Float32Array.of(1, 0));
    const { value } = await measureMetric(logLoss, { outputs: { y: impossible }, labels: classes(1) });
    expect(value).toBeCloseTo(-Math.log(2 ** -23), 6);
  });
});

describe('perplexity', () => {
  const tokens = tensor('float64', [2, 3, 3], Float64Array.from(LOGITS));
  const labels = (...values: number[]) => tensor('int64', [2, 3], BigInt64Array.from(values, BigInt));
  const nll = (at: number, label: number): number => {
    const row = LOGITS.slice(3 * at, 3 * at + 3);
    return Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[label]!;
  };

  it('is per token, and leaves out what has no target', async () => {
    const given = { outputs: { y: tokens }, labels: labels(0, -100, 2, -100, -100, -100) };
    const { value, kept, metric } = await measureMetric({ metric: 'perplexity' }, given);
    expect(value).toBeCloseTo(Math.exp((nll(0, 0) + nll(2, 2)) / 2), 12);
    expect([...kept.values].slice(2)).toEqual([0, 0]);
    // Over the row without a target alone there is none.
    expect(metric.figure(kept)(Uint32Array.of(0, 1))).toBeNaN();
  });

  it('shifts when the labels are the inputs', async () => {
    const given = { outputs: { y: tokens }, labels: labels(2, 0, 1, 0, 0, 2) };
    const { value } = await measureMetric({ metric: 'perplexity', shift: true }, given);
    const expected = [nll(0, 0), nll(1, 1), nll(3, 0), nll(4, 2)].reduce((sum, one) => sum + one, 0) / 4;
    expect(value).toBeCloseTo(Math.exp(expected), 12);
  });

  it('refuses labels out of range, of another length, and outputs without classes', async () => {
    const perplexity = { metric: 'perplexity' } as const;
    await expect(
      measureMetric(perplexity, { outputs: { y: tokens }, labels: labels(0, 1, 2, 0, 3, 1) }),
    ).rejects.toThrow('perplexity: a label of row 1 is 3; output "y" has the classes 0 to 2');
    await expect(measureMetric(perplexity, { outputs: { y: tokens }, labels: classes(1, 2) })).rejects.toThrow(
      'perplexity needs a label per token: labels are int64[2] for 2 rows of 3 tokens',
    );
    const ids = tensor('int64', [2, 3], new BigInt64Array(6));
    await expect(measureMetric(perplexity, { outputs: { y: ids }, labels: ids })).rejects.toThrow(
      'it needs [rows, classes] or [rows, tokens, classes]',
    );
  });
});
