/** One weight at a time: read it, choose its codes, and say how far they are off. */
import type { PassName } from '@slipway/core';
import { readFinite } from '../weights.ts';
import { type Blocks, relativeError, roundToNearest } from './blocks.ts';
import { hqq } from './hqq.ts';
import { kQuant } from './k-quant.ts';
import { transposeInto } from './pack.ts';
import type { Target } from './judge.ts';
import type { Settings } from './settings.ts';

export interface Quantized {
  readonly blocks: Blocks;
  /** Relative; of the weights, or of what the product computes where that is known. */
  readonly error: number;
}

/**
 * The weight as the grid has it, [rows, columns].
 * @throws PASS_NOT_APPLICABLE when a value is not finite
 */
export function readGrid(pass: PassName, { weight, grid, transposed, factor }: Target): Float32Array {
  const stored = readFinite(pass, weight);
  const { rows, columns } = grid;
  const values = transposed ? transposeInto(stored, columns, rows, new Float32Array(stored.length)) : stored;
  return factor === 1 ? values : values.map((value) => value * factor);
}

/** Algorithms that look at nothing but the weight. */
export function quantizeBlind(target: Target, values: Float32Array, format: Settings['format']): Quantized {
  const { grid, kind, settings } = target;
  const blocks = chooseCodes();
  return { blocks, error: relativeError(values, blocks) };

  function chooseCodes(): Blocks {
    switch (settings.algorithm) {
      case 'rtn':
        return roundToNearest(values, grid);
      case 'k-quant':
      case 'gptq':
      case 'awq':
        // The last two only where activations say nothing of the weight alone: see splitByNeed.
        return kQuant(values, grid);
      case 'hqq':
        // The only operator that takes fractional zero points, and not with 8 bits.
        return hqq(values, grid, kind === 'product' && format === 'matmulnbits' && grid.bits < 8);
    }
  }
}
