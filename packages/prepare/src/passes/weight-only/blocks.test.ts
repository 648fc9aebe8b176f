import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referencePython, runPython } from '../../testing/reference-python.ts';
import { uniform } from '../testing/run.ts';
import { type Bits, dequantize, type Grid, highestCode, relativeError, roundToNearest, storable } from './blocks.ts';
import { packForMatMul, packRows, packZeroPoints, transposeInto } from './pack.ts';

const bits = fc.constantFrom<Bits>(2, 4, 8);

/** Rows × columns with any block size, also longer than a row. */
const grids: fc.Arbitrary<Grid> = fc.record({
  rows: fc.integer({ min: 1, max: 5 }),
  columns: fc.integer({ min: 1, max: 70 }),
  bits,
  blockSize: fc.constantFrom(16, 32, 64),
  symmetric: fc.boolean(),
  half: fc.boolean(),
});

function unpackRows(packed: Uint8Array, columns: number, width: Bits, rows: number): Uint8Array {
  const perByte = 8 / width;
  const stride = packed.length / rows;
  return Uint8Array.from({ length: rows * columns }, (_, i) => {
    const column = i % columns;
    const byte = packed[Math.floor(i / columns) * stride + Math.floor(column / perByte)] ?? 0;
    return (byte >> ((column % perByte) * width)) & (2 ** width - 1);
  });
}

describe('blocks', () => {
  it('bring every weight back within half a scale, and zero exactly', () => {
    fc.assert(
      fc.property(grids, fc.integer({ min: 1, max: 1000 }), fc.constantFrom(1e-3, 1, 1e4), (grid, seed, size) => {
        const values = uniform(grid.rows * grid.columns, seed).map((value) => value * size);
        values[0] = 0;
        const blocks = roundToNearest(values, grid);
        const back = dequantize(blocks);
        expect(Math.abs(back[0] ?? NaN)).toBe(0);
        const perRow = Math.ceil(grid.columns / grid.blockSize);
        values.forEach((value, i) => {
          const block = Math.floor(i / grid.columns) * perRow + Math.floor((i % grid.columns) / grid.blockSize);
          const scale = Math.abs(blocks.scales[block] ?? NaN);
          // The symmetric range ends one step short on one side; the zero point is rounded; a half scale is rounded itself.
          const bound = grid.symmetric ? 1 : 0.5;
          const rounding = grid.half ? highestCode(grid) * 2 ** -11 : 1e-3;
          // Small halves are denormal.
          const denormal = grid.half ? highestCode(grid) * 2 ** -25 : 0;
          expect(Math.abs(value - (back[i] ?? NaN))).toBeLessThanOrEqual(scale * (bound + rounding) + denormal);
        });
      }),
    );
  });

  it('have scales that the file can hold', () => {
    fc.assert(
      fc.property(grids, fc.integer(), (grid, seed) => {
        const { scales } = roundToNearest(uniform(grid.rows * grid.columns, seed), grid);
        for (const scale of scales) expect(storable(scale, grid)).toBe(scale);
      }),
    );
  });

  it('survive weights that are zero, denormal, or as large as there are', () => {
    const grid = { rows: 3, columns: 16, bits: 4, blockSize: 16, symmetric: false, half: false } as const;
    const values = new Float32Array(48);
    values.fill(1e-44, 16, 32);
    values[32] = 3.4e38;
    values[33] = -3.4e38;
    const blocks = roundToNearest(values, grid);
    expect(dequantize(blocks).every(Number.isFinite)).toBe(true);
    expect(relativeError(values, blocks)).toBeLessThan(0.3);
    expect(relativeError(new Float32Array(48), roundToNearest(new Float32Array(48), grid))).toBe(0);
  });
});

describe('packing', () => {
  it('keeps every code, in rows of whole bytes', () => {
    fc.assert(
      fc.property(
        bits,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 6 }),
        fc.infiniteStream(fc.nat(255)),
        (width, columns, rows, stream) => {
          const codes = Uint8Array.from([...stream.take(rows * columns)], (value) => value % 2 ** width);
          const packed = packRows(codes, columns, width);
          expect(packed.length).toBe(rows * Math.ceil((columns * width) / 8));
          expect(unpackRows(packed, columns, width, rows)).toEqual(codes);
        },
      ),
    );
  });

  it('pads the last block of a row with the code of zero', () => {
    const grid = { rows: 1, columns: 17, bits: 4, blockSize: 16, symmetric: false, half: false } as const;
    const blocks = roundToNearest(
      Float32Array.from({ length: 17 }, (_, i) => i - 4),
      grid,
    );
    const codes = unpackRows(packForMatMul(blocks), 32, 4, 1);
    expect([...codes.subarray(17)]).toEqual(new Array<number>(15).fill(blocks.zeroPoints[1] ?? NaN));
    expect([...packZeroPoints(blocks)]).toEqual([(blocks.zeroPoints[0] ?? 0) | ((blocks.zeroPoints[1] ?? 0) << 4)]);
  });

  it('transposes', () => {
    const values = uniform(70 * 130, 1);
    const there = transposeInto(values, 70, 130, new Float32Array(values.length));
    expect(there[129 * 70 + 3]).toBe(values[3 * 130 + 129]);
    expect(transposeInto(there, 130, 70, new Float32Array(values.length))).toEqual(values);
  });
});

const python = referencePython();

describe.skipIf(python === null)('the same bits as the quantizer of ONNX Runtime (needs a reference Python)', () => {
  it.each([2, 4, 8] as const)('%i bits', (width) => {
    const [columns, rows, blockSize] = [128, 12, 32];
    const values = uniform(columns * rows, 5).map((value, i) => value ** 3 + (i % rows === 0 ? 1 : 0));
    for (const symmetric of [false, true]) {
      const script = `
import sys, json, numpy as np
from onnxruntime.capi import _pybind_state as p
i = json.load(sys.stdin)
K, N, bs, bits = i['columns'], i['rows'], i['blockSize'], i['bits']
w = np.array(i['values'], np.float32).reshape(K, N)
kb, per = K // bs, 8 // bits
packed, s, z = np.zeros((N, kb, bs // per), np.uint8), np.zeros((N, kb), np.float32), np.zeros((N, -(-kb // per)), np.uint8)
getattr(p, f'quantize_matmul_{bits}bits')(packed, w, s, z, bs, N, K, i['symmetric'])
print(json.dumps(dict(codes=packed.ravel().tolist(), scales=s.ravel().tolist(), zeros=z.ravel().tolist())))`;
      const input = { columns, rows, blockSize, bits: width, symmetric, values: [...values] };
      const theirs = runPython(python ?? '', script, input) as { codes: number[]; scales: number[]; zeros: number[] };
      const grid = { rows, columns, bits: width, blockSize, symmetric, half: false };
      const ours = roundToNearest(transposeInto(values, columns, rows, new Float32Array(values.length)), grid);
      expect([...packForMatMul(ours)]).toEqual(theirs.codes);
      expect([...ours.scales]).toEqual(theirs.scales);
      if (!symmetric) expect([...packZeroPoints(ours)]).toEqual(theirs.zeros);
    }
  });
});
