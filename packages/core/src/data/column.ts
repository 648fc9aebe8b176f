/**
 * One input, or the labels, over all rows of a dataset. Rows of one shape are stacked along axis 0, which is one array and no
 * copies. Rows whose shapes differ (sentences, sounds, pictures of several sizes) stay apart, each with an axis 0 of 1.
 *
 * Rows of one shape are never kept apart: `columnOf` stacks them, so that equal rows are the same data whatever file they came
 * from. Padding is no way out: it needs a mask that only the model's owner knows, and padding values would enter every statistic.
 */
import type { DType } from '../dtype.ts';
import { fail } from '../errors.ts';
import { concatRows, rows, type Tensor } from '../tensor.ts';

export interface Ragged {
  readonly dtype: DType;
  /** A tensor [1, …] per row; at least two, not all of one shape. */
  readonly parts: readonly Tensor[];
}

export type Column = Tensor | Ragged;

/** Inputs of a dataset by name. */
export type InputColumns = Readonly<Record<string, Column>>;

export const isRagged = (column: Column): column is Ragged => 'parts' in column;

/** @param parts tensors [1, …] of one dtype, one per row; at least one */
export function columnOf(parts: readonly Tensor[]): Column {
  const [first] = parts;
  if (first === undefined) throw fail('INTERNAL', { problem: 'a column of no rows' });
  const shape = first.shape.join();
  return parts.every((part) => part.shape.join() === shape) ? concatRows(parts) : { dtype: first.dtype, parts };
}

/** Rows `start` to `end` (exclusive), as a column. The rows must exist. */
export function columnSlice(column: Column, start: number, end: number): Column {
  return isRagged(column) ? columnOf(column.parts.slice(start, end)) : rows(column, start, end);
}

/** Rows `start` to `end` (exclusive) as one tensor. The rows must exist and be of one shape. */
export function columnRows(column: Column, start: number, end: number): Tensor {
  const part = columnSlice(column, start, end);
  if (isRagged(part)) throw fail('INTERNAL', { problem: `rows [${start}, ${end}) have different shapes` });
  return part;
}

/** These rows as one tensor, in this order. They must be of one shape. */
export function pickFrom(column: Column, indices: readonly number[]): Tensor {
  return concatRows(indices.map((row) => columnRows(column, row, row + 1)));
}

/** The same rows, changed: all at once where they are stacked. */
export function mapColumn(column: Column, change: (value: Tensor) => Tensor): Column {
  return isRagged(column) ? columnOf(column.parts.map(change)) : change(column);
}

/** Elements in bytes; text counts nothing. */
export function columnBytes(column: Column): number {
  const parts = isRagged(column) ? column.parts : [column];
  return parts.reduce((sum, { data }) => sum + ('byteLength' in data ? data.byteLength : 0), 0);
}
