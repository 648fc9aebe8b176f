/** What ONNX Runtime computes before and after the operator set is raised is the same, bit for bit. */
import { decodeModel, encodeModel, type Model, signatureOf, upgradeOpset } from '@slipway/onnx';
import { buildModel, intAttribute } from '@slipway/onnx';
import type { Tensors } from '@slipway/core';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench, expectSame } from './bench.ts';
import { BATCH, randomModel } from './random-graph.ts';

const bench = new Bench();
afterAll(() => bench[Symbol.dispose]());

const NEWER = [21, 22, 23, 24, 25, 26];

function inputsOf(model: Model): Tensors {
  return Object.fromEntries(
    signatureOf(model).inputs.map(({ name, shape }) => {
      const dims = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : BATCH));
      const length = dims.reduce((product, dim) => product * dim, 1);
      return [name, { dtype: 'float32', shape: dims, data: Float32Array.from({ length }, (_, i) => Math.sin(i * 7)) }];
    }),
  );
}

describe('upgradeOpset', () => {
  it('keeps what random models compute', async () => {
    const numbers = fc.array(fc.nat(10_000), { minLength: 60, maxLength: 200, size: 'max' });
    await fc.assert(
      fc.asyncProperty(numbers, fc.constantFrom(...NEWER), async (choices, target) => {
        const model = decodeModel(encodeModel(randomModel(choices)));
        const upgraded = upgradeOpset(model, target);
        expect(upgraded.opsets.get('')).toBe(target);
        const inputs = inputsOf(model);
        expectSame(await bench.run(upgraded, inputs), await bench.run(model, inputs), 0);
      }),
      { numRuns: 60, seed: 3, endOnFailure: true },
    );
  });

  it('writes parameters of groups per channel', async () => {
    const model = buildModel(
      (b) => {
        const x = b.input('x', 'float32', ['n', 6, 5]);
        const parameters = [b.floats('s', [3], [1, -2, 3]), b.floats('b', [3], [0.5, 1, 2])];
        b.op('GroupNormalization', [x, ...parameters], { attributes: [intAttribute('num_groups', 3)], outputs: ['y'] });
        b.output('y', 'float32', ['n', 6, 5]);
      },
      { opset: 18 },
    );
    const inputs = inputsOf(model);
    // The engine expands the operator of either set into others, with sums in another order.
    expectSame(await bench.run(upgradeOpset(model, 21), inputs), await bench.run(model, inputs), 1e-5);
  });
});
