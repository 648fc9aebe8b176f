/**
 * Weights as matrices: which axis of an initializer runs over what the operator sums up (input) and which over its results
 * (output). The other axes (kernel positions, directions, batches) are independent matrices.
 */
import { getInt } from '@slipway/onnx';
import type { Weight, WeightUse } from './find.ts';

export interface Layout {
  readonly input: number;
  readonly output: number;
  /** Parts of equal length that an axis consists of, which nothing may straddle: groups of a convolution, gates. */
  readonly inputParts: number;
  readonly outputParts: number;
}

/** The layout that all uses of a weight agree on, or, to follow “left alone: ”, why there is none. */
export function layoutOf({ uses }: Weight): Layout | string {
  const layouts = uses.map(layoutOfUse);
  const [first] = layouts;
  if (first === undefined || layouts.includes(null)) return 'a Reshape is between the weight and its operator';
  const agree = layouts.every((layout) => JSON.stringify(layout) === JSON.stringify(first));
  return agree && first !== null ? first : 'its operators read it along different axes';
}

function layoutOfUse({ node, input, axes }: WeightUse): Layout | null {
  if (axes === null) return null;
  const rank = axes.length;
  const made = (inputAxis: number, outputAxis: number, inputParts = 1, outputParts = 1): Layout => ({
    input: axes[inputAxis] ?? 0,
    output: axes[outputAxis] ?? 0,
    inputParts,
    outputParts,
  });
  switch (node.op) {
    case 'Conv':
      return made(1, 0, 1, getInt(node, 'group', 1));
    case 'ConvTranspose':
      return made(0, 1, getInt(node, 'group', 1), 1);
    case 'Gemm':
      return (getInt(node, input === 1 ? 'transB' : 'transA', 0) !== 0) === (input === 1) ? made(1, 0) : made(0, 1);
    case 'MatMul':
      return input === 1 ? made(rank - 2, rank - 1) : made(rank - 1, rank - 2);
    case 'LSTM':
      return made(2, 1, 1, 4);
    case 'GRU':
      return made(2, 1, 1, 3);
    default:
      return made(2, 1);
  }
}

/** [start, end) of pieces of at most `size` along an axis of `length`, none of which straddles two parts. */
export function pieces(length: number, parts: number, size: number): readonly (readonly [number, number])[] {
  const part = length / parts;
  const found: [number, number][] = [];
  for (let start = 0; start < length; start += part) {
    for (let at = start; at < start + part; at += size) found.push([at, Math.min(at + size, start + part)]);
  }
  return found;
}

/** Offsets of the first element of every matrix of a tensor with these dims, in the order of the file. */
export function matrixOffsets(dims: readonly number[], { input, output }: Layout): number[] {
  let offsets = [0];
  for (const [axis, dim] of dims.entries()) {
    if (axis === input || axis === output) continue;
    const stride = strideOf(dims, axis);
    offsets = offsets.flatMap((offset) => Array.from({ length: dim }, (_, i) => offset + i * stride));
  }
  return offsets;
}

export function strideOf(dims: readonly number[], axis: number): number {
  return dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
}
