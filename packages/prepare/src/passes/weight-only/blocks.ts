/// <reference lib="esnext.float16" />
/**
 * A matrix in few bits: each row is cut into blocks, and a block has a scale and a zero point of its own,
 *
 *     weight = scale · (code − zero point)
 *
 * A row is what one output is computed from (a column of the matrix that MatMul is given), or one entry of an embedding table,
 * so that blocks lie in memory as they are read. The last block of a row may be shorter.
 *
 * Codes are unsigned whatever the file calls them; without zero points the middle code, 2^(bits − 1), is zero. All arithmetic is
 * that of ONNX Runtime's quantizer (MLAS q4_dq.cpp): float32 throughout, rounding half away from zero, and a symmetric
 * scale that maps the larger side to the lowest code, so it may be negative. The codes of plain rounding are therefore the same bit
 * for bit, which a test with that tool as reference checks.
 */

export type Bits = 2 | 4 | 8;

export interface Grid {
  /** Outputs of a product, or entries of a table. */
  readonly rows: number;
  /** Weights per row. */
  readonly columns: number;
  readonly bits: Bits;
  readonly blockSize: number;
  /** No zero points. */
  readonly symmetric: boolean;
  /** Scales are stored as float16, so they are rounded to it before anything is divided by them. */
  readonly half: boolean;
}

export interface Blocks extends Grid {
  /** [rows, columns], one code per byte. */
  readonly codes: Uint8Array;
  /** [rows, blocks] */
  readonly scales: Float32Array;
  /** [rows, blocks]; fractional ones (hqq) are floats. */
  readonly zeroPoints: Uint8Array | Float32Array;
}

/** Below it a scale has lost its precision, and its reciprocal would be infinite. */
const SMALLEST_NORMAL = 2 ** -126;
const LARGEST_FLOAT32 = 3.4028234663852886e38;
const LARGEST_FLOAT16 = 65504;

export const blocksPerRow = ({ columns, blockSize }: Pick<Grid, 'columns' | 'blockSize'>): number =>
  Math.ceil(columns / blockSize);

export const highestCode = ({ bits }: Pick<Grid, 'bits'>): number => 2 ** bits - 1;

export const middleCode = ({ bits }: Pick<Grid, 'bits'>): number => 2 ** (bits - 1);

/** To be filled: codes 0, scales 0, zero points in the middle. */
export function emptyBlocks(grid: Grid, fractional = false): Blocks {
  const count = grid.rows * blocksPerRow(grid);
  return {
    ...grid,
    codes: new Uint8Array(grid.rows * grid.columns),
    scales: new Float32Array(count),
    zeroPoints: (fractional ? new Float32Array(count) : new Uint8Array(count)).fill(middleCode(grid)),
  };
}

/** The nearest number a scale can be in the file. */
export function storable(scale: number, { half }: Pick<Grid, 'half'>): number {
  if (half) return Math.max(-LARGEST_FLOAT16, Math.min(LARGEST_FLOAT16, Math.f16round(scale)));
  return Math.max(-LARGEST_FLOAT32, Math.min(LARGEST_FLOAT32, Math.fround(scale)));
}

/** What a scale is multiplied with to divide by it; a block without a usable scale is all zero. */
export const reciprocal = (scale: number): number => (Math.abs(scale) < SMALLEST_NORMAL ? 0 : Math.fround(1 / scale));

/**
 * Set scale and zero point of block `block` so that the smallest and largest of `values[from, to)` are representable.
 * Zero always is: the range is widened to it.
 */
export function fitRange(values: Float32Array, from: number, to: number, into: Blocks, block: number): void {
  let min = Infinity;
  let max = -Infinity;
  for (let i = from; i < to; i++) {
    const value = values[i] ?? 0;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (into.symmetric) {
    const extreme = Math.abs(max) > Math.abs(min) ? max : min;
    into.scales[block] = storable(Math.fround(-extreme / middleCode(into)), into);
    return;
  }
  min = Math.min(min, 0);
  max = Math.max(max, 0);
  const highest = highestCode(into);
  const range = Math.fround(max - min);
  // The difference of two finite numbers need not be one, and a zero point that was rounded must not lead beyond either.
  const exact = Number.isFinite(range) ? Math.fround(range / highest) : LARGEST_FLOAT32 / (middleCode(into) + 1);
  const scale = storable(exact, into);
  into.scales[block] = scale;
  const zero = exact === 0 ? 0 : Math.floor(Math.fround(-min / exact) + 0.5);
  into.zeroPoints[block] = Math.max(0, Math.min(highest, zero));
}

/** Round `values[from, to)` to codes with the scale and zero point that block `block` has. */
export function encode(values: Float32Array, from: number, to: number, into: Blocks, block: number): void {
  const { codes } = into;
  const factor = reciprocal(into.scales[block] ?? 0);
  const zero = into.zeroPoints[block] ?? 0;
  const highest = highestCode(into);
  for (let i = from; i < to; i++) {
    const code = Math.fround(Math.fround((values[i] ?? 0) * factor) + zero);
    // The comparison is false for NaN too, which only 0 · ∞ could give.
    codes[i] = code > 0 ? (code >= highest ? highest : Math.floor(code + 0.5)) : 0;
  }
}

/** `rtn`: every weight to its nearest code, with the range of its block. */
export function roundToNearest(values: Float32Array, grid: Grid): Blocks {
  const result = emptyBlocks(grid);
  forEachBlock(grid, (from, to, block) => {
    fitRange(values, from, to, result, block);
    encode(values, from, to, result, block);
  });
  return result;
}

/** The blocks of all rows in order: element range and index among scales. */
export function forEachBlock(grid: Grid, visit: (from: number, to: number, block: number) => void): void {
  const { rows, columns, blockSize } = grid;
  let block = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    for (let from = 0; from < columns; from += blockSize) {
      visit(start + from, start + Math.min(from + blockSize, columns), block++);
    }
  }
}

/** What the kernel computes with, [rows, columns]. */
export function dequantize(blocks: Blocks): Float32Array {
  const { codes, scales, zeroPoints } = blocks;
  const values = new Float32Array(codes.length);
  forEachBlock(blocks, (from, to, block) => {
    const scale = scales[block] ?? 0;
    const zero = zeroPoints[block] ?? 0;
    for (let i = from; i < to; i++) values[i] = ((codes[i] ?? 0) - zero) * scale;
  });
  return values;
}

/** ‖W − Ŵ‖ / ‖W‖; 0 for a matrix of zeros that came back as zeros. */
export function relativeError(values: Float32Array, blocks: Blocks): number {
  const { codes, scales, zeroPoints } = blocks;
  let error = 0;
  let energy = 0;
  // As `dequantize` has it, without a second matrix.
  forEachBlock(blocks, (from, to, block) => {
    const scale = scales[block] ?? 0;
    const zero = zeroPoints[block] ?? 0;
    for (let i = from; i < to; i++) {
      const value = values[i] ?? 0;
      const difference = value - Math.fround(((codes[i] ?? 0) - zero) * scale);
      error += difference * difference;
      energy += value * value;
    }
  });
  return error === 0 ? 0 : Math.sqrt(error / energy);
}
