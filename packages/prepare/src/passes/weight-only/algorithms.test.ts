/** What each algorithm that looks only at weights promises: by its own measure it is never worse than plain rounding. */
import { randomStream } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Bits,
  type Blocks,
  dequantize,
  forEachBlock,
  type Grid,
  reciprocal,
  relativeError,
  roundToNearest,
} from './blocks.ts';
import { blockError, hqq } from './hqq.ts';
import { kQuant } from './k-quant.ts';

/** Student's t with three degrees of freedom: most weights small, a few far out, as trained weights are. */
function heavyTailed(count: number, seed: number): Float32Array {
  const random = randomStream(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Float32Array.from({ length: count }, () => {
    const chi = normal() ** 2 + normal() ** 2 + normal() ** 2;
    return (0.05 * normal()) / Math.sqrt(chi / 3);
  });
}

const grids: fc.Arbitrary<Grid> = fc.record({
  rows: fc.integer({ min: 1, max: 4 }),
  columns: fc.integer({ min: 1, max: 100 }),
  bits: fc.constantFrom<Bits>(2, 4, 8),
  blockSize: fc.constantFrom(16, 64),
  symmetric: fc.boolean(),
  half: fc.boolean(),
});

const seeds = fc.integer({ min: 1, max: 1e6 });

function weighted(values: Float32Array, blocks: Blocks, importance: Float64Array | null): number[] {
  const back = dequantize(blocks);
  const errors: number[] = [];
  forEachBlock(blocks, (from, to) => {
    const own = values.subarray(from, to);
    const mean = Math.sqrt(own.reduce((sum, value) => sum + value * value, 0) / own.length);
    errors.push(
      own.reduce((sum, value, i) => {
        const weight = (mean + Math.abs(value)) * (importance?.[(from + i) % blocks.columns] ?? 1);
        return sum + weight * (value - (back[from + i] ?? NaN)) ** 2;
      }, 0),
    );
  });
  return errors;
}

describe('k-quant', () => {
  it('has no larger weighted squared error than rtn in any block, with and without importance', () => {
    fc.assert(
      fc.property(grids, seeds, fc.boolean(), (grid, seed, known) => {
        const values = heavyTailed(grid.rows * grid.columns, seed);
        const importance = known ? Float64Array.from({ length: grid.columns }, (_, i) => 1 + (i % 7) ** 2) : null;
        const ours = weighted(values, kQuant(values, grid, importance), importance);
        const plain = weighted(values, roundToNearest(values, grid), importance);
        ours.forEach((error, block) => expect(error).toBeLessThanOrEqual((plain[block] ?? NaN) * (1 + 1e-5)));
      }),
    );
  });

  it.each([
    [2, 0.9],
    [4, 0.98],
  ] as const)('is clearly better at %i bits on heavy-tailed weights', (bits, share) => {
    const grid = { rows: 32, columns: 256, bits, blockSize: 64, symmetric: false, half: false };
    const values = heavyTailed(32 * 256, 3);
    const total = (blocks: Blocks): number => weighted(values, blocks, null).reduce((sum, error) => sum + error, 0);
    expect(total(kQuant(values, grid))).toBeLessThan(share * total(roundToNearest(values, grid)));
    expect(relativeError(values, kQuant(values, grid))).toBeLessThan(
      relativeError(values, roundToNearest(values, grid)),
    );
  });
});

describe('hqq', () => {
  it('has no larger error in its norm than rtn in any block, with fractional zero points and without', () => {
    fc.assert(
      fc.property(grids, seeds, fc.boolean(), (grid, seed, fractional) => {
        const values = heavyTailed(grid.rows * grid.columns, seed);
        const asymmetric = { ...grid, symmetric: false };
        const ours = hqq(values, asymmetric, fractional);
        const plain = roundToNearest(values, asymmetric);
        forEachBlock(grid, (from, to, block) => {
          const factor = reciprocal(plain.scales[block] ?? 0);
          const error = (blocks: Blocks): number =>
            blockError(values, from, to, factor, blocks.zeroPoints[block] ?? NaN, grid);
          expect(ours.scales[block]).toBe(plain.scales[block]);
          expect(error(ours)).toBeLessThanOrEqual(error(plain));
        });
        expect(ours.zeroPoints instanceof Float32Array).toBe(fractional);
      }),
    );
  });

  it('finds better zero points for most blocks at 2 bits', () => {
    const grid = { rows: 64, columns: 64, bits: 2, blockSize: 64, symmetric: false, half: false } as const;
    const values = heavyTailed(64 * 64, 9);
    const [ours, plain] = [hqq(values, grid, true), roundToNearest(values, grid)];
    const moved = ours.zeroPoints.filter((zero, i) => zero !== plain.zeroPoints[i]).length;
    expect(moved).toBeGreaterThan(32);
    expect(dequantize(ours).every(Number.isFinite)).toBe(true);
  });
});
