/** Products beyond Conv and MatMul with a matrix on the right: they must become integer kernels, or stay and say why. */
import type { Tensors } from '@slipway/core';
import { type Builder, buildModel, floatAttribute, intAttribute, intsAttribute, type Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { attention } from '../testing/quantizable.ts';
import { kernelsOf } from '../testing/kernels.ts';
import { datasetOf, floats, relativeError, runModel, uniform } from '../testing/run.ts';
import { staticPass } from './pass.ts';

type Spec = Parameters<typeof staticPass.apply>[1];

async function quantize(model: Model, rows: Tensors, options: Partial<Spec> = {}) {
  using context = runningContext(datasetOf(model, rows));
  const result = await staticPass.apply(model, { pass: 'quantize.static', ...options }, context);
  const kernels = await kernelsOf(result.model, context);
  const [expected, actual] = [await runModel(model, rows, context), await runModel(result.model, rows, context)];
  const error = Math.max(...Object.keys(expected).map((name) => relativeError(actual[name], expected[name])));
  return { ...result, kernels, error };
}

const model = (body: (b: Builder) => void): Model => buildModel(body, { opset: 13 });

describe('products', () => {
  it('of two computed matrices: all of attention but Softmax computes in integers', async () => {
    const { model: result, kernels, error, notes } = await quantize(attention(), { x: floats([12, 4, 8], 6) });
    await expect(`${dump(attention())}\n---\n\n${dump(result)}`).toMatchFileSnapshot('golden/attention.txt');
    expect(notes[0]).toMatch(/^6 convolutions and matrix products and 0 operators between them/);
    // Those whose results are wanted in 8 bits, and those that give float: to Mul and to Add.
    expect([kernels.get('QLinearMatMul'), kernels.get('MatMulIntegerToFloat')]).toEqual([4, 2]);
    expect([kernels.get('MatMul'), kernels.get('Softmax'), kernels.get('DequantizeLinear')]).toEqual([
      undefined,
      1,
      undefined,
    ]);
    expect(error).toBeLessThan(0.05);
  });

  it('of attention over many tokens, whose weights are less than a 255th', async () => {
    // Similar tokens: every weight is about 1/400.
    const x = floats([1, 400, 8], 6);
    const near = Float32Array.from(x.data as Float32Array, (value, i) => value * 0.1 + (i % 8) / 8);
    const { error } = await quantize(attention(), { x: { dtype: 'float32', shape: x.shape, data: near } });
    expect(error).toBeLessThan(0.05);
  });

  it('leaves a constant mask in float, because one scale for it and the scores would leave nothing of them', async () => {
    const masked = model((b) => {
      const x = b.input('x', 'float32', ['batch', 4, 8]);
      const scores = b.op('MatMul', [x, b.op('Transpose', [x], { attributes: [intsAttribute('perm', [0, 2, 1])] })]);
      const mask = b.floats(
        'mask',
        [4, 4],
        Array.from({ length: 16 }, (_, i) => (i % 4 > i / 4 ? -10000 : 0)),
      );
      const weights = b.op('Softmax', [b.op('Add', [scores, mask])], { attributes: [intAttribute('axis', -1)] });
      b.output(b.op('MatMul', [b.op('MatMul', [weights, x]), b.floats('W', [8, 2], uniform(16, 4))]), 'float32', null);
    });
    const { model: result, error } = await quantize(masked, { x: floats([12, 4, 8], 6) });
    expect(result.graph.initializers.get('mask')?.dtype).toBe('float32');
    expect(error).toBeLessThan(0.05);
  });

  it.each<[string, Model, number[], string]>([
    [
      'with the weight on the left',
      model((b) => {
        const x = b.input('x', 'float32', [8, 5]);
        const hidden = b.op('MatMul', [b.floats('W', [6, 8], uniform(48, 1)), x]);
        b.output(b.op('MatMul', [hidden, b.floats('V', [5, 3], uniform(15, 2))]), 'float32', null);
      }),
      [8, 5],
      'QLinearMatMul',
    ],
    [
      'with a matrix per batch',
      model((b) => {
        const x = b.input('x', 'float32', [2, 4, 8]);
        const hidden = b.op('MatMul', [x, b.floats('W', [2, 8, 6], uniform(96, 1))]);
        b.output(b.op('MatMul', [hidden, b.floats('V', [6, 3], uniform(18, 2))]), 'float32', null);
      }),
      [2, 4, 8],
      'QLinearMatMul',
    ],
    [
      'of a transposed matrix',
      model((b) => {
        const x = b.input('x', 'float32', [8, 4]);
        const attributes = [intAttribute('transA', 1), intAttribute('transB', 1), floatAttribute('alpha', 0.5)];
        const inputs = [x, b.floats('W', [6, 8], uniform(48, 1)), b.floats('b', [6], uniform(6, 2))];
        b.output(b.op('Gemm', inputs, { attributes }), 'float32', null);
      }),
      [8, 4],
      'QGemm',
    ],
  ])('%s', async (_, source, shape, kernel) => {
    const { kernels, error } = await quantize(source, { x: floats(shape, 7) });
    expect(kernels.get(kernel)).toBe(1);
    expect([kernels.get('MatMul'), kernels.get('Gemm')]).toEqual([undefined, undefined]);
    expect(error).toBeLessThan(0.03);
  });

  it('leaves a weight on the left beside int8 activations, and says why', async () => {
    const source = model((b) => {
      const x = b.input('x', 'float32', [8, 5]);
      const hidden = b.op('MatMul', [b.floats('W', [6, 8], uniform(48, 1)), x], { name: 'left' });
      b.output(b.op('MatMul', [hidden, b.floats('V', [5, 3], uniform(15, 2))]), 'float32', null);
    });
    const { notes } = await quantize(source, { x: floats([8, 5], 7) }, { activations: 'int8' });
    expect(notes).toContain(
      'Left in float: MatMul node "left": the weight is the left factor, for which there is no kernel with int8 activations.',
    );
  });

  it.each([1, 2])(
    'stores the weight of a transposed convolution of %i groups, and computes it in float',
    async (group) => {
      const source = model((b) => {
        const x = b.input('x', 'float32', ['batch', 4, 4, 4]);
        const conv = b.op('Conv', [x, b.floats('W', [4, 4, 1, 1], uniform(16, 1))]);
        const attributes = [intAttribute('group', group), intsAttribute('strides', [2, 2])];
        const up = b.op('ConvTranspose', [conv, b.floats('U', [4, 3, 2, 2], uniform(48, 2))], { attributes });
        b.output(up, 'float32', null);
      });
      const { model: result, kernels, error, notes } = await quantize(source, { x: floats([6, 4, 4, 4], 7) });
      expect(notes).toContain(
        '1 transposed convolution stored with int8 weights, computed in float: there is no integer kernel.',
      );
      expect(result.graph.initializers.get('U_quantized')?.dtype).toBe('int8');
      expect(result.graph.initializers.get('U_scale')?.dims).toEqual(group === 1 ? [3] : []);
      expect(kernels.get('ConvTranspose')).toBe(1);
      expect(error).toBeLessThan(0.03);
    },
  );
});
