/**
 * `gptq` (Frantar et al., 2023): weights are quantized one input after the other, and what rounding one of them did to the output
 * is made up for by those that come later. What matters is eᵀHe, e the error of one output's weights and H = XᵀX over the
 * calibration rows: the squared error of what the product computes.
 *
 * With H = L·D·Lᵀ that is Σ dₖ (eₖ + Σⱼ Lⱼₖ eⱼ)², j those quantized before k, so the best weight k can do is the code nearest
 * to wₖ − Σⱼ Lⱼₖ eⱼ. This form (LDLQ; Chee et al., 2023, show that it is the same as GPTQ) needs one factorization and no inverse.
 *
 * Rows of the grid are independent. The inputs with the largest activations go first by default, since most is left
 * to make up for them; blocks then keep the scales found on the unchanged weights, otherwise they are found when their turn comes. Scales
 * are those of k-quant with the diagonal of H as importance. A row for which plain rounding happens to be better keeps it.
 */
import { fail } from '@slipway/core';
import {
  type Blocks,
  blocksPerRow,
  dequantize,
  emptyBlocks,
  type Grid,
  highestCode,
  reciprocal,
  roundToNearest,
} from './blocks.ts';
import { addRows, type Factor, factorize } from './factor.ts';
import { diagonalOf } from './gram.ts';
import { blockSearch, type BlockSearch, kQuant } from './k-quant.ts';

export interface GptqOptions {
  /** Added to the diagonal of H, as a share of its mean. */
  readonly damping: number;
  readonly actOrder: boolean;
}

/** Inputs between two updates of all that come later: a multiple of the block sizes up to it, and of no use beyond. */
const PANEL = 64;

/** Outputs worked on together, so that a panel of L is read once for all of them. */
const OUTPUTS = 64;

/** H as a factor, its rows in reverse order of quantization: the last goes first. */
interface Ordered {
  readonly factor: Factor;
  /** Row of the factor → column of the weight. */
  readonly columns: Int32Array;
}

/** @param gram H, [columns, columns], symmetric */
export function gptq(values: Float32Array, grid: Grid, gram: Float64Array, options: GptqOptions): Blocks {
  const ordered = factorOf(gram, grid.columns, options);
  const importance = diagonalOf(gram, grid.columns);
  const plain = roundToNearest(values, grid);
  const plainValues = dequantize(plain);
  const result = options.actOrder ? kQuant(values, grid, importance) : emptyBlocks(grid);
  const search = options.actOrder ? null : blockSearch(grid, importance);
  for (let first = 0; first < grid.rows; first += OUTPUTS) {
    const count = Math.min(OUTPUTS, grid.rows - first);
    const losses = quantizeOutputs(values, first, count, result, ordered, search);
    const plainLosses = lossesOf(plainValues, values, first, count, ordered);
    for (let i = 0; i < count; i++) {
      if (!((losses[i] ?? 0) <= (plainLosses[i] ?? 0))) copyRow(plain, result, first + i);
    }
  }
  return result;
}

function factorOf(gram: Float64Array, size: number, { damping, actOrder }: GptqOptions): Ordered {
  const diagonal = diagonalOf(gram, size);
  const columns = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
  // Ascending, because the last goes first; the sort is stable, so equal ones stay in order.
  if (actOrder) columns.sort((a, b) => (diagonal[a] ?? 0) - (diagonal[b] ?? 0));
  const mean = diagonal.reduce((sum, value) => sum + value, 0) / size;
  // An input that is always zero has nothing but the damping; without any activation all are alike.
  for (let share = damping, attempt = 0; attempt < 6; share *= 10, attempt++) {
    const matrix = new Float64Array(size * size);
    for (let i = 0; i < size; i++) {
      const from = (columns[i] ?? 0) * size;
      for (let j = 0; j <= i; j++) matrix[i * size + j] = gram[from + (columns[j] ?? 0)] ?? 0;
      matrix[i * size + i] = (matrix[i * size + i] ?? 0) + (mean > 0 ? share * mean : 1);
    }
    const factor = factorize(matrix, size);
    if (factor !== null) return { factor, columns };
  }
  throw fail('INTERNAL', { problem: 'a matrix of activations is not positive, however much it is damped' });
}

/**
 * Set the codes of outputs [first, first + count).
 * @param search finds the scale of a block when its turn comes; null: they are set
 * @returns eᵀHe of each
 */
function quantizeOutputs(
  values: Float32Array,
  first: number,
  count: number,
  into: Blocks,
  { factor, columns: columnOf }: Ordered,
  search: BlockSearch | null,
): Float64Array {
  const { columns, blockSize, codes, scales, zeroPoints } = into;
  const { lower, diagonal } = factor;
  const perRow = blocksPerRow(into);
  const highest = highestCode(into);
  const losses = new Float64Array(count);
  const errors = new Float64Array(PANEL);
  // What each weight should be, given those before it; in the order of the factor.
  const targets = new Float64Array(count * columns);
  for (let row = 0; row < count; row++) {
    const from = (first + row) * columns;
    for (let i = 0; i < columns; i++) targets[row * columns + i] = values[from + (columnOf[i] ?? 0)] ?? 0;
  }
  const current = search === null ? null : values.slice();
  for (let high = columns; high > 0; high -= PANEL) {
    const low = Math.max(0, high - PANEL);
    for (let row = 0; row < count; row++) {
      const own = targets.subarray(row * columns, (row + 1) * columns);
      const start = (first + row) * columns;
      for (let i = high - 1; i >= low; i--) {
        const column = columnOf[i] ?? 0;
        const block = (first + row) * perRow + Math.floor(column / blockSize);
        if (current !== null && column % blockSize === 0) {
          // In this order column and factor run against each other: what follows is before.
          const width = Math.min(blockSize, columns - column);
          for (let k = 0; k < width; k++) current[start + column + k] = own[i - k] ?? 0;
          search?.(current, start + column, start + column + width, into, block);
        }
        const scale = scales[block] ?? 0;
        const zero = zeroPoints[block] ?? 0;
        const wanted = own[i] ?? 0;
        const code = Math.max(0, Math.min(highest, Math.floor(wanted * reciprocal(scale) + zero + 0.5)));
        const value = (code - zero) * scale;
        codes[start + column] = code;
        losses[row] = (losses[row] ?? 0) + (diagonal[i] ?? 0) * (value - wanted) ** 2;
        const error = (values[start + column] ?? 0) - value;
        errors[i - low] = error;
        for (let k = low; k < i; k++) own[k] = (own[k] ?? 0) + error * (lower[i * columns + k] ?? 0);
      }
      addRows(own, low, errors, high - low, factor, low);
    }
  }
  return losses;
}

/** eᵀHe of outputs that are quantized already. */
function lossesOf(
  quantized: Float32Array,
  values: Float32Array,
  first: number,
  count: number,
  { factor, columns: columnOf }: Ordered,
): Float64Array {
  const { size: columns, lower, diagonal } = factor;
  const losses = new Float64Array(count);
  const sums = new Float64Array(count * columns);
  const errors = new Float64Array(PANEL);
  for (let high = columns; high > 0; high -= PANEL) {
    const low = Math.max(0, high - PANEL);
    for (let row = 0; row < count; row++) {
      const own = sums.subarray(row * columns, (row + 1) * columns);
      const start = (first + row) * columns;
      for (let i = high - 1; i >= low; i--) {
        const at = start + (columnOf[i] ?? 0);
        const error = (quantized[at] ?? 0) - (values[at] ?? 0);
        errors[i - low] = error;
        losses[row] = (losses[row] ?? 0) + (diagonal[i] ?? 0) * ((own[i] ?? 0) + error) ** 2;
        for (let k = low; k < i; k++) own[k] = (own[k] ?? 0) + error * (lower[i * columns + k] ?? 0);
      }
      addRows(own, low, errors, high - low, factor, low);
    }
  }
  return losses;
}

function copyRow(from: Blocks, to: Blocks, row: number): void {
  const perRow = blocksPerRow(from);
  const { columns } = from;
  to.codes.set(from.codes.subarray(row * columns, (row + 1) * columns), row * columns);
  to.scales.set(from.scales.subarray(row * perRow, (row + 1) * perRow), row * perRow);
  to.zeroPoints.set(from.zeroPoints.subarray(row * perRow, (row + 1) * perRow), row * perRow);
}
