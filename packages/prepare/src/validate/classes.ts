/**
 * Where the classes of an output are. An output has a class axis when, beside the rows, exactly one dimension is larger than
 * one: `[rows, 10]` and `[rows, 1000, 1, 1]` do, `[rows]`, `[rows, 1]` and pictures do not.
 */
import type { Tensor } from '@slipway/core';
import { floatReader } from './floats.ts';

/** How many classes, or null. `rows` is how many rows the tensor holds; a fixed batch of one may lack the row axis. */
export function classAxis(shape: readonly number[], rows: number): number | null {
  const rest = shape[0] === rows ? shape.slice(1) : rows === 1 ? shape : [];
  const wide = rest.filter((dim) => dim !== 1);
  return wide.length === 1 && wide[0] !== undefined && wide[0] > 1 ? wide[0] : null;
}

/** Index of the largest value of each row; the first of equals, as NumPy does. NaN is never the largest: of nothing else, −1. */
export function argmaxRows(value: Tensor, rows: number): Int32Array {
  const best = new Int32Array(rows);
  if (value.dtype === 'string') return best;
  best.fill(-1);
  const width = value.data.length / rows;
  const read = floatReader(value);
  for (let row = 0; row < rows; row++) {
    let largest = -Infinity;
    for (let column = 0; column < width; column++) {
      const candidate = read(row * width + column);
      if (candidate > largest || (candidate === largest && best[row] === -1)) {
        largest = candidate;
        best[row] = column;
      }
    }
  }
  return best;
}
