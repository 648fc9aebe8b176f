import { randomStream, type PassSpec, type Tensor, type Tensors } from '@slipway/core';
import {
  buildModel,
  floatAttribute,
  initializerOf,
  intAttribute,
  intsAttribute,
  type Builder,
  type Model,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import type { PassResult } from '../../pass.ts';
import { staticPass } from '../static/pass.ts';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { bytesOfModel, datasetOf, floats, relativeError, runModel, uniform } from '../testing/run.ts';
import { smoothPass } from './pass.ts';

const WIDTH = 64;

/** Random numbers whose channel 5 is a hundred times as large as the others: what transformers do. */
function withOutlier(shape: readonly number[], seed: number, factor = 100): Tensor {
  const data = uniform(
    shape.reduce((a, b) => a * b, 1),
    seed,
  );
  const channels = shape.at(-1) ?? 1;
  return { dtype: 'float32', shape, data: data.map((value, i) => (i % channels === 5 ? value * factor : value)) };
}

/**
 * LayerNormalization with one gain of 100 → two products that share it → Relu → product. Full 8 bits break it: the scale of the
 * normalized value is that of one channel. The weights that read that channel are small, so the answer needs the others.
 */
function transformerLike(
  normalization: (b: Builder, x: string, gain: string, bias: string) => string,
  opset = 17,
): Model {
  const random = randomStream(3);
  const matrix = (rows: number, columns: number, quiet = false): Float32Array =>
    Float32Array.from({ length: rows * columns }, (_, i) => {
      const isOutlier = quiet && Math.floor(i / columns) === 5;
      return ((random() * 2 - 1) / Math.sqrt(rows)) * (isOutlier ? 0.01 : 1);
    });
  return buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', WIDTH]);
      const gain = b.floats(
        'gain',
        [WIDTH],
        Float32Array.from({ length: WIDTH }, (_, c) => (c === 5 ? 100 : 1)),
      );
      const bias = b.floats('bias', [WIDTH], uniform(WIDTH, 4));
      const normalized = normalization(b, x, gain, bias);
      const left = b.op('MatMul', [normalized, b.floats('W1', [WIDTH, WIDTH], matrix(WIDTH, WIDTH, true))], {
        outputs: ['left'],
      });
      const right = b.op(
        'Gemm',
        [
          normalized,
          b.floats('W2', [WIDTH, WIDTH], matrix(WIDTH, WIDTH, true)),
          b.floats('b2', [WIDTH], uniform(WIDTH, 5)),
        ],
        {
          outputs: ['right'],
        },
      );
      const sum = b.op('Relu', [b.op('Add', [left, right])], { outputs: ['sum'] });
      b.output(b.op('MatMul', [sum, b.floats('W3', [WIDTH, 8], matrix(WIDTH, 8))], { outputs: ['y'] }), 'float32', [
        'batch',
        8,
      ]);
    },
    { opset },
  );
}

const layerNorm = (b: Builder, x: string, gain: string, bias: string): string =>
  b.op('LayerNormalization', [x, gain, bias], { outputs: ['normalized'], attributes: [intAttribute('axis', -1)] });

const spelledOut = (b: Builder, x: string, gain: string, bias: string): string => {
  const axes = [intsAttribute('axes', [-1])];
  const centred = b.op('Sub', [x, b.op('ReduceMean', [x], { attributes: axes })]);
  const variance = b.op('ReduceMean', [b.op('Mul', [centred, centred])], { attributes: axes });
  const deviation = b.op('Sqrt', [b.op('Add', [variance, b.floats('epsilon', [], [1e-5])])]);
  return b.op('Add', [b.op('Mul', [b.op('Div', [centred, deviation]), gain]), bias], { outputs: ['normalized'] });
};

/** The input itself has the outlier: nothing before it can take the division. */
const asGiven = (b: Builder, x: string): string => b.op('Tanh', [x], { outputs: ['unused'] }) && x;

const rows = (seed: number): Tensors => ({ x: floats([64, WIDTH], seed) });

async function outputOf(model: Model, inputs: Tensors): Promise<Tensor | undefined> {
  using context = runningContext();
  return (await runModel(model, inputs, context))['y'];
}

async function smooth(
  model: Model,
  options: Partial<Extract<PassSpec, { pass: 'quantize.smooth' }>> = {},
  calibration = rows(1),
): Promise<PassResult> {
  using context = runningContext(datasetOf(model, calibration));
  return await smoothPass.apply(model, { pass: 'quantize.smooth', ...options }, context);
}

type Static = Partial<Extract<PassSpec, { pass: 'quantize.static' }>>;
async function quantize(model: Model, options: Static = {}, calibration = rows(1)): Promise<Model> {
  using context = runningContext(datasetOf(model, calibration));
  return (await staticPass.apply(model, { pass: 'quantize.static', ...options }, context)).model;
}

/** Root of the squared error over the power: less sensitive to a single value than the largest difference. */
async function noise(actual: Model, expected: Model, inputs = rows(2)): Promise<number> {
  const [got, want] = [await outputOf(actual, inputs), await outputOf(expected, inputs)];
  let [error, power] = [0, 0];
  (want?.data as Float32Array).forEach((value, i) => {
    error += (value - Number(got?.data[i])) ** 2;
    power += value * value;
  });
  return Math.sqrt(error / power);
}

describe('a model with one outlier channel', () => {
  it('breaks in full 8 bits, and is recovered by smoothing, and by leaving the two products out', async () => {
    const model = transformerLike(layerNorm);
    const full = await noise(await quantize(model), model);
    expect(full).toBeGreaterThan(0.1);
    const { model: smoothed } = await smooth(model);
    expect(await noise(await quantize(smoothed), model)).toBeLessThan(full / 8);
    const partial = await quantize(model, { exclude: ['W1', 'W2'] });
    expect(await noise(partial, model)).toBeLessThan(full / 8);
  });

  it('is recovered although a node must be inserted, which stays in float', async () => {
    const model = transformerLike(asGiven);
    const inputs = (seed: number): Tensors => ({ x: withOutlier([64, WIDTH], seed) });
    const full = await noise(await quantize(model, {}, inputs(1)), model, inputs(2));
    const { model: smoothed, notes } = await smooth(model, {}, inputs(1));
    expect(notes).toContain('A Div node each, because the division fits no constant before it: x.');
    expect(await noise(await quantize(smoothed, {}, inputs(1)), model, inputs(2))).toBeLessThan(full / 8);
  });
});

describe('quantize.smooth', () => {
  it('folds the division into the normalization and divides for all readers at once', async () => {
    const model = transformerLike(layerNorm);
    const { model: smoothed, notes } = await smooth(model, { alpha: 0.5, exclude: ['W3'] });
    expect(smoothed.graph.nodes.map(({ op }) => op)).toEqual(model.graph.nodes.map(({ op }) => op));
    expect(relativeError(await outputOf(smoothed, rows(2)), await outputOf(model, rows(2)))).toBeLessThan(1e-5);
    expect(notes.slice(0, 2)).toEqual([
      '1 input of 1 product group divided channel by channel, their weights multiplied: the model computes the same.',
      'α: 0.5 (1).',
    ]);
  });

  it('folds into a normalization spelt out', async () => {
    const model = transformerLike(spelledOut, 13);
    const { model: smoothed } = await smooth(model, { alpha: 0.5, exclude: ['W3'] });
    expect(smoothed.graph.nodes.map(({ op }) => op)).toEqual(model.graph.nodes.map(({ op }) => op));
    expect(relativeError(await outputOf(smoothed, rows(2)), await outputOf(model, rows(2)))).toBeLessThan(1e-5);
  });

  it('folds through Relu into a convolution, and smooths convolutions', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 3, 6, 6]);
      const pads = { attributes: [intsAttribute('pads', [1, 1, 1, 1])] };
      const first = b.op(
        'Conv',
        [x, b.constant('W1', floats([4, 3, 3, 3], 1)), b.constant('b1', floats([4], 2))],
        pads,
      );
      const pooled = b.op('MaxPool', [b.op('Relu', [first])], { attributes: [intsAttribute('kernel_shape', [2, 2])] });
      b.output(
        b.op('Conv', [pooled, b.constant('W2', floats([2, 4, 3, 3], 3))], { ...pads, outputs: ['y'] }),
        'float32',
        null,
      );
    });
    const inputs = (seed: number): Tensors => ({ x: floats([16, 3, 6, 6], seed) });
    const { model: smoothed } = await smooth(model, { alpha: 0.3, exclude: ['W1'] }, inputs(1));
    await expect(`${dump(model)}\n---\n\n${dump(smoothed)}`).toMatchFileSnapshot('golden/conv.txt');
    expect(relativeError(await outputOf(smoothed, inputs(2)), await outputOf(model, inputs(2)))).toBeLessThan(1e-5);
  });

  it('searches α per input and leaves alone what 8 bits do not hurt', async () => {
    const { notes } = await smooth(transformerLike(layerNorm));
    expect(notes[1]).toMatch(/^α by the error of 8 bits: 0\.\d \(1\)\.$/);
    expect(notes).toContain('Left alone, because 8 bits are no worse without: 1 input.');
  });

  it('does not divide by channels that are always zero, and gives the same bytes every time', async () => {
    const model = transformerLike(layerNorm);
    const graph = { ...model.graph, initializers: new Map(model.graph.initializers) };
    const gain = uniform(WIDTH, 9);
    gain[7] = 0;
    const bias = uniform(WIDTH, 10);
    bias[7] = 0;
    graph.initializers.set('gain', initializerOf('gain', { dtype: 'float32', shape: [WIDTH], data: gain }));
    graph.initializers.set('bias', initializerOf('bias', { dtype: 'float32', shape: [WIDTH], data: bias }));
    const dead = { ...model, graph };
    const [one, two] = [await smooth(dead, { alpha: 1 }), await smooth(dead, { alpha: 1 })];
    expect(bytesOfModel(one.model)).toBe(bytesOfModel(two.model));
    expect(relativeError(await outputOf(one.model, rows(2)), await outputOf(dead, rows(2)))).toBeLessThan(1e-5);
  });

  it('refuses without rows, and where nothing could be smoothed', async () => {
    const apply = (model: Model, exclude?: string[]): Promise<PassResult> =>
      smoothPass.apply(model, { pass: 'quantize.smooth', exclude }, offlineContext());
    await expect(apply(transformerLike(layerNorm))).rejects.toThrow('it needs calibration data');
    await expect(apply(transformerLike(layerNorm), ['W*'])).rejects.toThrow('no product reads a value');
    const none = buildModel((b) => {
      b.output(
        b.op('LeakyRelu', [b.input('x', 'float32', ['n'])], {
          outputs: ['y'],
          attributes: [floatAttribute('alpha', 0.1)],
        }),
        'float32',
        ['n'],
      );
    });
    await expect(apply(none)).rejects.toThrow('no product reads a value');
    expect(smoothPass.assess(none).applicable).toBe(false);
    expect(smoothPass.assess(transformerLike(layerNorm)).targets).toBe(2);
  });
});
