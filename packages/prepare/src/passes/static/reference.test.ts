/**
 * Where ONNX Runtime 1.30's own quantizer goes wrong and ours must not: each case is run with both, on the same model and
 * the same rows. Without a Python that has it these are skipped, and what ours does is tested in the other files.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Tensor } from '@slipway/core';
import {
  buildGraph,
  buildModel,
  graphAttribute,
  intAttribute,
  intsAttribute,
  type Model,
  readModelFile,
  writeModelFile,
} from '@slipway/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runPython } from '../../testing/reference-python.ts';
import { PASSES } from '../index.ts';
import { offlineContext, runningContext } from '../testing/context.ts';
import { attention } from '../testing/quantizable.ts';
import { datasetOf, floats, relativeError, runModel, uniform } from '../testing/run.ts';

const python = referencePython();
const data = path.resolve(import.meta.dirname, '../../../../../../shared/data');

/** Reads {model, input, shape, rows, options}; prints what the quantized model computes, or what went wrong. */
const SCRIPT = `
import json, sys, logging
logging.disable(logging.CRITICAL)
import numpy as np, onnxruntime as ort
from onnxruntime.quantization import *
from onnxruntime.quantization.calibrate import CalibrationDataReader
a = json.load(sys.stdin)
x = np.array(a['rows'], dtype=np.float32).reshape(a['shape'])
class Rows(CalibrationDataReader):
    def __init__(self): self.left = [{a['input']: x}]
    def get_next(self): return self.left.pop() if self.left else None
out = a['model'] + '.theirs.onnx'
try:
    options = dict(per_channel=a.get('per_channel', False), weight_type=QuantType.QInt8)
    if a['kind'] == 'static':
        quantize_static(a['model'], out, Rows(), activation_type=QuantType.QUInt8, **options)
    else:
        quantize_dynamic(a['model'], out, **options)
    session = ort.InferenceSession(out, providers=['CPUExecutionProvider'])
    inputs = {a['input']: x, **{k: np.array(v['value'], dtype=v['dtype']) for k, v in a.get('more', {}).items()}}
    y = session.run(None, inputs)[0]
    print(json.dumps({'values': y.ravel().tolist(), 'shape': list(y.shape), 'path': out}))
except Exception as error:
    print(json.dumps({'error': str(error)}))
`;

interface Answer {
  readonly values?: number[];
  readonly shape?: number[];
  readonly path?: string;
  readonly error?: string;
}

describe.skipIf(python === null)('ONNX Runtime’s own quantizer (needs SLIPWAY_REFERENCE_PYTHON)', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'slipway-reference-'));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  async function theirs(kind: 'static' | 'dynamic', model: Model, rows: Tensor, more: object = {}): Promise<Answer> {
    const file = path.join(directory, `${performance.now()}.onnx`);
    await writeModelFile(file, model);
    const input = model.graph.inputs.find(({ name }) => !model.graph.initializers.has(name))?.name;
    const question = { kind, model: file, input, shape: rows.shape, rows: [...(rows.data as Float32Array)], ...more };
    return runPython(python ?? '', SCRIPT, question) as Answer;
  }

  /** How far both are from the float model, on the rows that were calibrated with. */
  async function errors(kind: 'static' | 'dynamic', model: Model, rows: Tensor, options: object = {}) {
    using context = runningContext(datasetOf(model, { x: rows }));
    const spec = { pass: `quantize.${kind}`, ...options } as never;
    const ours = await PASSES[`quantize.${kind}`].apply(model, spec, context);
    const [expected, actual] = [
      await runModel(model, { x: rows }, context),
      await runModel(ours.model, { x: rows }, context),
    ];
    const [name = ''] = Object.keys(expected);
    const answer = await theirs(kind, model, rows, { per_channel: true });
    expect(answer.error).toBe(undefined);
    const other = {
      dtype: 'float32',
      shape: answer.shape ?? [],
      data: Float32Array.from(answer.values ?? []),
    } as const;
    return { expected: expected[name], ours: actual[name], theirs: other };
  }

  it('rounds the attention of a long text to nothing, for it gives Softmax the range [0, 1]', async () => {
    const x = floats([1, 400, 8], 6);
    const near = Float32Array.from(x.data as Float32Array, (value, i) => value * 0.1 + (i % 8) / 8);
    const result = await errors('static', attention(), { dtype: 'float32', shape: x.shape, data: near });
    expect(relativeError(result.ours, result.expected)).toBeLessThan(0.05);
    expect(relativeError(result.theirs, result.expected)).toBeGreaterThan(0.2);
  });

  it('has one scale for all channels of a convolution quantized dynamically, also when told otherwise', async () => {
    const weight = uniform(54, 1).map((value, i) => value * 10 ** -(Math.floor(i / 9) % 3));
    const model = buildModel(
      (b) => {
        const inputs = [b.input('x', 'float32', [1, 6, 8, 8]), b.floats('W', [6, 1, 3, 3], weight)];
        const attributes = [intAttribute('group', 6), intsAttribute('pads', [1, 1, 1, 1])];
        b.output(b.op('Conv', inputs, { attributes }), 'float32', null);
      },
      { opset: 13 },
    );
    const result = await errors('dynamic', model, floats([1, 6, 8, 8], 2), { convolutions: 'all' });
    const worst = (tensor: Tensor | undefined): number =>
      Math.max(
        ...Array.from({ length: 6 }, (_, at) => {
          const channel = (of: Tensor | undefined) =>
            ({ dtype: 'float32', shape: [64], data: (of?.data as Float32Array).slice(at * 64, at * 64 + 64) }) as const;
          return relativeError(channel(tensor), channel(result.expected));
        }),
      );
    expect(worst(result.ours)).toBeLessThan(0.02);
    expect(worst(result.theirs)).toBeGreaterThan(0.2);
  });

  it('leaves branches of If in float', async () => {
    const model = buildModel(
      (b) => {
        const x = b.input('x', 'float32', [2, 8]);
        const branch = (name: string, seed: number) =>
          buildGraph((inner) => {
            const weight = inner.floats(`${name}_weight`, [8, 8], uniform(64, seed));
            inner.output(inner.op('MatMul', [x, weight], { outputs: [`${name}_out`] }), 'float32', null);
          }, name);
        const attributes = [
          graphAttribute('then_branch', branch('then', 2)),
          graphAttribute('else_branch', branch('else', 3)),
        ];
        b.op('If', [b.input('which', 'bool', [])], { attributes, outputs: ['y'] });
        b.output('y', 'float32', null);
      },
      { opset: 13 },
    );
    const integers = (one: Model): number => {
      let count = 0;
      for (const node of one.graph.nodes) {
        for (const name of ['then_branch', 'else_branch']) {
          const branch = node.attributes.get(name);
          if (branch?.kind === 'graph') count += branch.value.nodes.filter(({ op }) => op === 'MatMulInteger').length;
        }
      }
      return count;
    };
    const ours = await PASSES['quantize.dynamic'].apply(model, { pass: 'quantize.dynamic' }, offlineContext());
    const more = { more: { which: { value: true, dtype: 'bool' } } };
    const answer = await theirs('dynamic', model, floats([2, 8], 1), more);
    expect(answer.error).toBe(undefined);
    expect([integers(ours.model), integers(await readModelFile(answer.path ?? ''))]).toEqual([2, 0]);
  });

  describe.skipIf(!existsSync(data))('on the MNIST CNN of CNTK (needs ../shared/data)', () => {
    const images = (): Tensor => {
      const pixels = gunzipSync(readFileSync(path.join(data, 'mnist/t10k-images-idx3-ubyte.gz'))).subarray(16);
      return { dtype: 'float32', shape: [1, 1, 28, 28], data: Float32Array.from(pixels.subarray(0, 784)) };
    };

    it('fails per channel, because of biases that are not of rank 1', async () => {
      const model = await readModelFile(path.join(data, 'mnist/mnist.onnx'));
      const answer = await theirs('static', model, images(), { per_channel: true });
      expect(answer.error).toMatch(/truth value of an array|axis|DequantizeLinear/);
      using context = runningContext(datasetOf(model, { Input3: images() }));
      const ours = await PASSES['quantize.static'].apply(model, { pass: 'quantize.static' }, context);
      const [expected, actual] = [
        await runModel(model, { Input3: images() }, context),
        await runModel(ours.model, { Input3: images() }, context),
      ];
      expect(relativeError(actual['Plus214_Output_0'], expected['Plus214_Output_0'])).toBeLessThan(0.05);
    });
  });
});
