/** Zeroes weights in place: one by one, in blocks of a matrix, or n of every m along its input axis. */
import { fail } from '@slipway/core';
import type { Floats } from '../weights.ts';
import { type Bound, judge } from './bound.ts';
import { type Layout, matrixOffsets, pieces, strideOf } from './layout.ts';

/** Zero what is small, with one bound for all arrays together. */
export function zeroElements(arrays: readonly Floats[], bound: Bound): void {
  const isSmall = judge(arrays, bound);
  for (const values of arrays) {
    for (let i = 0; i < values.length; i++) if (isSmall(values[i] ?? 0)) values[i] = 0;
  }
}

/** A weight with its layout, to be changed in place. */
export interface Matrices {
  readonly name: string;
  readonly values: Floats;
  readonly dims: readonly number[];
  readonly layout: Layout;
}

/**
 * Zero whole blocks of `rows` outputs × `columns` inputs whose root mean square is small. Blocks at the end of an axis, of
 * a group of a convolution, of a gate of a recurrent layer are smaller.
 */
export function zeroBlocks(all: readonly Matrices[], [rows, columns]: readonly [number, number], bound: Bound): void {
  const norms = all.map((matrices) => {
    const found: number[] = [];
    eachBlock(matrices, rows, columns, (indices) => found.push(rootMeanSquare(matrices.values, indices)));
    return Float32Array.from(found);
  });
  const isSmall = judge(norms, bound);
  for (const [i, matrices] of all.entries()) {
    let block = 0;
    eachBlock(matrices, rows, columns, (indices) => {
      if (!isSmall(norms[i]?.[block++] ?? 0)) return;
      for (const index of indices) matrices.values[index] = 0;
    });
  }
}

/** @param take is given the indices of one block; the array is used again for the next */
function eachBlock(
  { dims, layout }: Matrices,
  rows: number,
  columns: number,
  take: (indices: readonly number[]) => void,
): void {
  const [down, right] = [strideOf(dims, layout.output), strideOf(dims, layout.input)];
  const across = pieces(dims[layout.input] ?? 0, layout.inputParts, columns);
  const indices: number[] = [];
  for (const offset of matrixOffsets(dims, layout)) {
    for (const [top, bottom] of pieces(dims[layout.output] ?? 0, layout.outputParts, rows)) {
      for (const [left, end] of across) {
        indices.length = 0;
        for (let row = top; row < bottom; row++) {
          for (let column = left; column < end; column++) indices.push(offset + row * down + column * right);
        }
        take(indices);
      }
    }
  }
}

function rootMeanSquare(values: Floats, indices: readonly number[]): number {
  let sum = 0;
  for (const index of indices) sum += (values[index] ?? 0) ** 2;
  return Math.sqrt(sum / indices.length);
}

/**
 * Keep the n largest of every m consecutive weights along the input axis and zero the others; a rest shorter than m keeps
 * at most n too. Of equal ones the first are zeroed.
 * @throws PASS_NOT_APPLICABLE for values that are not finite: they can be neither kept nor zeroed by magnitude
 */
export function zeroWithinGroups({ name, values, dims, layout }: Matrices, n: number, m: number): void {
  if (!values.every(Number.isFinite)) {
    const problem = `the weight "${name}" has values that are not finite; exclude it, or repair the model`;
    throw fail('PASS_NOT_APPLICABLE', { pass: 'prune.magnitude', problem });
  }
  const stride = strideOf(dims, layout.input);
  const down = strideOf(dims, layout.output);
  const groups = pieces(dims[layout.input] ?? 0, layout.inputParts, m);
  const taken = new Uint8Array(m);
  for (const matrix of matrixOffsets(dims, layout)) {
    for (let row = 0; row < (dims[layout.output] ?? 0); row++) {
      for (const [start, end] of groups) {
        const first = matrix + row * down + start * stride;
        taken.fill(0);
        for (let left = end - start; left > n; left--) {
          let least = Infinity;
          let at = 0;
          for (let i = 0; i < end - start; i++) {
            const magnitude = Math.abs(values[first + i * stride] ?? 0);
            if (taken[i] === 1 || magnitude >= least) continue;
            least = magnitude;
            at = i;
          }
          taken[at] = 1;
          values[first + at * stride] = 0;
        }
      }
    }
  }
}
