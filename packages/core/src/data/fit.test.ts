import { describe, expect, it } from 'vitest';
import type { Dim } from '../signature.ts';
import { tensor } from '../tensor.ts';
import { fitGroups, fitLabels, fitRows } from './fit.ts';

const array = (shape: readonly number[]) => {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return tensor('uint8', shape, new Uint8Array(count));
};
const fit = (from: readonly number[], shape: readonly Dim[] | null) =>
  fitRows(array(from), { name: 'x', dtype: 'float32', shape }).shape;

describe('fitRows', () => {
  it.each<[string, readonly number[], readonly Dim[] | null, readonly number[]]>([
    ['leaves what fits', [5, 1, 28, 28], ['n', 1, 28, 28], [5, 1, 28, 28]],
    ['adds axes of size 1', [5, 28, 28], ['n', 1, 28, 28], [5, 1, 28, 28]],
    ['drops axes of size 1', [5, 28, 28, 1], ['n', 28, 28], [5, 28, 28]],
    ['folds a list', [5, 784], ['n', 1, 28, 28], [5, 1, 28, 28]],
    ['flattens', [5, 28, 28], ['n', 784], [5, 784]],
    ['takes axis 0 for rows though the model fixes it', [5, 28, 28], [1, 1, 28, 28], [5, 1, 28, 28]],
    ['takes one number per row for a scalar input', [5, 1], [], [5]],
    ['takes any size where the model does', [5, 7], ['n', 'sequence'], [5, 7]],
    ['takes any shape where nothing is known', [5, 7, 2], null, [5, 7, 2]],
  ])('%s', (_, from, shape, expected) => expect(fit(from, shape)).toEqual(expected));

  it.each<[string, readonly number[], readonly Dim[], string]>([
    [
      'another count',
      [5, 27, 28],
      ['n', 1, 28, 28],
      'one row has shape [27, 28], the model takes float32[n, 1, 28, 28]',
    ],
    ['axes in another order', [2, 8, 8, 3], ['n', 3, 8, 8], 'transpose the data first'],
    ['another split', [2, 4, 6], ['n', 6, 4], 'transpose the data first'],
    ['another rank where a size is open', [5, 7, 2], ['n', 'sequence'], 'one row has shape [7, 2]'],
    ['a sample without a row axis', [3, 8, 8], ['n', 3, 8, 8], 'one row has shape [8, 8]'],
  ])('refuses %s', (_, from, shape, message) => {
    expect(() => fit(from, shape)).toThrow(expect.objectContaining({ code: 'DATA_MISMATCH' }) as Error);
    expect(() => fit(from, shape)).toThrow(message);
  });
});

describe('fitLabels', () => {
  it('makes one label per row of what is one, and leaves the rest to the metric', () => {
    expect(fitLabels(array([4]))).toMatchObject({ shape: [4] });
    expect(fitLabels(array([4, 1]))).toMatchObject({ shape: [4] });
    expect(fitLabels(array([4, 10]))).toMatchObject({ shape: [4, 10] });
    expect(() => fitLabels(array([]))).toThrow('axis 0 must count the rows');
  });
});

describe('fitGroups', () => {
  it('makes a name of each, and refuses more than one per row', () => {
    expect(fitGroups(tensor('string', [2, 1], ['a', 'b']))).toEqual(['a', 'b']);
    expect(fitGroups(tensor('int64', [2], BigInt64Array.of(7n, -1n)))).toEqual(['7', '-1']);
    expect(() => fitGroups(array([4, 2]))).toThrow('group has shape [4, 2]');
  });
});
