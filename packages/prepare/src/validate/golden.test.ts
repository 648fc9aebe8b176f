import { columnOf, createDataset, type Signature, tensor, type Tensors } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { generateRows } from './generated.ts';
import { GOLDEN_SAMPLES, recordGolden, roundUp } from './golden.ts';

const signature = (axis0: number | string): Signature => ({
  inputs: [{ name: 'x', dtype: 'float32', shape: [axis0, 3] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: [axis0, 1] }],
});

/** Sums each row; `error` is added when rows share a call, as rounding or shared ranges would. */
const summing = (error: number) => ({
  run: ({ x }: Tensors): Promise<Tensors> => {
    const rows = x!.shape[0] ?? 0;
    const values = x!.data as Float32Array;
    const sums = Float32Array.from({ length: rows }, (_, row) => {
      const [a = 0, b = 0, c = 0] = values.subarray(row * 3, row * 3 + 3);
      return a + b + c + (rows > 1 ? error : 0);
    });
    return Promise.resolve({ y: tensor('float32', [rows, 1], sums) });
  },
});

describe('golden samples', () => {
  it('are rows stacked for a model that takes many, one call each otherwise', async () => {
    const many = await recordGolden(summing(0), signature('n'), generateRows(signature('n'), 20, 1), false);
    expect(many.count).toBe(GOLDEN_SAMPLES);
    expect([...many.arrays.keys()]).toEqual(['input/x', 'output/y']);
    expect(many.arrays.get('input/x')!.shape).toEqual([8, 3]);
    const one = await recordGolden(summing(0), signature(1), generateRows(signature(1), 20, 1), false);
    expect(one.arrays.get('input/x/7')!.shape).toEqual([1, 3]);
    expect(one.arrays.size).toBe(16);
  });

  it('are a call each where rows differ in shape; the tolerance comes from rows that share one', async () => {
    const open: Signature = {
      inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 'length'] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 1] }],
    };
    const row = (length: number) => tensor('float32', [1, length], new Float32Array(length).fill(1));
    const x = columnOf([3, 5, 3, 4, 3, 2, 3, 3, 7, 3, 1, 3].map(row));
    const rows = createDataset(open, { x }, null, { rowCount: 12, firstRow: 0 });
    const calls: (readonly number[])[] = [];
    const counting = {
      run: ({ x: given }: Tensors): Promise<Tensors> => {
        calls.push(given!.shape);
        const [count = 0, length = 0] = given!.shape;
        return Promise.resolve({ y: tensor('float32', [count, 1], new Float32Array(count).fill(length + count / 10)) });
      },
    };
    const { arrays, count, batchSensitivity, tolerance } = await recordGolden(counting, open, rows, false);
    expect(count).toBe(GOLDEN_SAMPLES);
    expect([...arrays].filter(([name]) => name.startsWith('input')).map(([name, { shape }]) => [name, shape])).toEqual(
      [3, 5, 3, 4, 3, 2, 3, 3].map((length, i) => [`input/x/${i}`, [1, length]]),
    );
    expect(arrays.get('output/y/1')!.data[0]).toBeCloseTo(5.1, 5);
    // Eight rows of length 3 together: 3.8 where each alone is 3.1.
    expect(calls.at(-1)).toEqual([8, 3]);
    expect(batchSensitivity).toBeCloseTo(0.7 / 3.1, 5);
    expect(tolerance.absolute).toBeGreaterThanOrEqual(1.4);
  });

  it('are eight even when there are fewer rows', async () => {
    const { arrays } = await recordGolden(summing(0), signature('n'), generateRows(signature('n'), 3, 1), false);
    expect(arrays.get('output/y')!.shape).toEqual([8, 1]);
  });

  it('have a tolerance wider than the difference between batch sizes, and say when it is more than rounding', async () => {
    const rows = generateRows(signature('n'), 20, 1);
    const exact = await recordGolden(summing(0), signature('n'), rows, false);
    expect(exact.tolerance.absolute).toBeLessThan(1e-4);
    expect(exact.batchSensitivity).toBe(0);
    const rounding = await recordGolden(summing(1e-5), signature('n'), rows, false);
    expect(rounding.tolerance.absolute).toBeGreaterThan(1e-4);
    const ranging = await recordGolden(summing(0.1), signature('n'), rows, false);
    expect(ranging.tolerance.absolute).toBeGreaterThanOrEqual(0.2);
    expect(ranging.batchSensitivity).toBeGreaterThan(0.03);
  });

  it('allow one step of an 8-bit scale for quantized models, nothing for whole numbers', async () => {
    const rows = generateRows(signature('n'), 20, 1);
    const quantized = await recordGolden(summing(0), signature('n'), rows, true);
    expect(quantized.tolerance.absolute).toBeGreaterThan(0.005);
    const counting = {
      run: ({ x }: Tensors) => Promise.resolve({ y: tensor('int64', [x!.shape[0]!], new BigInt64Array(x!.shape[0])) }),
    };
    const whole = await recordGolden(counting, signature('n'), rows, true);
    expect(whole.tolerance).toEqual({ absolute: 0, relative: 0 });
  });

  it('of a model that answers zero have no tolerance to speak of', async () => {
    const zeros = createDataset(signature('n'), { x: tensor('float32', [8, 3], new Float32Array(24)) }, null, {
      rowCount: 8,
      firstRow: 0,
    });
    expect((await recordGolden(summing(0), signature('n'), zeros, false)).tolerance.absolute).toBe(0);
  });
});

describe('roundUp', () => {
  it('gives 1, 2 or 5 of a power of ten, never less than it got', () => {
    expect([0, 0.0013, 0.002, 0.0049, 7, 500].map(roundUp)).toEqual([0, 0.002, 0.002, 0.005, 10, 500]);
    fc.assert(
      fc.property(fc.double({ min: 1e-12, max: 1e12, noNaN: true }), (value) => {
        expect(roundUp(value)).toBeGreaterThanOrEqual(value * (1 - 1e-9));
        expect(roundUp(value)).toBeLessThanOrEqual(value * 2.5 * (1 + 1e-9));
      }),
    );
  });
});
