import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { measureMetric } from '../testing/measure.ts';

const table = (columns: number, ...values: number[]) =>
  tensor('float64', columns === 1 ? [values.length] : [values.length / columns, columns], Float64Array.from(values));

// scikit-learn 1.9: mean_absolute_error, root_mean_squared_error, r2_score.
describe('errors of numbers', () => {
  const one = { outputs: { y: table(1, 2.5, 0, 2, 8) }, labels: table(1, 3, -0.5, 2, 7) };
  const two = { outputs: { y: table(2, 0, 2, -1, 2, 8, -5) }, labels: table(2, 0.5, 1, -1, 1, 7, -6) };
  it.each([
    ['mae', 0.5, 0.75],
    ['rmse', 0.6123724356957945, 0.8227486121839513],
    ['r2', 0.9486081370449679, 0.9368005266622779],
  ] as const)('%s', async (metric, single, double) => {
    expect((await measureMetric({ metric }, one)).value).toBeCloseTo(single, 12);
    expect((await measureMetric({ metric }, two)).value).toBeCloseTo(double, 12);
  });

  it('R² of constant labels is 1 or 0, of one row nothing, and far from zero it keeps its digits', async () => {
    const r2 = { metric: 'r2' } as const;
    const constant = table(1, 2, 2, 2);
    expect((await measureMetric(r2, { outputs: { y: constant }, labels: constant })).value).toBe(1);
    expect((await measureMetric(r2, { outputs: { y: table(1, 1, 2, 3) }, labels: constant })).value).toBe(0);
    expect((await measureMetric(r2, { outputs: { y: table(1, 1) }, labels: table(1, 2) })).value).toBeNaN();
    const far = (values: number[]): number[] => values.map((value) => value + 1e8);
    const shifted = { outputs: { y: table(1, ...far([2.5, 0, 2, 8])) }, labels: table(1, ...far([3, -0.5, 2, 7])) };
    expect((await measureMetric(r2, shifted)).value).toBeCloseTo(0.9486081370449679, 7);
  });

  it('refuse shapes that do not fit and numbers that are none', async () => {
    await expect(
      measureMetric({ metric: 'mae' }, { ...one, labels: table(2, 1, 2, 3, 4, 5, 6, 7, 8) }),
    ).rejects.toThrow('mae compares number by number: labels are float64[4, 2] for 4 rows, output "y" is float64[4]');
    await expect(measureMetric({ metric: 'mae' }, { ...one, labels: table(1, 3, NaN, 2, 7) })).rejects.toThrow(
      'mae: the label is NaN in row 1',
    );
    const broken = { ...one, outputs: { y: table(1, 0, 0, 0, Infinity) }, perCall: 2 };
    await expect(measureMetric({ metric: 'rmse' }, broken)).rejects.toThrow('rmse: output "y" is Infinity in row 3');
    const text = { outputs: { y: tensor('string', [1], ['a']) }, labels: table(1, 1) };
    await expect(measureMetric({ metric: 'mae' }, text)).rejects.toThrow('mae reads numbers; output "y" is text');
  });
});

describe('cosine to the labels', () => {
  it('is the mean over rows, and 0 for a vector of zeros', async () => {
    const outputs = { y: table(2, 1, 0, 3, 4, 0, 0) };
    const { kept, value } = await measureMetric({ metric: 'cosine' }, { outputs, labels: table(2, 0, 5, 3, 4, 1, 1) });
    expect([...kept.values]).toEqual([0, 1, 0]);
    expect(value).toBeCloseTo(1 / 3, 12);
    await expect(measureMetric({ metric: 'cosine' }, { outputs, labels: table(1, 1, 2, 3) })).rejects.toThrow(
      'cosine compares vectors: labels are float64[3], output "y" is float64[3, 2]',
    );
  });
});
