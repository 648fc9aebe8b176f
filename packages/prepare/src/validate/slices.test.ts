import { createDataset, type GroupRow, randomStream, type Tensor, tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { amongMany } from './difference.ts';
import { keeper, type Kept } from './kept.ts';
import { createMetric } from './metrics/index.ts';
import { metricValue, slicesOf } from './slices.ts';

const dataset = (labels: Tensor | null, groups: readonly string[] | null = null, count = 6) =>
  createDataset(
    { inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 1] }], outputs: [] },
    {
      x: tensor(
        'float32',
        [count, 1],
        Float32Array.from({ length: count }, (_, i) => i),
      ),
    },
    labels,
    { rowCount: count, firstRow: 0, groups },
  );
const classes = (...values: number[]) => tensor('int64', [values.length], BigInt64Array.from(values, BigInt));
const options = { wanted: null, group: null, names: null };
const keptOf = (values: ArrayLike<number>): Kept => {
  const kept = keeper();
  for (let i = 0; i < values.length; i++) kept.add([values[i]!]);
  return kept.finish();
};
const accuracy = createMetric({ metric: 'accuracy' }, { output: 'y', names: null });
const mae = createMetric({ metric: 'mae' }, { output: 'y', names: null });

describe('slices', () => {
  it('are by class and by group, in order', () => {
    const found = slicesOf(dataset(classes(10, 2, 2, 0, 10, 2), ['b', 'a', 'b', 'b', 'a', 'b']), options);
    expect(found.map(({ by, name, rows }) => [by, name, ...rows])).toEqual([
      ['group', 'a', 1, 4],
      ['group', 'b', 0, 2, 3, 5],
      ['class', '0', 3],
      ['class', '2', 1, 2, 5],
      ['class', '10', 0, 4],
    ]);
    const named = slicesOf(dataset(classes(0, 1, 1, 0, 1, 0)), { ...options, names: ['cat', 'dog'] });
    expect(named.map(({ name }) => name)).toEqual(['cat', 'dog']);
  });

  it('are of what a function says, which sees the row', () => {
    const seen: GroupRow[] = [];
    const group = (row: GroupRow): string => {
      seen.push(row);
      return Number(row.label) > 1 ? 'rare' : 'common';
    };
    const found = slicesOf(dataset(classes(0, 2, 1, 0, 2, 1)), { ...options, wanted: ['group'], group });
    expect(found.map(({ name, rows }) => [name, ...rows])).toEqual([
      ['common', 0, 2, 3, 5],
      ['rare', 1, 4],
    ]);
    expect(seen[4]).toMatchObject({ index: 4, label: 2, inputs: { x: { shape: [1, 1] } } });
    const failing = (): never => {
      throw new Error('oops');
    };
    expect(() => slicesOf(dataset(null), { ...options, group: failing })).toThrow('data.group failed on row 0: oops');
  });

  it('are left out where the data has none, and an error where they were asked for', () => {
    const regression = dataset(tensor('float32', [6], Float32Array.of(0, 0.5, 1, 2, 3, 4)));
    expect(slicesOf(regression, options)).toEqual([]);
    expect(slicesOf(dataset(null), options)).toEqual([]);
    expect(slicesOf(dataset(classes(1, 1, 1, 1, 1, 1)), options)).toEqual([]);
    expect(() => slicesOf(regression, { ...options, wanted: ['class'] })).toThrow('are not one class per row');
    expect(() => slicesOf(dataset(null), { ...options, wanted: ['group'] })).toThrow('data.slices names "group"');
    const many = dataset(
      null,
      Array.from({ length: 200 }, (_, i) => String(i)),
      200,
    );
    expect(slicesOf(many, options)).toEqual([]);
    expect(slicesOf(many, { ...options, wanted: ['group'] })).toHaveLength(200);
  });
});

describe('the value of a metric', () => {
  const slices = slicesOf(dataset(classes(0, 0, 0, 1, 1, 1)), options);
  it('has its own interval and difference in every slice', () => {
    const source = keptOf([1, 1, 1, 1, 1, 0]);
    const value = metricValue(accuracy, keptOf([1, 1, 1, 0, 1, 0]), source, slices, 0);
    expect(value).toMatchObject({
      name: 'accuracy',
      value: { value: 4 / 6, rows: 6, method: 'wilson' },
      versusSource: { value: -1 / 6, lost: 1, gained: 0, test: 'mcnemar', verdict: 'same', p: 1 },
    });
    expect(value.slices.map((slice) => [slice.name, slice.rows, slice.value!.value, slice.versusSource!.lost])).toEqual(
      [
        ['0', 3, 1, 0],
        ['1', 3, 1 / 3, 1],
      ],
    );
  });

  it('leaves out classes where the metric says nothing of one class, and rows that were not evaluated', () => {
    expect(metricValue(mae, keptOf(new Float64Array(12)), null, slices, 0).slices).toEqual([]);
    const short = metricValue(accuracy, keptOf([1, 1, 1, 0]), null, slices, 0);
    expect(short.slices.map(({ rows }) => rows)).toEqual([3, 1]);
    expect(metricValue(accuracy, keptOf([1, 1]), null, slices, 0).slices[1]).toMatchObject({ rows: 0, value: null });
  });

  it('calls a difference real only when it is, in the direction that is better', () => {
    const random = randomStream(2);
    const pairs = (noise: number): Kept => {
      const kept = keeper();
      for (let row = 0; row < 400; row++) kept.add([row % 7, (row % 7) + noise * (1 + random())]);
      return kept.finish();
    };
    const source = pairs(0.1);
    const worse = metricValue(mae, pairs(0.3), source, [], 0).versusSource!;
    expect(worse).toMatchObject({ verdict: 'worse', test: 'bootstrap', lost: null });
    expect(worse.low).toBeGreaterThan(0.25);
    expect(metricValue(mae, pairs(0.01), source, [], 0).versusSource!.verdict).toBe('better');
    expect(metricValue(mae, pairs(0.1), source, [], 0).versusSource!.verdict).toBe('same');
    expect(metricValue(mae, source, source, [], 0).versusSource).toMatchObject({ value: 0, low: 0, high: 0, p: 1 });
  });

  it('is null where it is not defined', () => {
    const roc = createMetric({ metric: 'roc-auc' }, { output: 'y', names: null });
    const kept = keeper();
    for (let row = 0; row < 5; row++) kept.add([1, row]);
    const one = kept.finish();
    expect(metricValue(roc, one, one, [], 0)).toMatchObject({ value: null, versusSource: null });
  });
});

describe('differences of many slices', () => {
  const slice = (p: number) => ({
    ...metricValue(accuracy, keptOf([0, 1]), keptOf([1, 1]), [], 0).versusSource!,
    p,
    verdict: 'worse' as const,
  });
  const verdicts = (...ps: number[]) => amongMany(ps.map(slice)).map((each) => each!.verdict);
  it('are real only when chance does not give as many', () => {
    expect(verdicts(0.009)).toEqual(['worse']);
    expect(verdicts(0.009, 0.3, 0.6)).toEqual(['same', 'same', 'same']);
    expect(verdicts(0.3, 0.0001, 0.006, 0.9)).toEqual(['same', 'worse', 'same', 'same']);
    // Many that are small bear each other out.
    expect(verdicts(0.004, 0.005, 0.006, 0.009)).toEqual(['worse', 'worse', 'worse', 'worse']);
    expect(amongMany([null])).toEqual([null]);
  });
});
