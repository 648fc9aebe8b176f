/**
 * `awq`, activation-aware quantization (Lin et al., 2023): inputs with large activations matter more, so their weights are
 * multiplied by s > 1 before rounding and the activations divided by s, which leaves the product as it is and makes
 * their rounding errors smaller.
 *
 * s = (root mean square of the input)^α, scaled to geometric middle 1. α is searched from 0 to 1 for all products that read the
 * same tensor together, since they share s; what decides is the squared error of what they compute, eᵀHe with H = XᵀX, on a
 * sample of outputs. Then the range of each block is searched as in k-quant with the activations as importance, which is the
 * clipping of the published method. In the end plain rounding, scaling and scaling with clipping are compared on all outputs,
 * so the result is never worse than `rtn` for what the products compute.
 */
import { type Blocks, dequantize, type Grid, roundToNearest } from './blocks.ts';
import { diagonalOf, quadraticForms } from './gram.ts';
import { kQuant } from './k-quant.ts';

/** Steps of α. */
const STEPS = 10;
/** Outputs that decide about α. */
const SAMPLE = 48;
/** No input is scaled by more, or less than its inverse. */
const LARGEST = 1e4;

export interface Member {
  readonly values: Float32Array;
  readonly grid: Grid;
}

export interface Scaled {
  /** What activations are divided by, one per column; null: nothing. */
  readonly scales: Float32Array | null;
  readonly alpha: number;
  /** Of the scaled weights, one per member. */
  readonly blocks: readonly Blocks[];
}

/** @param gram XᵀX of the tensor that all members read */
export function awq(members: readonly Member[], gram: Float64Array): Scaled {
  const columns = members[0]?.grid.columns ?? 0;
  const energy = diagonalOf(gram, columns);
  const samples = members.map(sampleOf);
  let best = { alpha: 0, error: Infinity };
  for (let step = 0; step <= STEPS; step++) {
    const alpha = step / STEPS;
    const scales = scalesOf(energy, alpha);
    const error = sum(
      samples.map((member) => errorOf(member, scales, roundToNearest(scaled(member, scales), member.grid), gram)),
    );
    if (error < best.error) best = { alpha, error };
  }
  const scales = scalesOf(energy, best.alpha);
  const importance = energy.map((value, i) => value / (scales[i] ?? 1) ** 2);
  const ones = scalesOf(energy, 0);
  const candidates: Scaled[] = [
    { scales: null, alpha: 0, blocks: members.map(({ values, grid }) => roundToNearest(values, grid)) },
    {
      scales,
      alpha: best.alpha,
      blocks: members.map((member) => kQuant(scaled(member, scales), member.grid, importance)),
    },
    ...(best.alpha === 0
      ? []
      : [
          {
            scales,
            alpha: best.alpha,
            blocks: members.map((member) => roundToNearest(scaled(member, scales), member.grid)),
          },
        ]),
  ];
  const errors = candidates.map((candidate) =>
    sum(members.map((member, i) => errorOf(member, candidate.scales ?? ones, candidate.blocks[i], gram))),
  );
  const winner = candidates[errors.indexOf(Math.min(...errors))] ?? candidates[0];
  if (winner === undefined) return { scales: null, alpha: 0, blocks: [] };
  return winner.alpha === 0 ? { ...winner, scales: null } : winner;
}

function scalesOf(energy: Float64Array, alpha: number): Float32Array {
  const scales = Float64Array.from(energy, (value) => Math.sqrt(value) ** alpha);
  let low = Infinity;
  let high = 0;
  for (const scale of scales) {
    if (scale > 0) low = Math.min(low, scale);
    high = Math.max(high, scale);
  }
  const middle = high > 0 ? Math.sqrt(low) * Math.sqrt(high) : 1;
  // An input that is always zero needs no scale.
  return Float32Array.from(scales, (scale) =>
    scale > 0 ? Math.max(1 / LARGEST, Math.min(LARGEST, scale / middle)) : 1,
  );
}

function scaled({ values, grid }: Member, scales: Float32Array): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0, column = 0; i < values.length; i++) {
    result[i] = (values[i] ?? 0) * (scales[column] ?? 1);
    if (++column === grid.columns) column = 0;
  }
  return result;
}

/** Σ eᵀHe over the outputs, e the error in the unscaled weights. */
function errorOf(
  { values, grid }: Member,
  scales: Float32Array,
  blocks: Blocks | undefined,
  gram: Float64Array,
): number {
  if (blocks === undefined) return Infinity;
  const errors = dequantize(blocks);
  for (let i = 0, column = 0; i < errors.length; i++) {
    errors[i] = (errors[i] ?? 0) / (scales[column] ?? 1) - (values[i] ?? 0);
    if (++column === grid.columns) column = 0;
  }
  return sum(quadraticForms(errors, grid.rows, gram, grid.columns));
}

/** Evenly spread outputs. */
function sampleOf({ values, grid }: Member): Member {
  const rows = Math.min(SAMPLE, grid.rows);
  const sample = new Float32Array(rows * grid.columns);
  for (let i = 0; i < rows; i++) {
    const from = Math.floor((i * grid.rows) / rows) * grid.columns;
    sample.set(values.subarray(from, from + grid.columns), i * grid.columns);
  }
  return { values: sample, grid: { ...grid, rows } };
}

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value) => total + value, 0);
