import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Dim, Signature } from '../signature.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { createDataset, fixedBatch, findOverlap, rowsOf } from './dataset.ts';

const signature = (shape: readonly Dim[]): Signature => ({
  inputs: [{ name: 'x', dtype: 'int32', shape }],
  outputs: [],
});
const dataset = (values: readonly number[], firstRow = 0, shape: readonly Dim[] = ['n', 2]) => {
  const data = Int32Array.from(values.flatMap((value) => [value, -value]));
  const x = tensor('int32', [values.length, 2], data);
  return createDataset(signature(shape), { x }, null, { rowCount: values.length, firstRow });
};

describe('findOverlap', () => {
  it('counts the rows of one that are in the other, and names the first as the file counts', () => {
    expect(findOverlap(dataset([5, 1, 2, 1], 100), dataset([1, 9, 2]))).toEqual({ count: 3, row: 101 });
    expect(findOverlap(dataset([1, 2]), dataset([3, 4]))).toBeNull();
  });

  it('agrees with comparing every pair', () => {
    const values = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(values, values, (a, b) => {
        const shared = a.filter((value) => b.includes(value)).length;
        expect(findOverlap(dataset(a), dataset(b))?.count ?? 0).toBe(shared);
      }),
    );
  });

  it('sees every input, and does not confuse strings that run together', () => {
    const texts = (a: string, b: string) =>
      createDataset(signature(['n']), { a: tensor('string', [1], [a]), b: tensor('string', [1], [b]) }, null, {
        rowCount: 1,
        firstRow: 0,
      });
    expect(findOverlap(texts('ab', 'c'), texts('a', 'bc'))).toBeNull();
    expect(findOverlap(texts('ab', 'c'), texts('ab', 'd'))).toBeNull();
    expect(findOverlap(texts('ab', 'c'), texts('ab', 'c'))).not.toBeNull();
  });
});

describe('digest', () => {
  it('is of the content: values, order and labels matter, the position in the file does not', () => {
    const labels = tensor('uint8', [2], Uint8Array.of(0, 1));
    const base = dataset([1, 2]);
    const labelled = createDataset(base.signature, base.inputs, labels, { rowCount: 2, firstRow: 0 });
    expect(dataset([1, 2], 50).digest).toBe(base.digest);
    expect(new Set([base, dataset([2, 1]), dataset([1]), labelled].map(({ digest }) => digest)).size).toBe(4);
  });
});

describe('rowsOf', () => {
  it('gives views of the rows asked for', () => {
    const all = dataset([1, 2, 3]);
    const { x } = rowsOf(all, 1, 3);
    expect(x).toEqual(tensor('int32', [2, 2], Int32Array.of(2, -2, 3, -3)));
    expect(x?.data).toHaveProperty('buffer', ((all.inputs.x as Tensor).data as Int32Array).buffer);
  });

  it('keeps to the batch a model was exported with', () => {
    const one = dataset([1, 2, 3], 0, [1, 2]);
    expect(fixedBatch(one.signature)).toBe(1);
    expect(rowsOf(one, 2, 3).x?.shape).toEqual([1, 2]);
    expect(() => rowsOf(one, 0, 2)).toThrow('takes exactly 1 rows per call, 2 were asked for');
    expect(fixedBatch(signature(['n', 2]))).toBeNull();
  });

  it('feeds a scalar input one row at a time', () => {
    const x = tensor('int32', [2], Int32Array.of(7, 8));
    const scalar = createDataset(signature([]), { x }, null, { rowCount: 2, firstRow: 0 });
    expect(fixedBatch(scalar.signature)).toBe(1);
    expect(rowsOf(scalar, 1, 2).x).toEqual(tensor('int32', [], Int32Array.of(8)));
  });

  it.each([
    [-1, 1],
    [0, 4],
    [2, 2],
  ])('refuses rows [%d, %d) of 3', (start, end) =>
    expect(() => rowsOf(dataset([1, 2, 3]), start, end)).toThrow('the data has 3'),
  );
});
