/** GPTQ and AWQ: the algebra they rest on, and that what they promise holds. */
import { randomStream } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referencePython, runPython } from '../../testing/reference-python.ts';
import { uniform } from '../testing/run.ts';
import { awq, type Member } from './awq.ts';
import { type Bits, type Blocks, dequantize, type Grid, roundToNearest } from './blocks.ts';
import { factorize } from './factor.ts';
import { gptq } from './gptq.ts';
import { outputError, quadraticForms } from './gram.ts';

/** XᵀX of `rows` tokens whose neighbouring inputs are correlated, and of which a few are large, as in transformers. */
function gramOf(columns: number, rows: number, seed: number): Float64Array {
  const random = randomStream(seed);
  const sizes = Float64Array.from({ length: columns }, (_, i) => (i % 11 === 3 ? 20 : 0.5 + random()));
  const gram = new Float64Array(columns * columns);
  for (let row = 0; row < rows; row++) {
    let last = 0;
    const x = sizes.map((size) => (last = 0.8 * last + random() - 0.5) * size);
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) {
        gram[i * columns + j] = (gram[i * columns + j] ?? 0) + (x[i] ?? 0) * (x[j] ?? 0);
      }
    }
  }
  return gram;
}

/** Σ eᵀHe, computed as it is written. */
function squaredError(
  values: Float32Array,
  approximation: Float32Array,
  gram: Float64Array,
  columns: number,
): number[] {
  const errors: number[] = [];
  for (let from = 0; from < values.length; from += columns) {
    let sum = 0;
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < columns; j++) {
        const e = (k: number): number => (values[from + k] ?? 0) - (approximation[from + k] ?? 0);
        sum += e(i) * (gram[i * columns + j] ?? 0) * e(j);
      }
    }
    errors.push(sum);
  }
  return errors;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

describe('factor', () => {
  it('gives back the matrix as L · D · Lᵀ, whatever its size is to the blocks', () => {
    for (const size of [1, 2, 7, 64, 65, 130]) {
      const gram = gramOf(size, 2 * size + 5, size);
      const factor = factorize(gram.slice(), size);
      const at = (i: number, k: number): number => (i === k ? 1 : k < i ? (factor?.lower[i * size + k] ?? NaN) : 0);
      let largest = 0;
      for (let i = 0; i < size; i++) {
        for (let j = 0; j <= i; j++) {
          let sum = 0;
          for (let k = 0; k <= j; k++) sum += at(i, k) * (factor?.diagonal[k] ?? NaN) * at(j, k);
          largest = Math.max(largest, Math.abs(sum - (gram[i * size + j] ?? NaN)));
        }
      }
      expect(largest).toBeLessThan(1e-8 * Math.max(...gram));
    }
  });

  it('says when a matrix is not positive definite', () => {
    expect(factorize(Float64Array.of(1, 2, 2, 1), 2)).toBeNull();
    expect(factorize(Float64Array.of(NaN), 1)).toBeNull();
  });
});

describe('quadratic forms', () => {
  it('are eᵀHe', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer(),
        (count, size, seed) => {
          const gram = gramOf(size, 20, seed);
          const vectors = uniform(count * size, seed);
          const want = squaredError(vectors, new Float32Array(vectors.length), gram, size);
          [...quadraticForms(vectors, count, gram, size)].forEach((form, i) =>
            expect(Math.abs(form - (want[i] ?? NaN))).toBeLessThanOrEqual(1e-9 * (1 + (want[i] ?? NaN))),
          );
        },
      ),
    );
  });
});

const cases = fc.record({
  rows: fc.integer({ min: 1, max: 6 }),
  columns: fc.integer({ min: 1, max: 100 }),
  bits: fc.constantFrom<Bits>(2, 4, 8),
  blockSize: fc.constantFrom(16, 32),
  symmetric: fc.boolean(),
  half: fc.constant(false),
});

/** As gptq adds it, so that both are judged by the same measure. */
function damped(gram: Float64Array, columns: number, damping: number): Float64Array {
  const mean = total(Array.from({ length: columns }, (_, i) => gram[i * columns + i] ?? 0)) / columns;
  return gram.map((value, i) => (i % (columns + 1) === 0 ? value + damping * mean : value));
}

describe('gptq', () => {
  it('is not worse than rtn for what any output computes', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 1e6 }), fc.boolean(), (grid: Grid, seed, actOrder) => {
        const gram = gramOf(grid.columns, 40, seed);
        const values = uniform(grid.rows * grid.columns, seed);
        const measure = damped(gram, grid.columns, 0.01);
        const error = (blocks: Blocks): number[] => squaredError(values, dequantize(blocks), measure, grid.columns);
        const plain = error(roundToNearest(values, grid));
        error(gptq(values, grid, gram, { damping: 0.01, actOrder })).forEach((own, row) =>
          expect(own).toBeLessThanOrEqual((plain[row] ?? NaN) * (1 + 1e-6) + 1e-12),
        );
      }),
      { numRuns: 60 },
    );
  });

  it.each([true, false])('halves the error at 4 bits where inputs are correlated (actOrder %s)', (actOrder) => {
    const grid = { rows: 16, columns: 192, bits: 4, blockSize: 32, symmetric: false, half: false } as const;
    const gram = gramOf(192, 400, 1);
    const values = uniform(16 * 192, 2);
    const error = (blocks: Blocks): number => outputError(values, dequantize(blocks), 16, 192, gram);
    expect(error(gptq(values, grid, gram, { damping: 0.01, actOrder }))).toBeLessThan(
      0.5 * error(roundToNearest(values, grid)),
    );
  });

  it('rounds as well as it can where nothing is known of the inputs', () => {
    const grid = { rows: 2, columns: 40, bits: 4, blockSize: 16, symmetric: false, half: false } as const;
    const values = uniform(80, 1);
    const blocks = gptq(values, grid, new Float64Array(1600), { damping: 0.01, actOrder: true });
    expect(outputError(values, dequantize(blocks), 2, 40, gramOf(40, 10, 1))).toBeLessThan(0.2);
  });
});

describe('awq', () => {
  const error = (
    { values, grid }: Member,
    blocks: Blocks | undefined,
    scales: Float32Array | null,
    gram: Float64Array,
  ) => {
    const back = blocks === undefined ? new Float32Array() : dequantize(blocks);
    const unscaled = back.map((value, i) => value / (scales?.[i % grid.columns] ?? 1));
    return total(squaredError(values, unscaled, gram, grid.columns));
  };

  it('is not worse than rtn for what the products compute together', () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 1e6 }), (grid: Grid, seed) => {
        const gram = gramOf(grid.columns, 40, seed);
        const members = [1, 2].map((i) => ({ values: uniform(grid.rows * grid.columns, seed + i), grid }));
        const { blocks, scales } = awq(members, gram);
        const own = total(members.map((member, i) => error(member, blocks[i], scales, gram)));
        const plain = total(members.map((member) => error(member, roundToNearest(member.values, grid), null, gram)));
        expect(own).toBeLessThanOrEqual(plain * (1 + 1e-6) + 1e-12);
      }),
      { numRuns: 60 },
    );
  });

  it('finds scales where a few inputs are large', () => {
    const grid = { rows: 32, columns: 128, bits: 4, blockSize: 32, symmetric: false, half: false } as const;
    const member = { values: uniform(32 * 128, 3), grid };
    const gram = gramOf(128, 300, 4);
    const { alpha, scales, blocks } = awq([member], gram);
    expect(alpha).toBeGreaterThan(0);
    expect((scales?.[3] ?? 0) / (scales?.[4] ?? 1)).toBeGreaterThan(1.5);
    expect(error(member, blocks[0], scales, gram)).toBeLessThan(
      0.6 * error(member, roundToNearest(member.values, grid), null, gram),
    );
  });
});

/** The function itself, because its module imports packages that a quantizer does not need. */
const THEIR_GPTQ = `
import sys, json, copy, importlib.util, os, numpy as np
folder = os.path.dirname(importlib.util.find_spec('onnxruntime').origin)
source = open(os.path.join(folder, 'quantization', 'neural_compressor', 'weight_only.py')).read()
exec(source[source.index('def gptq('):source.index('def gptq_quantize(')])
i = json.load(sys.stdin)
W = np.array(i['values']).reshape(i['rows'], i['columns']).T
H = np.array(i['gram']).reshape(i['columns'], i['columns'])
Q = gptq(W.copy(), H.copy(), num_bits=i['bits'], group_size=i['blockSize'], scheme='asym')
print(json.dumps(Q.T.ravel().tolist()))`;

const python = referencePython();

describe.skipIf(python === null)('gptq of ONNX Runtime (needs a reference Python)', () => {
  it('passes no error on, because it reads a triangular matrix on the side that is zero: it is plain rounding', () => {
    const grid = { rows: 16, columns: 128, bits: 4, blockSize: 32, symmetric: false, half: false } as const;
    const gram = gramOf(128, 400, 1);
    const values = uniform(16 * 128, 2);
    const error = (back: Float32Array): number => outputError(values, back, 16, 128, gram);
    const theirs = runPython(python ?? '', THEIR_GPTQ, { ...grid, values: [...values], gram: [...gram] }) as number[];
    const rounded = error(dequantize(roundToNearest(values, grid)));
    expect(Math.abs(error(Float32Array.from(theirs)) / rounded - 1)).toBeLessThan(0.01);
    expect(error(dequantize(gptq(values, grid, gram, { damping: 0.01, actOrder: false })))).toBeLessThan(0.5 * rounded);
  });
});
