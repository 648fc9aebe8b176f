/**
 * What the pass is for, on models as they are in the field: accuracy that stays, a quarter of the size, and integer kernels
 * everywhere a product was quantized, counted in the graph that ONNX Runtime really runs.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type PassSpec, rowsOf } from '@slipway/core';
import { encoderModel, type Model, readModelFile, writeModelFile } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import type { PassResult } from '../../pass.ts';
import { readSentences, type Sentences } from '../../testing/sst2.ts';
import { PASSES } from '../index.ts';
import { constantBytes } from '../prepared.ts';
import { runningContext } from '../testing/context.ts';
import { kernelsOf } from '../testing/kernels.ts';
import { datasetOf } from '../testing/run.ts';

const data = path.resolve(import.meta.dirname, '../../../../../../shared/data');

async function apply(model: Model, spec: PassSpec, rows: Parameters<typeof datasetOf>[1]): Promise<PassResult> {
  using context = runningContext(datasetOf(model, rows));
  return await PASSES[spec.pass].apply(model, spec as never, context);
}

async function kernels(model: Model): Promise<Readonly<Record<string, number>>> {
  using context = runningContext();
  return Object.fromEntries(await kernelsOf(model, context));
}

describe.skipIf(!existsSync(data))('sentiment transformer (needs ../shared/data)', () => {
  /** Of the 872 sentences of the development set, how many are classified correctly. */
  async function correct(model: Model, { inputs, labels }: Sentences): Promise<number> {
    using context = runningContext();
    const dataset = datasetOf(model, inputs);
    const calls = Array.from({ length: labels.length / 8 }, (_, call) => rowsOf(dataset, call * 8, call * 8 + 8));
    const file = path.join(context.workDirectory, 'model.onnx');
    await writeModelFile(file, model);
    let right = 0;
    let row = 0;
    for await (const { logits } of context.runModel(file, calls, { optimization: 'all' })) {
      const scores = logits?.data as Float32Array;
      for (let i = 0; i < 8; i++, row++) {
        if (((scores[2 * i + 1] ?? 0) > (scores[2 * i] ?? 0) ? 1 : 0) === labels[row]) right++;
      }
    }
    return right;
  }

  it('loses at most half a point of SST-2, and becomes 3.8 times smaller', async () => {
    const source = await readModelFile(path.join(data, 'sentiment/sentiment.onnx'));
    const development = readSentences(data, 'dev');
    const calibration = readSentences(data, 'train', 0, 200).inputs;
    expect(await correct(source, development)).toBe(677);
    const fixed = await apply(source, { pass: 'quantize.static' }, calibration);
    const dynamic = await apply(source, { pass: 'quantize.dynamic' }, calibration);
    for (const { model } of [fixed, dynamic]) {
      // Half a point of 872 sentences are 4.
      expect(await correct(model, development)).toBeGreaterThanOrEqual(677 - 4);
      expect(constantBytes(source) / constantBytes(model)).toBeGreaterThan(3.8);
    }
    const ran = await kernels(fixed.model);
    expect([ran['MatMul'], ran['Gemm'], ran['QGemm']]).toEqual([undefined, undefined, 1]);
    expect((ran['QLinearMatMul'] ?? 0) + (ran['MatMulIntegerToFloat'] ?? 0)).toBe(16);
  });
});

describe('BERT, as it is exported', () => {
  it('runs every product in integers', async () => {
    const model = encoderModel({ layers: 2, hidden: 32, heads: 4, vocabulary: 64, maxPositions: 32 });
    const ids = BigInt64Array.from({ length: 8 * 16 }, (_, i) => BigInt((i * 37) % 64));
    const tensor = (values: BigInt64Array) => ({ dtype: 'int64', shape: [8, 16], data: values }) as const;
    const rows = {
      input_ids: tensor(ids),
      attention_mask: tensor(ids.map(() => 1n)),
      token_type_ids: tensor(ids.map(() => 0n)),
    };
    const products = model.graph.nodes.filter(({ op }) => op === 'MatMul' || op === 'Gemm').length;
    const { model: quantized, notes } = await apply(model, { pass: 'quantize.static' }, rows);
    expect(notes[0]).toContain(`${products} convolutions and matrix products`);
    const ran = await kernels(quantized);
    expect([ran['MatMul'], ran['Gemm']]).toEqual([undefined, undefined]);
    expect((ran['QLinearMatMul'] ?? 0) + (ran['MatMulIntegerToFloat'] ?? 0) + (ran['QGemm'] ?? 0)).toBe(products);
  });
});
