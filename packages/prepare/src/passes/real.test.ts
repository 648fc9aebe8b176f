/**
 * The passes on models that others made: the figures that are known of the MNIST CNN, and every pass on every model at hand,
 * which either works (the result loads and stays close to its source) or refuses with a reason.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { hasCode, type Dataset, type PassSpec, rowsOf, type Tensors } from '@slipway/core';
import { type Model, readModelFile, signatureOf } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import type { PassResult } from '../pass.ts';
import { generateRows } from '../validate/generated.ts';
import { withRandomWeights } from '../testing/real-models.ts';
import { constantBytes } from './prepared.ts';
import { PASSES } from './index.ts';
import { runningContext } from './testing/context.ts';
import { datasetOf, relativeError, runModel } from './testing/run.ts';

const data = path.resolve(import.meta.dirname, '../../../../../shared/data');
const absent = !existsSync(data);

async function apply(model: Model, spec: PassSpec, calibration: Dataset | null = null): Promise<PassResult> {
  using context = runningContext(calibration);
  return await PASSES[spec.pass].apply(model, spec as never, context);
}

describe.skipIf(absent)('MNIST CNN (needs ../shared/data)', () => {
  const unpack = (name: string, header: number): Buffer =>
    gunzipSync(readFileSync(path.join(data, 'mnist', name))).subarray(header);
  const images = (from: number, to: number): Tensors => {
    const pixels = unpack('t10k-images-idx3-ubyte.gz', 16).subarray(from * 784, to * 784);
    return { Input3: { dtype: 'float32', shape: [to - from, 1, 28, 28], data: Float32Array.from(pixels) } };
  };

  /** Correct answers on images 1000 to 9999, which no pass has seen. */
  async function correct(model: Model): Promise<number> {
    using context = runningContext();
    const labels = unpack('t10k-labels-idx1-ubyte.gz', 8).subarray(1000);
    const { Plus214_Output_0: logits } = await runModel(model, images(1000, 10000), context);
    const scores = logits?.data as Float32Array;
    return labels.reduce((sum, label, row) => {
      const own = scores.subarray(row * 10, row * 10 + 10);
      return sum + (own.indexOf(Math.max(...own)) === label ? 1 : 0);
    }, 0);
  }

  it('keeps the accuracy that is known: 98.93 % float, 97.60 % pruned, 98.9 % in 8 bits', async () => {
    const source = await readModelFile(path.join(data, 'mnist/mnist.onnx'));
    const calibration = datasetOf(source, images(0, 200));
    const { model: free } = await apply(source, { pass: 'batch.dynamic' }, calibration);
    expect(await correct(free)).toBe(8904);
    const pruned = await apply(free, { pass: 'prune.magnitude', rule: 'mean' });
    expect(await correct(pruned.model)).toBe(8784);
    const quantized = await apply(free, { pass: 'quantize.static' }, calibration);
    expect(await correct(quantized.model)).toBeGreaterThanOrEqual(8904 - 9);
    expect(constantBytes(quantized.model)).toBeLessThan(6500);
    const both = await apply(pruned.model, { pass: 'quantize.static' }, datasetOf(free, images(0, 200)));
    expect(Math.abs((await correct(both.model)) - 8784)).toBeLessThan(20);
  });

  it('quantizes the file as it was exported, one row at a time: IR 3, opset 8, biases of rank 3, fixed batch', async () => {
    const source = await readModelFile(path.join(data, 'mnist/mnist.onnx'));
    const calibration = datasetOf(source, images(0, 20));
    const { model, notes } = await apply(source, { pass: 'quantize.static' }, calibration);
    expect(notes).toContain('Ranges of 3 tensors are the smallest and largest values of 20 calibration rows.');
    expect(model.graph.nodes.map(({ op }) => op)).not.toContain('Add');
    using context = runningContext();
    const inputs = images(7, 8);
    const [expected, actual] = [await runModel(source, inputs, context), await runModel(model, inputs, context)];
    expect(relativeError(actual['Plus214_Output_0'], expected['Plus214_Output_0'])).toBeLessThan(0.03);
  });
});

const SPECS: readonly PassSpec[] = [
  { pass: 'prune.magnitude', rule: 'ratio', ratio: 0.01 },
  { pass: 'quantize.dynamic' },
  { pass: 'quantize.static' },
  { pass: 'quantize.weights', bits: 8 },
  { pass: 'quantize.smooth', alpha: 0.5 },
  { pass: 'quantize.equalise' },
  { pass: 'optimize' },
  { pass: 'batch.dynamic' },
  { pass: 'precision.float16' },
  { pass: 'precision.bfloat16' },
  { pass: 'precision.mixed', rows: 4, maxRuns: 6 },
];

/** 16-bit floats work everywhere. */
/** Passes after which the model computes the same, up to rounding. */
const SAME: ReadonlySet<string> = new Set(['optimize', 'batch.dynamic', 'quantize.smooth', 'quantize.equalise']);
const BALANCED = ['quantize.smooth', 'quantize.equalise'] as const;
const HALF = ['precision.bfloat16', 'precision.float16', 'precision.mixed'] as const;

describe.skipIf(absent)('every pass on every model (needs ../shared/data)', () => {
  // How far 8 bits may be from float. The random ShuffleNet is that far off with any quantizer: 17 dB, also ONNX Runtime's.
  it.each([
    [
      'mnist/mnist.onnx',
      0.05,
      [
        'batch.dynamic',
        'optimize',
        'prune.magnitude',
        'quantize.dynamic',
        'quantize.static',
        'quantize.weights',
        ...BALANCED,
      ],
    ],
    [
      'sentiment/sentiment.onnx',
      0.05,
      ['optimize', 'prune.magnitude', 'quantize.dynamic', 'quantize.static', 'quantize.weights', 'quantize.smooth'],
    ],
    [
      'onnx-light/light_squeezenet.onnx',
      0.05,
      ['batch.dynamic', 'optimize', 'prune.magnitude', 'quantize.static', ...BALANCED],
    ],
    [
      'onnx-light/light_shufflenet.onnx',
      0.4,
      [
        'batch.dynamic',
        'optimize',
        'prune.magnitude',
        'quantize.dynamic',
        'quantize.static',
        'quantize.weights',
        'quantize.smooth',
      ],
    ],
  ] as const)('%s', async (file, bound8, expected) => {
    const read = await readModelFile(path.join(data, file));
    const source = file.startsWith('onnx-light') ? withRandomWeights(read) : read;
    const rows = generateRows(signatureOf(source), 4, 1);
    using context = runningContext();
    const inputs = rowsOf(rows, 3, 4);
    const reference = await runModel(source, inputs, context);
    const worked: string[] = [];
    for (const spec of SPECS) {
      let result: PassResult;
      try {
        result = await apply(source, spec, rows);
      } catch (error) {
        expect(hasCode(error, 'PASS_NOT_APPLICABLE') && String(error)).toContain('cannot be applied: ');
        expect(PASSES[spec.pass].assess(source).applicable).toBe(false);
        continue;
      }
      worked.push(spec.pass);
      expect(PASSES[spec.pass].assess(source).applicable).toBe(true);
      expect(result.notes.length).toBeGreaterThan(0);
      const outputs = await runModel(result.model, inputs, context);
      for (const [name, value] of Object.entries(reference)) {
        const bound = SAME.has(spec.pass) ? 1e-4 : bound8;
        expect(relativeError(outputs[name], value), `${spec.pass} ${name}`).toBeLessThan(bound);
      }
    }
    expect(worked.sort()).toEqual([...expected, ...HALF].sort());
  });

  it('makes the transformer 3.8 times smaller', async () => {
    const source = await readModelFile(path.join(data, 'sentiment/sentiment.onnx'));
    const { model } = await apply(source, { pass: 'quantize.dynamic' });
    expect(constantBytes(source) / constantBytes(model)).toBeGreaterThan(3.8);
  });
});
