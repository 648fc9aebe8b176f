import type { PassSpec, Tensor, Tensors } from '@slipway/core';
import { buildModel, intAttribute, intsAttribute, type Model } from '@slipway/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PassResult } from '../../pass.ts';
import { staticPass } from '../static/pass.ts';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { randomCnn } from '../testing/random-cnn.ts';
import { datasetOf, floats, relativeError, runModel, uniform } from '../testing/run.ts';
import { equalisePass } from './pass.ts';

const PADDED = intsAttribute('pads', [1, 1, 1, 1]);

/**
 * Conv → Relu → depthwise Conv → PRelu → Conv → Relu → Conv, where channel c of the middle is so many times smaller than the first:
 * its weights, and those that read it so many times larger.
 */
function unbalanced(spread: number): Model {
  const channels = 8;
  const factor = (c: number): number => spread ** (c / (channels - 1));
  const weights = (count: number, seed: number, size: number, change: (i: number) => number): Float32Array =>
    uniform(count, seed).map((value, i) => (value * change(i)) / Math.sqrt(size));
  return buildModel((b) => {
    const x = b.input('x', 'float32', ['batch', 3, 6, 6]);
    const conv = (input: string, w: string, bias: string[], group = 1, outputs?: string[]): string =>
      b.op('Conv', [input, w, ...bias], {
        attributes: [PADDED, intAttribute('group', group)],
        ...(outputs === undefined ? {} : { outputs }),
      });
    const w1 = b.floats(
      'W1',
      [channels, 3, 3, 3],
      weights(channels * 27, 1, 9, (i) => 1 / factor(Math.floor(i / 27))),
    );
    const b1 = b.floats(
      'b1',
      [channels],
      weights(channels, 2, 1, (i) => 1 / factor(i)),
    );
    const first = b.op('Relu', [conv(x, w1, [b1])]);
    const depthwise = conv(
      first,
      b.floats(
        'W2',
        [channels, 1, 3, 3],
        weights(channels * 9, 3, 3, () => 1),
      ),
      [],
      channels,
    );
    const bent = b.op('PRelu', [depthwise, b.floats('slope', [channels, 1, 1], uniform(channels, 4).map(Math.abs))]);
    const w3 = b.floats(
      'W3',
      [4, channels, 3, 3],
      weights(4 * channels * 9, 5, 30, (i) => factor(Math.floor(i / 9) % channels)),
    );
    const third = b.op('Relu', [conv(bent, w3, [b.constant('b3', floats([4], 6))])]);
    conv(
      third,
      b.floats(
        'W4',
        [2, 4, 3, 3],
        weights(72, 7, 6, () => 1),
      ),
      [],
      1,
      ['y'],
    );
    b.output('y', 'float32', null);
  });
}

/** Conv → BatchNormalization → Relu → Conv, with gains up to so many times apart that the second Conv makes up for. */
function normalized(spread: number): Model {
  const gain = (c: number): number => spread ** (-c / 7);
  const vector = (seed: number, change: (value: number, c: number) => number): Float32Array =>
    uniform(8, seed).map(change);
  return buildModel((b) => {
    const x = b.input('x', 'float32', ['batch', 3, 6, 6]);
    const conv = b.op('Conv', [x, b.floats('W1', [8, 3, 3, 3], uniform(216, 1))], { attributes: [PADDED] });
    const parameters = [
      b.floats(
        'gain',
        [8],
        vector(2, (_, c) => gain(c)),
      ),
      b.floats(
        'offset',
        [8],
        vector(3, (value, c) => value * gain(c)),
      ),
      b.floats('mean', [8], uniform(8, 4)),
      b.floats(
        'variance',
        [8],
        vector(5, (value) => 1 + value / 2),
      ),
    ];
    const normal = b.op('BatchNormalization', [conv, ...parameters], { name: 'norm' });
    const w2 = uniform(8 * 2 * 9, 6).map((value, i) => value / gain(Math.floor(i / 9) % 8));
    const inputs = [b.op('Relu', [normal]), b.floats('W2', [2, 8, 3, 3], w2)];
    b.output(b.op('Conv', inputs, { attributes: [PADDED], outputs: ['y'] }), 'float32', null);
  });
}

/** Conv → Relu6 → depthwise Conv → Clip → Conv, limits of the size of values, channels of the middle so many times apart. */
function limited(spread: number, limit = 0.4): Model {
  const factor = (c: number): number => spread ** (c / 7);
  return buildModel((b) => {
    const x = b.input('x', 'float32', ['batch', 3, 6, 6]);
    const [low, high] = [b.floats('zero', [], [0]), b.floats('high', [], [limit])];
    const w1 = uniform(216, 1).map((value) => value / 3);
    const first = b.op('Conv', [x, b.floats('W1', [8, 3, 3, 3], w1)], { attributes: [PADDED] });
    const relu6 = b.op('Clip', [first, low, high], { name: 'relu6' });
    const w2 = uniform(72, 2).map((value, i) => value / factor(Math.floor(i / 9)));
    const depthwise = [relu6, b.floats('W2', [8, 1, 3, 3], w2)];
    const second = b.op('Conv', depthwise, { attributes: [PADDED, intAttribute('group', 8)] });
    const band = b.op('Clip', [second, b.floats('lower', [], [-limit]), high], { name: 'band' });
    const w3 = uniform(144, 3).map((value, i) => value * factor(Math.floor(i / 9) % 8));
    const inputs = [band, b.floats('W3', [2, 8, 3, 3], w3)];
    b.output(b.op('Conv', inputs, { attributes: [PADDED], outputs: ['y'] }), 'float32', null);
  });
}

const rows = (seed: number): Tensors => ({ x: floats([16, 3, 6, 6], seed) });

async function outputs(model: Model, inputs: Tensors): Promise<Tensors> {
  using context = runningContext();
  return await runModel(model, inputs, context);
}

const equalise = (
  model: Model,
  options: Partial<Extract<PassSpec, { pass: 'quantize.equalise' }>> = {},
): Promise<PassResult> => equalisePass.apply(model, { pass: 'quantize.equalise', ...options }, offlineContext());

/** @param calibration the seed of the rows that show the ranges */
async function quantized(model: Model, calibration = 1): Promise<Tensor | undefined> {
  using context = runningContext(datasetOf(model, rows(calibration)));
  const spec = { pass: 'quantize.static', perChannel: false } as const;
  const result = await staticPass.apply(model, spec, context);
  return (await runModel(result.model, rows(2), context))['y'];
}

describe('quantize.equalise', () => {
  it('recovers 8 bits with one scale per weight where channels are a thousand times apart', async () => {
    const model = unbalanced(1000);
    const expected = (await outputs(model, rows(2)))['y'];
    const before = relativeError(await quantized(model), expected);
    const after = relativeError(await quantized((await equalise(model)).model), expected);
    // What 8 bits cost where there is nothing to balance.
    const even = unbalanced(1);
    const least = relativeError(await quantized(even), (await outputs(even, rows(2)))['y']);
    expect(before).toBeGreaterThan(0.5);
    expect(after).toBeLessThan(least * 1.2);
  });

  it('gives both layers of a pair the same range in every channel', async () => {
    const { model, notes } = await equalise(unbalanced(1000));
    const largest = (index: number, at: (i: number) => number): number[] => {
      const weight = model.graph.initializers.get(model.graph.nodes[index]?.inputs[1] ?? '');
      const ranges: number[] = [];
      new Float32Array((weight?.data as { bytes: Uint8Array }).bytes.slice().buffer).forEach((value, i) => {
        ranges[at(i)] = Math.max(ranges[at(i)] ?? 0, Math.abs(value));
      });
      return ranges;
    };
    const depthwise = largest(2, (i) => Math.floor(i / 9));
    const reads = largest(4, (i) => Math.floor(i / 9) % 8);
    depthwise.forEach((range, c) => expect(range / (reads[c] ?? NaN)).toBeCloseTo(1, 2));
    expect(notes[0]).toMatch(/^Channels balanced between 3 pairs of layers in \d+ rounds; the largest factor was/);
  });

  it('takes batch normalization into the layer before it, which is where channels drift apart', async () => {
    const model = normalized(1000);
    const expected = (await outputs(model, rows(2)))['y'];
    const { model: balanced, notes } = await equalise(model);
    expect(relativeError((await outputs(balanced, rows(2)))['y'], expected)).toBeLessThan(1e-5);
    expect(notes).toContain('1 bias, factor or batch normalization folded into the weights before.');
    const even = normalized(1);
    const least = relativeError(await quantized(even, 2), (await outputs(even, rows(2)))['y']);
    expect(relativeError(await quantized(model, 2), expected)).toBeGreaterThan(10 * least);
    expect(relativeError(await quantized(balanced, 2), expected)).toBeLessThan(2 * least);
    await expect(equalise(model, { exclude: ['norm'] })).rejects.toThrow('feeds exactly one other');
  });

  it('gives Clip a limit per channel, so that values beyond it come out as before', async () => {
    const model = limited(100);
    const expected = (await outputs(model, rows(2)))['y'];
    const { model: balanced } = await equalise(model);
    expect(balanced.graph.nodes.map(({ op }) => op)).toEqual(['Conv', 'Relu', 'Min', 'Conv', 'Max', 'Min', 'Conv']);
    expect(relativeError((await outputs(balanced, rows(2)))['y'], expected)).toBeLessThan(1e-5);
    // The limits are reached: without them the model would be another.
    expect(relativeError((await outputs(limited(100, 1e6), rows(2)))['y'], expected)).toBeGreaterThan(0.01);
    const error = relativeError(await quantized(balanced), expected);
    expect(error).toBeLessThan(relativeError(await quantized(model), expected) / 2);
  });

  it('leaves a Clip whose limits are computed, and one that is excluded', async () => {
    const computed = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 2]);
      const first = b.op('MatMul', [x, b.constant('W1', floats([2, 3], 1))]);
      const clip = b.op('Clip', [first, b.floats('low', [], [0]), b.input('high', 'float32', [])]);
      b.output(b.op('MatMul', [clip, b.constant('W2', floats([3, 1], 2))], { outputs: ['y'] }), 'float32', null);
    });
    expect(equalisePass.assess(computed).applicable).toBe(false);
    await expect(equalise(limited(10), { exclude: ['relu6', 'band'] })).rejects.toThrow('feeds exactly one other');
  });

  it('changes constants only', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 2]);
      const hidden = b.op('Relu', [
        b.op('Gemm', [x, b.floats('W1', [2, 3], [4, 1, 0, -2, 0.5, 0]), b.floats('b1', [3], [8, 1, 1])]),
      ]);
      b.output(b.op('MatMul', [hidden, b.floats('W2', [3, 1], [1, 4, 3])], { outputs: ['y'] }), 'float32', [
        'batch',
        1,
      ]);
    });
    await expect(`${dump(model)}\n---\n\n${dump((await equalise(model)).model)}`).toMatchFileSnapshot(
      'golden/dense.txt',
    );
  });

  it('computes the same on any CNN', async () => {
    let applied = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 100_000 }), async (seed) => {
        const model = randomCnn(seed);
        if (!equalisePass.assess(model).applicable) return;
        applied++;
        const inputs = { x: floats([1, 4, 8, 8], seed) };
        const [expected, actual] = [await outputs(model, inputs), await outputs((await equalise(model)).model, inputs)];
        for (const [name, value] of Object.entries(expected)) {
          expect(relativeError(actual[name], value), name).toBeLessThan(1e-4);
        }
      }),
      { numRuns: 60, seed: 7 },
    );
    expect(applied).toBeGreaterThan(5);
  });

  it('leaves excluded layers, and refuses where there is no pair', async () => {
    const { model } = await equalise(unbalanced(10), { exclude: ['W3'] });
    expect(model.graph.nodes[4]?.inputs[1]).toBe('W3');
    await expect(equalise(unbalanced(10), { only: ['W4'] })).rejects.toThrow('feeds exactly one other');
    const shared = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 2]);
      const hidden = b.op('MatMul', [x, b.constant('W1', floats([2, 3], 1))]);
      const one = b.op('MatMul', [hidden, b.constant('W2', floats([3, 1], 2))]);
      b.output(
        b.op('Add', [one, b.op('MatMul', [hidden, b.constant('W3', floats([3, 1], 3))])], { outputs: ['y'] }),
        'float32',
        null,
      );
    });
    expect(equalisePass.assess(shared).applicable).toBe(false);
  });
});
