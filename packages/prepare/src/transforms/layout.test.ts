/** Images channels first or last at the border: a fused `transpose` cancels against those that converters leave behind. */
import { tensor, type Tensors, transform } from '@slipway/core';
import { buildModel, intsAttribute, type Model, simplify } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { runningContext } from '../passes/testing/context.ts';
import { relativeError, runModel, uniform } from '../passes/testing/run.ts';
import { fuseTransforms } from './fuse.ts';

/** As converted from TensorFlow: takes NHWC, computes NCHW, with a Transpose at the border and elementwise operators before it. */
function channelsLast(): Model {
  return buildModel((b) => {
    const x = b.input('image', 'float32', ['n', 4, 4, 3]);
    const scaled = b.op('Mul', [x, b.floats('scale', [3], [0.5, 1, 2])]);
    const first = b.op('Transpose', [scaled], { attributes: [intsAttribute('perm', [0, 3, 1, 2])] });
    const conv = b.op('Conv', [first, b.floats('w', [5, 3, 3, 3], uniform(135, 3))]);
    const flat = b.op('Flatten', [b.op('Relu', [conv])]);
    b.output(b.op('MatMul', [flat, b.floats('v', [20, 2], uniform(40, 4))], { outputs: ['y'] }), 'float32', ['n', 2]);
  });
}

const run = async (model: Model, inputs: Tensors): Promise<Tensors> => {
  using context = runningContext();
  return await runModel(model, inputs, context);
};

describe('the layout of images at the border', () => {
  it('lets a model of channels last take channels first, without a Transpose that was there', async () => {
    const source = channelsLast();
    // What a client sends, [3, 4, 4], becomes the [4, 4, 3] of the model.
    const fused = fuseTransforms(source, { inputs: [transform.transpose({ from: 'image', order: [1, 2, 0] })] }, null);
    const { model } = simplify(fused.model);
    expect(model.graph.nodes.map(({ op }) => op)).not.toContain('Transpose');
    const data = uniform(96, 7);
    // NCHW → NHWC by hand.
    const moved = Float32Array.from(data, (_, i) => {
      const [n, pixel, channel] = [Math.floor(i / 48), Math.floor((i % 48) / 3), i % 3];
      return data[n * 48 + channel * 16 + pixel] ?? 0;
    });
    const expected = await run(source, { image: tensor('float32', [2, 4, 4, 3], moved) });
    const actual = await run(model, { image: tensor('float32', [2, 3, 4, 4], Float32Array.from(data)) });
    expect(relativeError(actual['y'], expected['y'])).toBeLessThan(1e-5);
  });
});
