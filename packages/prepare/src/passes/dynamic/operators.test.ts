/** Convolutions, recurrent layers and attention: what ONNX Runtime has kernels for, run there. */
import type { Tensors } from '@slipway/core';
import {
  type Builder,
  buildModel,
  intAttribute,
  intsAttribute,
  type Model,
  MS_DOMAIN,
  stringAttribute,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { floats, relativeError, runModel, uniform } from '../testing/run.ts';
import { dynamicPass } from './pass.ts';

type Options = Partial<Parameters<typeof dynamicPass.apply>[1]>;

const model = (body: (b: Builder) => void): Model => buildModel(body, { opset: 14, imports: { [MS_DOMAIN]: 1 } });

async function quantize(source: Model, inputs: Tensors, options: Options = {}) {
  const result = await dynamicPass.apply(source, { pass: 'quantize.dynamic', ...options }, offlineContext());
  using context = runningContext();
  const [expected, actual] = [await runModel(source, inputs, context), await runModel(result.model, inputs, context)];
  const error = Math.max(...Object.keys(expected).map((name) => relativeError(actual[name], expected[name])));
  return { ...result, error };
}

/** Channels of very different size: one scale for all of them loses the small ones. */
const spread = (count: number, perChannel: number, seed: number): Float32Array =>
  uniform(count, seed).map((value, i) => value * 10 ** -(Math.floor(i / perChannel) % 3));

const conv = (group: number, bias: boolean): Model =>
  model((b) => {
    const x = b.input('x', 'float32', ['batch', 6, 8, 8]);
    const inputs = [x, b.floats('W', [6, 6 / group, 3, 3], spread((6 * 54) / group, 54 / group, group))];
    if (bias) inputs.push(b.floats('bias', [6], uniform(6, 3)));
    const attributes = [
      intAttribute('group', group),
      intsAttribute('pads', [1, 1, 1, 1]),
      intsAttribute('strides', [2, 1]),
    ];
    b.output(b.op('Conv', inputs, { name: 'conv', attributes, outputs: ['y'] }), 'float32', null);
  });

describe('convolutions', () => {
  const x = { x: floats([2, 6, 8, 8], 1) };

  it('stay in float unless asked for', async () => {
    const apply = async () => dynamicPass.apply(conv(1, true), { pass: 'quantize.dynamic' }, offlineContext());
    await expect(apply()).rejects.toThrow('there is no constant float32 weight');
  });

  it('have right scales per channel, depthwise ones too', async () => {
    for (const group of [1, 6]) {
      // Relative to each channel, since the small ones are what one scale for all ruins.
      const { model: quantized, error } = await quantize(conv(group, group === 1), x, { convolutions: 'all' });
      expect(quantized.graph.nodes.map(({ op }) => op)).toContain('ConvInteger');
      expect(error).toBeLessThan(0.02);
      expect(await worstChannel(conv(group, false), x, true)).toBeLessThan(0.03);
      // ONNX Runtime's own tool has one scale for all channels here, whatever it is told.
      expect(await worstChannel(conv(group, false), x, false)).toBeGreaterThan(0.1);
    }
    await expect(dump((await quantize(conv(1, true), x, { convolutions: 'dense' })).model)).toMatchFileSnapshot(
      'golden/convolution.txt',
    );
  });

  /** The largest error of a channel, relative to what is in that channel. */
  async function worstChannel(source: Model, inputs: Tensors, perChannel: boolean): Promise<number> {
    const options = { pass: 'quantize.dynamic', convolutions: 'all', perChannel } as const;
    const result = await dynamicPass.apply(source, options, offlineContext());
    using context = runningContext();
    const [expected, actual] = [await runModel(source, inputs, context), await runModel(result.model, inputs, context)];
    const channel = (tensors: Tensors, at: number) => {
      const y = tensors['y'];
      const size = (y?.shape[2] ?? 0) * (y?.shape[3] ?? 0);
      const data = (y?.data as Float32Array).slice(at * size, (at + 1) * size);
      return { dtype: 'float32', shape: [size], data } as const;
    };
    return Math.max(...Array.from({ length: 6 }, (_, at) => relativeError(channel(actual, at), channel(expected, at))));
  }

  it('leaves depthwise ones when only dense ones are asked for', async () => {
    const apply = async () =>
      dynamicPass.apply(conv(6, true), { pass: 'quantize.dynamic', convolutions: 'dense' }, offlineContext());
    await expect(apply()).rejects.toThrow('there is no constant');
  });

  it('reads a bias that is computed', async () => {
    const source = model((b) => {
      const inputs = [
        b.input('x', 'float32', [2, 6, 8, 8]),
        b.floats('W', [4, 6, 3, 3], uniform(216, 1)),
        b.input('b', 'float32', [4]),
      ];
      b.output(b.op('Conv', inputs), 'float32', null);
    });
    const { error } = await quantize(source, { ...x, b: floats([4], 5) }, { convolutions: 'dense' });
    expect(error).toBeLessThan(0.02);
  });
});

describe('recurrent layers', () => {
  const lstm = (direction: 'forward' | 'bidirectional', layout = 0): Model =>
    model((b) => {
      const directions = direction === 'forward' ? 1 : 2;
      const x = b.input('x', 'float32', ['steps', 'batch', 6]);
      const weight = (name: string, shape: number[], seed: number): string =>
        b.floats(
          name,
          shape,
          uniform(
            shape.reduce((a, c) => a * c),
            seed,
          ),
        );
      const inputs = [
        x,
        weight('W', [directions, 20, 6], 1),
        weight('R', [directions, 20, 5], 2),
        weight('B', [directions, 40], 3),
      ];
      const attributes = [intAttribute('hidden_size', 5), stringAttribute('direction', direction)];
      if (layout !== 0) attributes.push(intAttribute('layout', layout));
      b.op('LSTM', inputs, { name: 'lstm', attributes, outputs: ['y', 'h', 'c'] });
      for (const output of ['y', 'h', 'c']) b.output(output, 'float32', null);
    });

  it.each([
    ['forward', true],
    ['forward', false],
    ['bidirectional', true],
    ['bidirectional', false],
  ] as const)('LSTM, %s, per channel: %s', async (direction, perChannel) => {
    const {
      model: quantized,
      notes,
      error,
    } = await quantize(lstm(direction), { x: floats([4, 3, 6], 7) }, { perChannel });
    expect(notes[0]).toMatch(/^1 LSTM computes with 8-bit weights; constants/);
    expect(quantized.graph.initializers.has('W')).toBe(false);
    expect(error).toBeLessThan(0.03);
    if (direction === 'bidirectional' && perChannel) {
      await expect(dump(quantized)).toMatchFileSnapshot('golden/lstm.txt');
    }
  });

  it('says what there is no kernel for', async () => {
    const source = model((b) => {
      const x = b.input('x', 'float32', [4, 3, 6]);
      const inputs = [x, b.floats('W', [1, 15, 6], uniform(90, 1)), b.floats('R', [1, 15, 5], uniform(75, 2))];
      b.op('GRU', inputs, { name: 'gru', attributes: [intAttribute('hidden_size', 5)], outputs: ['', 'h'] });
      b.output(b.op('MatMul', ['h', b.floats('V', [5, 3], uniform(15, 3))]), 'float32', null);
    });
    const { notes } = await quantize(source, { x: floats([4, 3, 6], 7) });
    expect(notes).toContain('Left in float: GRU node "gru": ONNX Runtime has no integer kernel for GRU and RNN.');
    const batchFirst = async () =>
      dynamicPass.apply(lstm('forward', 1), { pass: 'quantize.dynamic' }, offlineContext());
    await expect(batchFirst()).rejects.toThrow('there is no constant');
  });
});

describe('com.microsoft.Attention', () => {
  it.each([true, false])('becomes QAttention, per channel: %s', async (perChannel) => {
    const source = model((b) => {
      const inputs = [
        b.input('x', 'float32', ['batch', 4, 8]),
        b.floats('W', [8, 24], uniform(192, 1)),
        b.floats('b', [24], uniform(24, 2)),
      ];
      const attributes = [intAttribute('num_heads', 2)];
      b.output(b.op('Attention', inputs, { domain: MS_DOMAIN, attributes }), 'float32', null);
    });
    const { model: quantized, error } = await quantize(source, { x: floats([2, 4, 8], 3) }, { perChannel });
    expect(quantized.graph.nodes.map(({ op }) => op)).toEqual(['DynamicQuantizeLinear', 'QAttention']);
    expect(error).toBeLessThan(0.03);
  });
});

it.each([
  [{ reduceRange: true }, 64],
  [{ preset: 'avx2' }, 64],
  [{ preset: 'vnni' }, 127],
  [{ preset: 'avx2', reduceRange: false }, 127],
] as const)('uses 7 bits when told to, or where the processor of the preset needs it: %j', async (options, largest) => {
  const source = model((b) => {
    b.output(b.op('MatMul', [b.input('x', 'float32', [2, 8]), b.floats('W', [8, 4], uniform(32, 1))]), 'float32', null);
  });
  const { model: quantized, notes, error } = await quantize(source, { x: floats([2, 8], 3) }, options);
  const stored = quantized.graph.initializers.get('W_quantized')?.data;
  const values = stored?.kind === 'raw' ? new Int8Array(stored.bytes) : new Int8Array();
  expect(values.length).toBe(32);
  expect(Math.max(...values.map(Math.abs))).toBe(largest);
  expect(error).toBeLessThan(0.03);
  const said =
    'preset' in options ? [`Preset ${options.preset}: weights of ${largest === 64 ? '7 bits of 8' : '8 bits'}.`] : [];
  expect(notes.filter((note) => note.startsWith('Preset'))).toEqual(said);
});
