/** A product of rank 3 with a bias, in int8 and an operator set that ONNX Runtime trips over: see widen.ts. */
import { buildGraph, buildModel, graphAttribute, type Builder, type Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { runningContext } from '../testing/context.ts';
import { kernelsOf } from '../testing/kernels.ts';
import { datasetOf, floats, relativeError, runModel, uniform } from '../testing/run.ts';
import { staticPass } from './pass.ts';

const layer = (b: Builder, x: string, W: string, bias: string): string =>
  b.op('Add', [bias, b.op('MatMul', [x, W], { name: 'project' })], { outputs: ['added'] });
const weight = (b: Builder): string => b.floats('W', [8, 8], uniform(64, 1));
const bias = (b: Builder): string => b.floats('bias', [8], uniform(8, 2));

const dense = (opset: number): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 4, 8]);
      const y = layer(b, x, weight(b), bias(b));
      b.output(b.op('Tanh', [y], { outputs: ['y'] }), 'float32', ['batch', 4, 8]);
    },
    { opset },
  );

/** The same in a branch, with constants from outside. */
const inBranch = (opset: number): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 4, 8]);
      const [W, added] = [weight(b), bias(b)];
      const yes = b.constant('yes', { dtype: 'bool', shape: [], data: Uint8Array.of(1) });
      const then = buildGraph((inner) => inner.output(layer(inner, x, W, added), 'float32', null), 'then');
      const other = buildGraph((inner) => inner.output(inner.op('Neg', [x]), 'float32', null), 'other');
      const attributes = [graphAttribute('then_branch', then), graphAttribute('else_branch', other)];
      b.output(b.op('If', [yes], { attributes, outputs: ['y'] }), 'float32', null);
    },
    { opset },
  );

describe('int8 activations and a bias behind a product of rank 3', () => {
  it.each([
    ['in the main graph', dense],
    ['in a branch', inBranch],
  ])('load and answer in every operator set, %s', async (_, make) => {
    for (const opset of [17, 21, 22]) {
      const source = make(opset);
      using context = runningContext(datasetOf(source, { x: floats([24, 4, 8], 3) }));
      const { model } = await staticPass.apply(source, { pass: 'quantize.static', activations: 'int8' }, context);
      const inputs = { x: floats([5, 4, 8], 4) };
      const [expected, actual] = [await runModel(source, inputs, context), await runModel(model, inputs, context)];
      expect(relativeError(actual['y'], expected['y'])).toBeLessThan(0.03);
    }
  });

  it('leave the product an integer kernel', async () => {
    const source = dense(21);
    using context = runningContext(datasetOf(source, { x: floats([24, 4, 8], 3) }));
    const { model } = await staticPass.apply(source, { pass: 'quantize.static', activations: 'int8' }, context);
    const kernels = await kernelsOf(model, context);
    expect([...kernels.keys()].filter((op) => /^(?:QLinearMatMul|MatMulIntegerToFloat)$/.test(op))).toHaveLength(1);
  });
});
