/** The highest elements as text: order, ties, labels, and that it agrees with sorting. */
import { numbersToFloat16, type Tensor } from '@slipway/core';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { classify } from './classification.ts';

const name = 'y';

it('gives value, index and name, highest first, per row', () => {
  const tensor = { dtype: 'float32', shape: [2, 3], data: Float32Array.of(0.25, 2, -1, 3, 0, 3) } as const;
  expect(classify(tensor, 2, { batched: true, classes: ['cat', '', 'bird'], name })).toEqual({
    dtype: 'string',
    shape: [2, 2],
    data: ['2.000000:1', '0.250000:0:cat', '3.000000:0:cat', '3.000000:2:bird'],
  });
});

it('takes a tensor without rows as one, and gives at most what there is', () => {
  const tensor = { dtype: 'int64', shape: [3], data: BigInt64Array.of(-1n, 2n ** 62n, 0n) } as const;
  const options = { batched: false, classes: null, name };
  expect(classify(tensor, 9, options)).toMatchObject({ shape: [3], data: [`${2n ** 62n}:1`, '0:2', '-1:0'] });
  const none = { dtype: 'float32', shape: [0, 4], data: new Float32Array(0) } as const;
  expect(classify(none, 2, { ...options, batched: true })).toEqual({ dtype: 'string', shape: [0, 0], data: [] });
});

it('reads float16, and puts NaN last', () => {
  const data = numbersToFloat16([NaN, 0.5, Infinity, -Infinity]);
  const tensor = { dtype: 'float16', shape: [1, 4], data } as const;
  const { data: texts } = classify(tensor, 4, { batched: true, classes: null, name });
  expect(texts).toEqual(['inf:2', '0.500000:1', '-inf:3', 'nan:0']);
});

it('refuses text', () => {
  const tensor: Tensor = { dtype: 'string', shape: [1, 1], data: ['a'] };
  expect(() => classify(tensor, 1, { batched: true, classes: null, name })).toThrow('needs numbers');
});

it('is the beginning of the sorted elements, for few and for many classes', () => {
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(NaN, Infinity, -Infinity));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 80 }), fc.integer({ min: 1, max: 80 }), (values, k) => {
      const tensor = { dtype: 'float64', shape: [1, values.length], data: Float64Array.from(values) } as const;
      const { data } = classify(tensor, k, { batched: true, classes: null, name });
      const rank = (of: number): number => (Number.isNaN(of) ? -Infinity : of === -Infinity ? -1e9 : of);
      const order = values.map((of, index) => ({ of, index }));
      order.sort((a, b) => (rank(b.of) === rank(a.of) ? a.index - b.index : rank(b.of) > rank(a.of) ? 1 : -1));
      const indices = (data as string[]).map((text) => Number(text.split(':')[1]));
      expect(indices).toEqual(order.slice(0, k).map(({ index }) => index));
    }),
  );
});
