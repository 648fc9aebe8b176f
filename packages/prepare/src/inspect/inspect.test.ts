import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadDataset, SlipwayError } from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { buildModel, encodeModel, signatureOf, writeModelFile } from '@slipway/onnx';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build } from '../pipeline/build.ts';
import { inspectModel } from './inspect.ts';
import { nameFor, proposeProject } from './propose.ts';
import { renderInspection } from './text.ts';

const CORE = pathToFileURL(path.join(import.meta.dirname, '../../../core/src/index.ts')).href;
const MNIST = path.join(import.meta.dirname, '../../../../../shared/data/mnist/mnist.onnx');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'slipway-inspect-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Two inputs of different dtypes and a symbolic axis that both share. */
const encoder = buildModel((b) => {
  const ids = b.input('ids', 'int64', ['batch', 'length']);
  const scale = b.input('scale', 'float32', ['batch', 1]);
  const table = b.floats(
    'table',
    [8, 32],
    Array.from({ length: 256 }, (_, i) => Math.sin(i)),
  );
  const words = b.op('Gather', [table, ids]);
  const mean = b.op('Mul', [b.op('GlobalMaxPool', [words]), b.op('Unsqueeze', [scale, b.integers('axes', [1], [2])])]);
  b.output(mean, 'float32', ['batch', 'length', 1]);
});

describe('inspectModel', () => {
  it('says what a model is and what each pass could do', async () => {
    const file = path.join(directory, 'encoder.onnx');
    await writeModelFile(file, encoder);
    const inspection = await inspectModel(file);
    expect(inspection).toMatchObject({ opsets: { 'ai.onnx': 17 }, batchable: true, nodes: 4 });
    expect(inspection.signature).toEqual(signatureOf(encoder));
    expect(inspection.parameters).toEqual({ count: 257, bytes: 1032, byDtype: { float32: 256, int64: 1 } });
    expect(inspection.passes.map(({ pass }) => pass)).toContain('quantize.dynamic');
    for (const width of [40, 80, 120]) {
      const lines = renderInspection(inspection, { width, color: false }).split('\n');
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
    }
  });

  it('refuses what is no model, naming the file', async () => {
    const file = path.join(directory, 'notes.onnx');
    writeFileSync(file, 'dear diary');
    await expect(inspectModel(file)).rejects.toMatchObject({ code: 'MODEL_FORMAT', params: { path: file } });
    await expect(inspectModel(path.join(directory, 'none.onnx'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('a damaged model', () => {
  it('is inspected or refused, whichever bits flip and wherever it ends', async () => {
    const file = path.join(directory, 'damaged.onnx');
    const whole = encodeModel(encoder);
    const flip = fc.tuple(fc.nat(whole.length - 1), fc.nat(7));
    const damage = fc.record({ flips: fc.array(flip, { maxLength: 6 }), length: fc.integer({ min: 1, max: 2000 }) });
    await fc.assert(
      fc.asyncProperty(damage, async ({ flips, length }) => {
        const content = Uint8Array.from(whole);
        for (const [at, bit] of flips) content[at]! ^= 1 << bit;
        writeFileSync(file, content.subarray(0, length > 1500 ? content.length : length));
        const error: unknown = await inspectModel(file).then(
          () => null,
          (thrown: unknown) => thrown,
        );
        if (error !== null) {
          expect(error).toBeInstanceOf(SlipwayError);
          expect(error).not.toMatchObject({ code: 'INTERNAL' });
        }
      }),
      { numRuns: 500 },
    );
    await writeModelFile(file, encoder);
    expect((await inspectModel(file)).nodes).toBe(4);
  });
});

describe('proposeProject', () => {
  /** Write the proposal as `init` does, and load the config as a user's module would be. */
  async function initialise(file: string): Promise<ReturnType<typeof compileConfig>> {
    const { files } = await proposeProject(file, { directory });
    for (const [name, content] of Object.entries(files)) writeFileSync(path.join(directory, name), content);
    const module = path.join(directory, 'loaded.config.ts');
    writeFileSync(module, files['slipway.config.ts'].replace("from 'slipway'", `from '${CORE}'`));
    const { default: exported } = (await import(pathToFileURL(module).href)) as { default: unknown };
    return compileConfig(exported, path.join(directory, 'slipway.config.ts'));
  }

  it('writes a config and a sample that work as they are', async () => {
    const file = path.join(directory, "it's an Encoder (v2).onnx");
    await writeModelFile(file, encoder);
    const config = await initialise(file);
    expect(config).toMatchObject({ name: 'it-s-an-encoder-v2', source: file });
    const sample = { inputs: { '*': path.join(directory, 'sample.json') }, labels: null, group: null, rows: null };
    const rows = await loadDataset(sample, signatureOf(encoder));
    expect(rows.rowCount).toBe(2);
    const quick = { ...config, measure: { ...config.measure, iterations: 10, warmup: 0 } };
    const { release, report } = await build(quick);
    expect(release).toMatchObject({ name: 'it-s-an-encoder-v2', version: 1 });
    expect(report.candidates.length).toBeGreaterThan(1);
  });

  it('writes a sample for a scalar beside rows, and counts in words', async () => {
    const file = path.join(directory, 'scaled.onnx');
    const scaled = buildModel((b) => {
      const x = b.input('x', 'float32', ['n', 2]);
      b.output(b.op('Mul', [x, b.input('factor', 'float32', [])]), 'float32', ['n', 2]);
    });
    await writeModelFile(file, scaled);
    await initialise(file);
    const source = { inputs: { '*': path.join(directory, 'sample.json') }, labels: null, group: null, rows: null };
    const { inputs, rowCount } = await loadDataset(source, signatureOf(scaled));
    expect(rowCount).toBe(1);
    expect(inputs).toMatchObject({ x: { shape: [1, 2] }, factor: { shape: [1] } });
    const text = renderInspection(await inspectModel(file), { width: 80, color: false });
    expect(text).toContain('parameters  none');
    expect(text).toContain('1 node: Mul');
  });

  it.skipIf(!existsSync(MNIST))(
    'writes a row for a model with a fixed batch (needs ../shared/data/mnist)',
    async () => {
      const config = await initialise(MNIST);
      expect(Object.keys(config.candidates)).toContain('int8-dynamic');
      expect(Object.keys(config.candidates)).not.toContain('float16'); // a comment: it buys no speed here
      const sample = { inputs: { '*': path.join(directory, 'sample.json') }, labels: null, group: null, rows: null };
      const { signature } = await inspectModel(MNIST);
      expect((await loadDataset(sample, signature)).inputs['Input3']).toMatchObject({ shape: [1, 1, 28, 28] });
    },
  );

  it.each([
    ['My Model (v2).onnx', 'my-model-v2'],
    ['mnist.ONNX', 'mnist'],
    ['模型.onnx', 'model'],
    ['--.onnx', 'model'],
  ])('names %s %s', (file, name) => expect(nameFor(file)).toBe(name));
});
