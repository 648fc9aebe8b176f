/** What few bits cost on a trained transformer: accuracy on the 872 development sentences of SST-2. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { rowsOf } from '@slipway/core';
import { byteLengthOf, encodeModel, type Model, readModelFile, writeModelFile } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { readSentences } from '../../testing/sst2.ts';
import { runningContext } from '../testing/context.ts';
import { datasetOf } from '../testing/run.ts';
import { weightsPass } from './pass.ts';
import type { WeightsSpec } from './settings.ts';

const data = path.resolve(import.meta.dirname, '../../../../../../shared/data');
const ROWS = 109;

describe.skipIf(!existsSync(data))('the sentiment transformer (needs ../shared/data)', () => {
  async function measure(options: Omit<WeightsSpec, 'pass'> | null): Promise<{ correct: number; model: Model }> {
    const source = await readModelFile(path.join(data, 'sentiment/sentiment.onnx'));
    const { inputs, labels } = readSentences(data, 'dev');
    using context = runningContext(datasetOf(source, readSentences(data, 'train', 0, 100).inputs));
    const spec: WeightsSpec = { pass: 'quantize.weights', ...options };
    const model = options === null ? source : (await weightsPass.apply(source, spec, context)).model;
    const file = path.join(context.workDirectory, 'measured.onnx');
    await writeModelFile(file, model);
    const sentences = datasetOf(source, inputs);
    const batches = Array.from({ length: labels.length / ROWS }, (_, i) => rowsOf(sentences, i * ROWS, (i + 1) * ROWS));
    let correct = 0;
    let row = 0;
    for await (const outputs of context.runModel(file, batches, { optimization: 'all' })) {
      const logits = outputs['logits']?.data as Float32Array;
      for (let i = 0; i < ROWS; i++, row++) {
        if (((logits[2 * i + 1] ?? NaN) > (logits[2 * i] ?? NaN) ? 1 : 0) === labels[row]) correct++;
      }
    }
    return { correct, model };
  }

  it('keeps its accuracy in 4 bits, a seventh of the size', async () => {
    const source = await measure(null);
    expect(source.correct).toBe(677);
    for (const options of [{ bits: 4 }, { bits: 4, algorithm: 'gptq' }] as const) {
      const { correct, model } = await measure(options);
      // Half a point is four sentences.
      expect(correct).toBeGreaterThanOrEqual(source.correct - 4);
      expect(encodeModel(source.model).length / encodeModel(model).length).toBeGreaterThan(6.7);
      const matrices = [...source.model.graph.initializers.values()].filter(
        ({ dims, dtype }) => dims.length === 2 && dtype === 'float32',
      );
      const kept = matrices.filter(({ name }) => model.graph.initializers.has(name));
      // What stays is the 2 × 128 table of segments and the head with 2 columns, at most.
      expect(kept.reduce((sum, each) => sum + byteLengthOf(each), 0)).toBeLessThan(5000);
      const bytes = (which: RegExp): number =>
        [...model.graph.initializers.values()]
          .filter(({ name }) => which.test(name))
          .reduce((sum, each) => sum + byteLengthOf(each), 0);
      const before = matrices.reduce((sum, each) => sum + byteLengthOf(each), 0);
      expect(before / bytes(/_(?:q4|scales|zero_points)$/)).toBeGreaterThan(7);
    }
  });
});
