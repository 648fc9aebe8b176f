import type { PassSpec, Tensors } from '@slipway/core';
import {
  byteLengthOf,
  createGraph,
  createModel,
  createNode,
  intsAttribute,
  type Model,
  opsetOf,
  tensorInfo,
} from '@slipway/onnx';
import { beforeAll, describe, expect, it } from 'vitest';
import type { PassResult } from '../../pass.ts';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { cnn, constant } from '../testing/quantizable.ts';
import { bytesOfModel, datasetOf, floats, floatWeight, relativeError, runModel } from '../testing/run.ts';
import { staticPass } from './pass.ts';

type Options = Partial<Extract<PassSpec, { pass: 'quantize.static' }>>;

const rowsToCompare = { x: floats([8, 1, 4, 4], 10) };

/** What the CNN itself computes. */
let reference: Tensors;
beforeAll(async () => {
  using context = runningContext();
  reference = await runModel(cnn(), rowsToCompare, context);
});

async function quantize(model: Model, options: Options = {}) {
  using context = runningContext(datasetOf(model, { x: floats([20, 1, 4, 4], 9) }));
  return await staticPass.apply(model, { pass: 'quantize.static', ...options }, context);
}

/** How far the quantized form of a model is from it. */
async function errorOf(result: PassResult, model?: Model): Promise<number> {
  using context = runningContext();
  const expected = model === undefined ? reference : await runModel(model, rowsToCompare, context);
  const actual = await runModel(result.model, rowsToCompare, context);
  const [output = ''] = Object.keys(expected);
  return relativeError(actual[output], expected[output]);
}

describe('quantize.static', () => {
  it('places every pair where ONNX Runtime makes integer kernels of it', async () => {
    const result = await quantize(cnn());
    const { model, notes } = result;
    await expect(`${dump(cnn())}\n---\n\n${dump(model)}`).toMatchFileSnapshot('golden/cnn.txt');
    expect(await errorOf(result)).toBeLessThan(0.03);
    expect(notes.slice(0, 3)).toEqual([
      '3 convolutions and matrix products and 1 operator between them compute in 8-bit integers; constants 308 → 187 bytes.',
      'Ranges of 4 tensors are the smallest and largest values of 20 calibration rows.',
      '3 biases, factors and batch normalizations folded into the weights before.',
    ]);
  });

  it.each<Options>([
    { activations: 'int8' },
    { weights: 'uint8' },
    { weights: 'uint8', perChannel: false },
    { perChannel: false },
    { activations: 'int8', perChannel: false },
    { reduceRange: true },
    { weights: 'uint8', reduceRange: true },
    { symmetricActivations: true },
    { activations: 'int8', symmetricActivations: true, symmetricWeights: true },
    { weights: 'uint8', perChannel: false, symmetricWeights: true },
    { weights: 'int8', perChannel: false, symmetricWeights: false },
    { activations: 'uint16' },
    { activations: 'int16', symmetricActivations: true },
    { activations: 'uint16', weights: 'uint8' },
  ])('stays close to the float model with %j', async (options) => {
    expect(await errorOf(await quantize(cnn(), options))).toBeLessThan(0.04);
  });

  it.each<[Options, number]>([
    [{ weights: 'int4' }, 0.2],
    [{ weights: 'uint4' }, 0.2],
    [{ weights: 'uint4', perChannel: false, activations: 'int8' }, 0.3],
    [{ weights: 'int4', activations: 'uint16' }, 0.2],
  ])('takes weights of 4 bits, and says what they buy, with %j', async (options, bound) => {
    const result = await quantize(cnn(), options);
    expect(await errorOf(result)).toBeLessThan(bound);
    expect(opsetOf(result.model)).toBe(21);
    const weight = result.model.graph.initializers.get('W2_quantized');
    expect([weight?.dtype, weight && byteLengthOf(weight)]).toEqual([options.weights, 9]);
    expect(result.notes.join('\n')).toContain('on a CPU: it computes in float. What it buys here is size.');
    expect(result.notes).toContain('Operator set raised from 13 to 21.');
  });

  it('halves the error of 8 bits many times over with activations of 16', async () => {
    const sixteen = await quantize(cnn(), { activations: 'uint16' });
    expect(await errorOf(sixteen)).toBeLessThan(0.01);
    expect(sixteen.notes).toContain(
      'ONNX Runtime has no uint16 kernels on a CPU: it converts to float, computes there and converts back. Expect it slower than float here; it is for accelerators.',
    );
  });

  it('gives the same bytes every time', async () => {
    const [first, second] = [await quantize(cnn()), await quantize(cnn())];
    expect(bytesOfModel(first.model)).toBe(bytesOfModel(second.model));
  });

  it('leaves excluded nodes, also those it would have folded', async () => {
    const { model, notes } = await quantize(cnn(), { exclude: ['depthwise', 'bias3', 'W1'] });
    const { nodes } = model.graph;
    expect(nodes.find(({ name }) => name === 'depthwise')?.inputs).toEqual(['r1', 'W2']);
    expect(nodes.find(({ name }) => name === 'conv1')?.inputs).toEqual(['x', 'W1']);
    expect(nodes.map(({ name }) => name)).toEqual(expect.arrayContaining(['norm1', 'bias3', 'bias2']));
    expect(notes.find((note) => note.startsWith('Left alone'))).toContain(
      '"conv1", Conv node "depthwise", Add node "bias3"',
    );
  });

  it('accepts a dead tensor, and says which', async () => {
    const dead = cnn();
    const initializers = new Map(dead.graph.initializers).set('gamma', constant('gamma', [2], [0, 0]));
    const model = createModel({
      opsets: [['', 13]],
      graph: createGraph({
        ...dead.graph,
        initializers: initializers.set('beta', constant('beta', [2], [0, 0])).values(),
        valueInfo: [],
      }),
    });
    const result = await quantize(model);
    expect(result.notes).toContain(
      'Constant over all calibration rows, which may mean that the rows are not typical: r1.',
    );
    expect(await errorOf(result, model)).toBeLessThan(0.03);
  });

  it('quantizes a product whose result is the output without a pair behind it, and keeps its name', async () => {
    const model = createModel({
      graph: createGraph({
        inputs: [tensorInfo('x', 'float32', [1, 1, 4, 4])],
        outputs: [tensorInfo('y', 'float32', [1, 2, 4, 4])],
        nodes: [createNode('Conv', ['x', 'W'], ['y'], { attributes: [intsAttribute('pads', [1, 1, 1, 1])] })],
        initializers: [floatWeight('W', [2, 1, 3, 3], 1)],
      }),
    });
    using context = runningContext(datasetOf(model, { x: floats([7, 1, 4, 4], 1) }));
    const result = await staticPass.apply(model, { pass: 'quantize.static' }, context);
    expect(result.notes).toContain('Ranges of 2 tensors are the smallest and largest values of 7 calibration rows.');
    expect(result.model.graph.outputs).toEqual(model.graph.outputs);
    const x = { x: floats([1, 1, 4, 4], 2) };
    const [expected, actual] = [await runModel(model, x, context), await runModel(result.model, x, context)];
    expect(relativeError(actual['y'], expected['y'])).toBeLessThan(0.03);
  });

  it('raises the scale of a weight whose bias would not fit 32 bits', async () => {
    const small = createModel({
      graph: createGraph({
        inputs: [tensorInfo('x', 'float32', ['batch', 1, 4, 4])],
        outputs: [tensorInfo('y', 'float32', null)],
        nodes: [createNode('Conv', ['x', 'W', 'b'], ['y'])],
        initializers: [constant('W', [1, 1, 1, 1], [1e-9]), constant('b', [1], [5])],
      }),
    });
    expect(await errorOf(await quantize(small), small)).toBeLessThan(0.01);
  });

  it('refuses what it cannot do, saying what would help', async () => {
    const apply = async (options: Options, context = offlineContext()) =>
      staticPass.apply(cnn(), { pass: 'quantize.static', ...options }, context);
    await expect(apply({})).rejects.toThrow('it needs calibration data: give `data.calibration` in the config');
    await expect(apply({ activations: 'int8', weights: 'uint8' })).rejects.toThrow('no kernels for int8 activations');
    await expect(apply({ weights: 'int4', reduceRange: true })).rejects.toThrow('reduceRange is for weights of 8 bits');
    await expect(apply({ weights: 'int4', symmetricWeights: false })).rejects.toThrow(
      'use uint4 for ranges that are not',
    );
    await expect(apply({ symmetricWeights: false })).rejects.toThrow('set perChannel: false');
    await expect(apply({ exclude: ['conv2'] })).rejects.toThrow('did you mean "conv1"?');
    await expect(apply({ exclude: ['*'] })).rejects.toThrow('there is no convolution or matrix product');
  });

  it('names the row and the input when calibration data is not finite', async () => {
    const x = floats([40, 1, 4, 4], 1);
    (x.data as Float32Array)[20 * 16] = NaN;
    using context = runningContext(datasetOf(cnn(), { x }));
    await expect(staticPass.apply(cnn(), { pass: 'quantize.static' }, context)).rejects.toThrow(
      'row 20 of the calibration data has NaN in the input "x"',
    );
  });
});
