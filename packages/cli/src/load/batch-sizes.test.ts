import { expect, it } from 'vitest';
import { difference, parseBatchSizes } from './batch-sizes.ts';

const metrics = (version: number, buckets: readonly number[], sum: number): string =>
  [
    '# TYPE slipway_inference_batch_size histogram',
    ...['1', '2', '4', '+Inf'].map(
      (le, i) => `slipway_inference_batch_size_bucket{model="m",version="${version}",le="${le}"} ${buckets[i] ?? 0}`,
    ),
    `slipway_inference_batch_size_sum{model="m",version="${version}"} ${sum}`,
    `slipway_inference_batch_size_count{model="m",version="${version}"} ${buckets.at(-1) ?? 0}`,
    'slipway_inference_batch_size_count{model="other",version="1"} 99',
    '',
  ].join('\n');

it('tells how large the batches between two readings were, versions together', () => {
  const before = parseBatchSizes(metrics(1, [10, 10, 10, 10], 10), 'm');
  const after = parseBatchSizes(metrics(1, [12, 12, 15, 15], 24) + metrics(2, [1, 2, 2, 2], 3), 'm');
  expect(difference(before, after)).toEqual({
    batches: 7,
    rows: 17,
    mean: 17 / 7,
    sizes: [
      { upTo: '1', batches: 3 },
      { upTo: '2', batches: 1 },
      { upTo: '4', batches: 3 },
    ],
  });
  expect(difference(before, before)).toBeNull();
  expect(difference(null, after)).toBeNull();
  expect(parseBatchSizes('nothing here', 'm')).toBeNull();
});
