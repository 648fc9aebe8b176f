/**
 * `k-quant`: scale and zero point of a block by weighted least squares, as ggml does for its K-quants (make_qkx2_quants).
 *
 * Twenty ranges around the plain one are tried; for each the codes are found, then the scale and offset that fit those
 * codes best, the offset is rounded to a zero point, and the scale fitted once more. What counts is the weighted squared
 * error with weights √mean(x²) + |x|: large weights matter more, times the importance of the input where it is known
 * (llama.cpp's importance matrix; here the diagonal of XᵀX). A block keeps plain rounding when nothing beat it, so the objective
 * is never worse than that of `rtn`.
 */
import {
  type Blocks,
  emptyBlocks,
  encode,
  fitRange,
  forEachBlock,
  type Grid,
  highestCode,
  middleCode,
  storable,
} from './blocks.ts';

const STEPS = 20;

/** The share of the plain range that candidate `step` spans: as many steps of it as codes, less 1 to plus 0.9. */
const share = (step: number, grid: Grid): number => highestCode(grid) / (highestCode(grid) - 1 + 0.1 * step);

/** @param importance one weight per column, from activations; null: all the same */
export function kQuant(values: Float32Array, grid: Grid, importance: Float64Array | null = null): Blocks {
  const result = emptyBlocks(grid);
  const search = blockSearch(grid, importance);
  forEachBlock(grid, (from, to, block) => search(values, from, to, result, block));
  return result;
}

export type BlockSearch = (values: Float32Array, from: number, to: number, into: Blocks, block: number) => void;

/** A function that sets scale, zero point and codes of one block; it owns the memory it works in. */
export function blockSearch(grid: Grid, importance: Float64Array | null): BlockSearch {
  const weights = new Float64Array(grid.blockSize);
  const levels = new Float64Array(grid.blockSize);
  const findScale = grid.symmetric ? symmetricScale : affineScale;
  return (values, from, to, into, block) => {
    weigh(values, from, to, from % grid.columns, importance, weights);
    fitRange(values, from, to, into, block);
    encode(values, from, to, into, block);
    const plain = { scale: into.scales[block] ?? 0, zero: into.zeroPoints[block] ?? 0 };
    if (plain.scale === 0) return;
    const plainError = weightedError(values, from, to, into, block, weights);
    const found = findScale(values, from, to, grid, plain.scale, weights, levels);
    if (found === null) return;
    into.scales[block] = storable(found.scale, grid);
    into.zeroPoints[block] = found.zero;
    encode(values, from, to, into, block);
    if (weightedError(values, from, to, into, block, weights) < plainError) return;
    into.scales[block] = plain.scale;
    into.zeroPoints[block] = plain.zero;
    encode(values, from, to, into, block);
  };
}

function weigh(
  values: Float32Array,
  from: number,
  to: number,
  column: number,
  importance: Float64Array | null,
  weights: Float64Array,
): void {
  let squares = 0;
  for (let i = from; i < to; i++) squares += (values[i] ?? 0) ** 2;
  const mean = Math.sqrt(squares / (to - from));
  for (let i = from; i < to; i++) {
    const own = importance === null ? 1 : (importance[column + i - from] ?? 0);
    weights[i - from] = (mean + Math.abs(values[i] ?? 0)) * own;
  }
}

interface Found {
  readonly scale: number;
  readonly zero: number;
}

/** Null when no candidate has a usable scale. */
function affineScale(
  values: Float32Array,
  from: number,
  to: number,
  grid: Grid,
  _plain: number,
  weights: Float64Array,
  levels: Float64Array,
): Found | null {
  const highest = highestCode(grid);
  let min = 0;
  let max = 0;
  let sumW = 0;
  let sumX = 0;
  let sumXX = 0;
  for (let i = from; i < to; i++) {
    const value = values[i] ?? 0;
    const weight = weights[i - from] ?? 0;
    if (value < min) min = value;
    if (value > max) max = value;
    sumW += weight;
    sumX += weight * value;
    sumXX += weight * value * value;
  }
  let best: Found | null = null;
  let bestError = Infinity;
  for (let step = 0; step < STEPS; step++) {
    const low = share(step, grid) * min;
    const factor = highest / (share(step, grid) * (max - min));
    let sumL = 0;
    let sumLL = 0;
    let sumXL = 0;
    for (let i = from; i < to; i++) {
      const value = values[i] ?? 0;
      const weight = weights[i - from] ?? 0;
      const level = Math.max(0, Math.min(highest, Math.floor(factor * (value - low) + 0.5)));
      sumL += weight * level;
      sumLL += weight * level * level;
      sumXL += weight * level * value;
    }
    const determinant = sumW * sumLL - sumL * sumL;
    if (!(determinant > 0)) continue;
    const scale = (sumW * sumXL - sumX * sumL) / determinant;
    const offset = Math.min(0, (sumLL * sumX - sumL * sumXL) / determinant);
    if (!(scale > 0)) continue;
    const zero = Math.max(0, Math.min(highest, Math.floor(-offset / scale + 0.5)));
    const refit = fitScale(values, from, to, 1 / scale, -zero, highest - zero, weights, levels);
    const error = sumXX - refit.gain;
    if (refit.scale > 0 && error < bestError) {
      bestError = error;
      best = { scale: refit.scale, zero };
    }
  }
  return best;
}

function symmetricScale(
  values: Float32Array,
  from: number,
  to: number,
  grid: Grid,
  plain: number,
  weights: Float64Array,
  levels: Float64Array,
): Found | null {
  const middle = middleCode(grid);
  let best: Found | null = null;
  let bestGain = 0;
  for (let step = 0; step < STEPS; step++) {
    const refit = fitScale(values, from, to, 1 / (share(step, grid) * plain), -middle, middle - 1, weights, levels);
    if (refit.gain > bestGain) {
      bestGain = refit.gain;
      best = { scale: refit.scale, zero: middle };
    }
  }
  return best;
}

/**
 * Codes (relative to zero) with `factor`, then the scale that fits them best.
 * `gain` is what that scale takes off the weighted error, (Σwxd)² / Σwd².
 */
function fitScale(
  values: Float32Array,
  from: number,
  to: number,
  factor: number,
  lowest: number,
  highest: number,
  weights: Float64Array,
  levels: Float64Array,
): { readonly scale: number; readonly gain: number } {
  let sumXD = 0;
  let sumDD = 0;
  for (let i = from; i < to; i++) {
    const value = values[i] ?? 0;
    const level = Math.max(lowest, Math.min(highest, Math.floor(factor * value + 0.5)));
    levels[i - from] = level;
    const weighted = (weights[i - from] ?? 0) * level;
    sumXD += weighted * value;
    sumDD += weighted * level;
  }
  return sumDD > 0 ? { scale: sumXD / sumDD, gain: (sumXD * sumXD) / sumDD } : { scale: 0, gain: 0 };
}

function weightedError(
  values: Float32Array,
  from: number,
  to: number,
  { codes, scales, zeroPoints }: Blocks,
  block: number,
  weights: Float64Array,
): number {
  const scale = scales[block] ?? 0;
  const zero = zeroPoints[block] ?? 0;
  let error = 0;
  for (let i = from; i < to; i++) {
    const difference = (values[i] ?? 0) - ((codes[i] ?? 0) - zero) * scale;
    error += (weights[i - from] ?? 0) * difference * difference;
  }
  return error;
}
