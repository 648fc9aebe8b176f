import type { PassSpec, Tensors } from '@slipway/core';
import { buildModel, intAttribute, intsAttribute, type Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { staticPass } from '../static/pass.ts';
import { runningContext } from '../testing/context.ts';
import { datasetOf, floats, runModel, uniform } from '../testing/run.ts';

const PADDED = intsAttribute('pads', [1, 1, 1, 1]);
const weight = (shape: readonly number[], seed: number): Float32Array => {
  const size = shape.reduce((a, b) => a * b, 1);
  return uniform(size, seed).map((value) => value * Math.sqrt(3 / (size / (shape[0] ?? 1))));
};

/** Convolutions with and without bias, a depthwise one, two that run side by side, then Gemm and MatMul with an addition. */
const model: Model = buildModel((b) => {
  const x = b.input('x', 'float32', ['batch', 3, 8, 8]);
  const conv = (input: string, name: string, shape: readonly number[], bias: string[] = [], group = 1): string =>
    b.op('Conv', [input, b.floats(name, shape, weight(shape, name.length + shape.length * 7 + group)), ...bias], {
      attributes: [PADDED, intAttribute('group', group)],
    });
  const first = b.op('Relu', [conv(x, 'W1', [16, 3, 3, 3], [b.floats('b1', [16], uniform(16, 3))])]);
  const depthwise = b.op('Relu', [conv(first, 'W22', [16, 1, 3, 3], [], 16)]);
  const sides = b.op('Add', [conv(depthwise, 'W333', [16, 16, 3, 3]), conv(depthwise, 'W4444', [16, 16, 3, 3])]);
  const pooled = b.op('GlobalAveragePool', [b.op('Relu', [sides])]);
  const flat = b.op('Flatten', [pooled]);
  const dense = b.op('Relu', [
    b.op('Gemm', [flat, b.floats('W5', [16, 12], weight([16, 12], 8)), b.floats('b5', [12], uniform(12, 9))]),
  ]);
  const scores = b.op('MatMul', [dense, b.floats('W6', [12, 6], weight([12, 6], 10))]);
  b.output(b.op('Add', [scores, b.floats('b6', [6], uniform(6, 11))], { outputs: ['y'] }), 'float32', ['batch', 6]);
});

/** Values that are not centred, as pixels and activations are not. */
const rows = (seed: number): Tensors => {
  const x = floats([64, 3, 8, 8], seed);
  (x.data as Float32Array).forEach((value, i, data) => (data[i] = Math.abs(value)));
  return { x };
};

async function quantized(options: Partial<Extract<PassSpec, { pass: 'quantize.static' }>>): Promise<{
  readonly shift: number;
  readonly error: number;
  readonly notes: readonly string[];
}> {
  using context = runningContext(datasetOf(model, rows(1)));
  const result = await staticPass.apply(model, { pass: 'quantize.static', ...options }, context);
  const [got, want] = [await runModel(result.model, rows(2), context), await runModel(model, rows(2), context)];
  const differences = (got['y']?.data as Float32Array).map((value, i) => value - Number(want['y']?.data[i]));
  const mean = (at: number): number => differences.reduce((sum, value, i) => sum + (i % 6 === at ? value / 64 : 0), 0);
  return {
    shift: Math.max(...Array.from({ length: 6 }, (_, at) => Math.abs(mean(at)))),
    error: Math.hypot(...differences),
    notes: result.notes,
  };
}

describe('bias correction', () => {
  it.each([{ weights: 'int4' }, { perChannel: false, weights: 'int4' }] as const)(
    'takes back most of the shift of the outputs on other rows, with %j',
    async (options) => {
      const [plain, corrected] = [await quantized(options), await quantized({ ...options, biasCorrection: true })];
      expect(corrected.shift).toBeLessThan(plain.shift / 3);
      expect(corrected.error).toBeLessThan(plain.error * 0.8);
    },
  );

  it('corrects every product, those side by side in one step, and never makes 8 bits much worse', async () => {
    const [plain, corrected] = [await quantized({}), await quantized({ biasCorrection: true })];
    expect(corrected.notes).toContain(
      'Biases of 6 products corrected by the mean error of each output channel, in 5 steps.',
    );
    expect(corrected.error).toBeLessThan(plain.error * 1.1);
  });

  it('says that there is nothing to correct where no product has a bias', async () => {
    const bare = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 12]);
      const hidden = b.op('Relu', [b.op('MatMul', [x, b.floats('W1', [12, 8], weight([12, 8], 1))])]);
      b.output(b.op('MatMul', [hidden, b.floats('W2', [8, 4], weight([8, 4], 2))], { outputs: ['y'] }), 'float32', [
        'batch',
        4,
      ]);
    });
    using context = runningContext(datasetOf(bare, { x: floats([32, 12], 1) }));
    const { notes } = await staticPass.apply(bare, { pass: 'quantize.static', biasCorrection: true }, context);
    expect(notes).toContain('No bias was corrected: no quantized product has one of its own.');
  });
});
