/**
 * `hqq`, half-quadratic quantization (Badri and Shaji, 2023): the zero point of a block that makes Σ|w − ŵ|^0.7 small, which
 * forgives the few weights that are far off and serves the many. No data needed.
 *
 * Alternate: codes for the zero point; the part of the error that is outliers, by the shrinkage operator of the 0.7-norm;
 * the zero point that fits the rest. Everything is in units of the scale, unlike in the published code, whose β = 10
 * is tuned to weights near 1 and shrinks everything away for weights near 0.01.
 *
 * Zero points come out as fractions. `MatMulNBits` takes them as floats at 2 and 4 bits; elsewhere the nearest integers
 * are tried. The best of all iterations and of plain rounding is kept.
 */
import {
  type Blocks,
  emptyBlocks,
  encode,
  fitRange,
  forEachBlock,
  type Grid,
  highestCode,
  reciprocal,
} from './blocks.ts';

const NORM = 0.7;
const BETA = 10;
const KAPPA = 1.01;
const ITERATIONS = 20;

/** @param fractional whether the zero points may be */
export function hqq(values: Float32Array, grid: Grid, fractional: boolean): Blocks {
  const result = emptyBlocks(grid, fractional);
  forEachBlock(grid, (from, to, block) => optimizeBlock(values, from, to, result, block, fractional));
  return result;
}

function optimizeBlock(
  values: Float32Array,
  from: number,
  to: number,
  into: Blocks,
  block: number,
  fractional: boolean,
): void {
  fitRange(values, from, to, into, block);
  const { zeroPoints } = into;
  const factor = reciprocal(into.scales[block] ?? 0);
  let best = zeroPoints[block] ?? 0;
  if (factor !== 0 && !into.symmetric) {
    let bestError = blockError(values, from, to, factor, best, into);
    const attempt = (zero: number): boolean => {
      const error = blockError(values, from, to, factor, zero, into);
      if (!(error < bestError)) return false;
      bestError = error;
      best = zero;
      return true;
    };
    let zero = best;
    let beta = BETA;
    for (let iteration = 0; iteration < ITERATIONS; iteration++) {
      zero = nextZero(values, from, to, factor, zero, beta, into);
      beta *= KAPPA;
      const improved = fractional
        ? attempt(storedZero(zero, into))
        : [Math.floor(zero), Math.ceil(zero)].filter((each) => each >= 0 && each <= highestCode(into)).some(attempt);
      if (!improved) break;
    }
  }
  zeroPoints[block] = best;
  encode(values, from, to, into, block);
}

const storedZero = (zero: number, { half }: Grid): number => (half ? Math.f16round(zero) : Math.fround(zero));

/** mean(q − (w / s − e)) with e the shrunken error: what the zero point would be without the outliers. */
function nextZero(
  values: Float32Array,
  from: number,
  to: number,
  factor: number,
  zero: number,
  beta: number,
  grid: Grid,
): number {
  const highest = highestCode(grid);
  let sum = 0;
  for (let i = from; i < to; i++) {
    const scaled = (values[i] ?? 0) * factor;
    const code = Math.max(0, Math.min(highest, Math.floor(scaled + zero + 0.5)));
    const error = scaled - (code - zero);
    const size = Math.abs(error);
    const kept = size === 0 ? 0 : Math.max(0, size - size ** (NORM - 1) / beta);
    sum += code - (scaled - (error < 0 ? -kept : kept));
  }
  return sum / (to - from);
}

/** Σ|w − ŵ|^0.7 in units of the scale. */
export function blockError(
  values: Float32Array,
  from: number,
  to: number,
  factor: number,
  zero: number,
  grid: Pick<Grid, 'bits'>,
): number {
  const highest = highestCode(grid);
  let sum = 0;
  for (let i = from; i < to; i++) {
    const scaled = (values[i] ?? 0) * factor;
    const code = Math.max(0, Math.min(highest, Math.floor(scaled + zero + 0.5)));
    sum += Math.abs(scaled - (code - zero)) ** NORM;
  }
  return sum;
}
