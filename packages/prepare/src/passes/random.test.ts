/** Every pass on random CNNs: whatever the graph, the result loads and computes nearly what the source computes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Dataset, hasCode, type PassSpec, type Tensors } from '@slipway/core';
import { type Model, writeModelFile } from '@slipway/onnx';
import { type Engine, openOnnxruntime } from '@slipway/runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PassContext } from '../pass.ts';
import { PASSES } from './index.ts';
import { offlineContext } from './testing/context.ts';
import { datasetOf, floats, relativeError } from './testing/run.ts';
import { randomCnn } from './testing/random-cnn.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'slipway-random-'));
let engine: Engine;
beforeAll(async () => {
  engine = await openOnnxruntime();
});
afterAll(() => rmSync(directory, { recursive: true }));

/** In this process: hundreds of models are run, and starting a runner for each would take minutes. */
async function* execute(file: string, batches: Iterable<Tensors>, session: object = {}): AsyncGenerator<Tensors> {
  const loaded = await engine.load(file, { threads: 1, spinning: false, optimization: 'all', ...session });
  try {
    for (const batch of batches) yield await loaded.run(batch);
  } finally {
    await loaded.release();
  }
}

async function run(model: Model, inputs: Tensors): Promise<Tensors> {
  const file = path.join(directory, 'model.onnx');
  await writeModelFile(file, model);
  for await (const outputs of execute(file, [inputs])) return outputs;
  return {};
}

const context = (calibration: Dataset): PassContext => ({
  ...offlineContext(),
  calibration,
  workDirectory: directory,
  runModel: execute,
});

const SPECS: readonly (readonly [spec: PassSpec, bound: number])[] = [
  [{ pass: 'quantize.static' }, 0.2],
  [{ pass: 'quantize.static', activations: 'int8', perChannel: false }, 0.2],
  [{ pass: 'quantize.static', weights: 'uint8' }, 0.2],
  [{ pass: 'quantize.dynamic' }, 0.2],
  [{ pass: 'batch.dynamic' }, 1e-4],
  [{ pass: 'optimize' }, 1e-4],
];

it.each(Array.from({ length: 24 }, (_, seed) => seed))('random CNN %i', async (seed) => {
  const source = randomCnn(seed);
  const inputs = { x: floats([1, 4, 8, 8], seed) };
  const rows = datasetOf(source, { x: floats([24, 4, 8, 8], seed) });
  const expected = await run(source, inputs);
  for (const [spec, bound] of SPECS) {
    let model: Model;
    try {
      ({ model } = await PASSES[spec.pass].apply(source, spec as never, context(rows)));
    } catch (error) {
      expect(hasCode(error, 'PASS_NOT_APPLICABLE')).toBe(true);
      expect(spec.pass).toMatch(/^quantize/);
      continue;
    }
    const actual = await run(model, inputs);
    for (const [name, value] of Object.entries(expected)) {
      // A Clip or Relu may leave nothing but zeros: then nothing can be said relative to them.
      if ((value.data as Float32Array).some((each) => Math.abs(each) > 0.02)) {
        expect(relativeError(actual[name], value), `${spec.pass} ${name}`).toBeLessThan(bound);
      }
    }
  }
});
