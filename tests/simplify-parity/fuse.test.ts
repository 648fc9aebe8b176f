/** What ONNX Runtime computes before and after `fuse` is the same within rounding: masks, sizes and forms of all kinds. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensors } from '@slipway/core';
import {
  type Builder,
  buildModel,
  decoderModel,
  encoderModel,
  fuse,
  FUSION_TABLE,
  intAttribute,
  intsAttribute,
  type Model,
  readModelFile,
} from '@slipway/onnx';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench, expectSame } from './bench.ts';

const bench = new Bench();
afterAll(() => bench[Symbol.dispose]());

const waves = (shape: readonly number[], seed = 1): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, index) => Math.sin(index * 1.7 + seed));

/** @param counting tokens that count in each row */
function tokens(counting: readonly number[], sequence: number, maskName = 'attention_mask'): Tensors {
  const shape = [counting.length, sequence];
  const longs = (value: (row: number, column: number) => number) => ({
    dtype: 'int64' as const,
    shape,
    data: BigInt64Array.from({ length: counting.length * sequence }, (_, index) =>
      BigInt(value(Math.floor(index / sequence), index % sequence)),
    ),
  });
  return {
    input_ids: longs((row, column) => (row * 31 + column * 17) % 50),
    [maskName]: longs((row, column) => Number(column < (counting[row] ?? 0))),
  };
}

const withTypes = (inputs: Tensors, name: string): Tensors => {
  const { input_ids: ids } = inputs;
  return { ...inputs, [name]: { dtype: 'int64', shape: ids!.shape, data: new BigInt64Array(ids!.data.length) } };
};

describe('fuse', () => {
  const applied = new Set<string>();
  const check = async (model: Model, inputs: Tensors, relative = 1e-4): Promise<Model> => {
    const fused = fuse(model);
    expect(fused.settled).toBe(true);
    for (const name of fused.applied.keys()) applied.add(name);
    // What came out is a fixed point.
    expect([...fuse(fused.model).applied.keys()]).toEqual([]);
    expectSame(await bench.run(fused.model, inputs), await bench.run(model, inputs), relative);
    return fused.model;
  };

  it('keeps what encoders of all forms compute, also for rows without a token', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          heads: fc.constantFrom(1, 2, 4),
          width: fc.constantFrom(2, 8),
          layers: fc.constantFrom(1, 2),
          labels: fc.constantFrom(0, 3),
          opset: fc.constantFrom(12, 14, 17, 18, 20, 21),
          gelu: fc.constantFrom('erf' as const, 'tanh' as const),
          norm: fc.constantFrom('decomposed' as const, 'operator' as const),
          seed: fc.nat(1000),
          sequence: fc.integer({ min: 1, max: 9 }),
          counting: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }),
        }),
        async ({ heads, width, opset, norm, sequence, counting, ...rest }) => {
          const layerNorm = opset < 17 ? 'decomposed' : norm;
          const sizes = { hidden: heads * width, heads, vocabulary: 50, maxPositions: 9, opset, layerNorm };
          const model = encoderModel({ ...rest, ...sizes });
          const fused = await check(model, withTypes(tokens(counting, sequence), 'token_type_ids'));
          const ops = fused.graph.nodes.map(({ op }) => op);
          expect(ops.filter((op) => op === 'Attention')).toHaveLength(rest.layers);
          expect(ops).not.toContain('Softmax');
        },
      ),
      { numRuns: 40, seed: 11, endOnFailure: true },
    );
  });

  it('keeps attention between two values, with a bias of the scores, and values of another width', async () => {
    const model = buildModel((b) => {
      const q = b.input('q', 'float32', ['batch', 's', 6]);
      const k = b.input('k', 'float32', ['batch', 't', 6]);
      const v = b.input('v', 'float32', ['batch', 't', 4]);
      const bias = b.input('bias', 'float32', ['batch', 1, 's', 't']);
      b.output(attention(b, q, k, v, bias), 'float32', null);
    });
    const tensor = (...shape: number[]) => ({ dtype: 'float32' as const, shape, data: waves(shape, shape.length) });
    const inputs = { q: tensor(2, 3, 6), k: tensor(2, 5, 6), v: tensor(2, 5, 4), bias: tensor(2, 1, 3, 5) };
    const fused = await check(model, inputs);
    expect(fused.graph.nodes.map(({ op }) => op)).toEqual(['MultiHeadAttention']);
  });

  it('keeps sums that are read after they were normalized, and SiLU', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 's', 4]);
      const position = b.floats('p', [1, 3, 4], waves([1, 3, 4]));
      const sum = b.op('Add', [position, x]);
      const norm = b.op('LayerNormalization', [sum, b.floats('w', [4], waves([4])), b.floats('b', [4], waves([4], 2))]);
      const gate = b.op('Mul', [norm, b.op('Sigmoid', [norm])]);
      const again = b.op('Add', [sum, b.op('Add', [gate, b.floats('c', [4], waves([4], 3))])]);
      const last = b.op('LayerNormalization', [again, b.floats('u', [4], waves([4], 4))]);
      b.output(b.op('Add', [last, again]), 'float32', null);
    });
    await check(model, { x: { dtype: 'float32', shape: [2, 3, 4], data: waves([2, 3, 4]) } });
  });

  it('keeps a decoder', async () => {
    const sizes = { layers: 1, hidden: 32, heads: 4, groups: 2, intermediate: 48, vocabulary: 50 };
    const { input_ids: ids } = tokens([7, 3, 1], 7, 'attention_mask');
    const model = await check(decoderModel(sizes), ids === undefined ? {} : { input_ids: ids });
    expect(model.graph.nodes.map(({ op }) => op)).toContain('GroupQueryAttention');
  });

  it('was tried with every fusion', () => {
    expect([...FUSION_TABLE.map(({ name }) => name)].filter((name) => !applied.has(name))).toEqual([]);
  });

  const file = join(import.meta.dirname, '../../../shared/data/sentiment/sentiment.onnx');
  it.skipIf(!existsSync(file))('sentiment: 185 nodes → 31 (skipped where shared/data is absent)', async () => {
    const inputs = withTypes(tokens([7, 3, 1], 7, 'input_mask'), 'segment_ids');
    const model = await check(await readModelFile(file), inputs);
    expect(model.graph.nodes).toHaveLength(31);
  });
});

/** Two heads: q and k of width 3 each, v of width 2. */
function attention(b: Builder, q: string, k: string, v: string, bias: string): string {
  const split = (value: string, width: number, ...perm: readonly number[]): string => {
    const shaped = b.op('Reshape', [value, b.integers(`${value}_split`, [4], [0, -1, 2, width])]);
    return b.op('Transpose', [shaped], { attributes: [intsAttribute('perm', perm)] });
  };
  const scale = b.floats('scale', [], [0.7]);
  const scores = b.op('MatMul', [b.op('Mul', [split(q, 3, 0, 2, 1, 3), scale]), split(k, 3, 0, 2, 3, 1)]);
  const shares = b.op('Softmax', [b.op('Add', [bias, scores])], { attributes: [intAttribute('axis', -1)] });
  const context = b.op('MatMul', [shares, split(v, 2, 0, 2, 1, 3)]);
  const turned = b.op('Transpose', [context], { attributes: [intsAttribute('perm', [0, 2, 1, 3])] });
  return b.op('Reshape', [turned, b.integers('united', [3], [0, -1, 4])]);
}
