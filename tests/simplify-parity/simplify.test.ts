/**
 * What ONNX Runtime computes before and after `simplify` is the same: bit for bit in exact mode, within rounding
 * otherwise. On random models, and on real ones where they are at hand.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor, Tensors } from '@slipway/core';
import {
  decodeModel,
  encodeModel,
  isTensorType,
  type Model,
  readModelFile,
  REWRITE_TABLE,
  signatureOf,
  simplify,
  type SimplifyOptions,
} from '@slipway/onnx';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench, expectSame } from './bench.ts';
import { BATCH, randomModel } from './random-graph.ts';

const bench = new Bench();
afterAll(() => bench[Symbol.dispose]());

function inputsOf(
  model: Model,
  value: (name: string, index: number) => number = (_, index) => Math.sin(index * 7),
): Tensors {
  return Object.fromEntries(
    signatureOf(model).inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const dims = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : BATCH));
      const length = dims.reduce((product, dim) => product * dim, 1);
      const data =
        dtype === 'int64'
          ? BigInt64Array.from({ length }, (_, index) =>
              BigInt(name === 'input_mask' ? 1 : name === 'input_ids' ? (index * 37) % 500 : 0),
            )
          : Float32Array.from({ length }, (_, index) => value(name, index));
      return [name, { dtype, shape: dims, data } as Tensor];
    }),
  );
}

/** More and other models: SIMPLIFY_RUNS=1000 SIMPLIFY_SEED=2 vitest run tests/simplify-parity. */
const RUNS = Number(process.env['SIMPLIFY_RUNS'] ?? 150);
const SEED = Number(process.env['SIMPLIFY_SEED'] ?? 7);
const numbers = fc.array(fc.nat(10_000), { minLength: 60, maxLength: 200, size: 'max' });

describe.each<[string, SimplifyOptions, number]>([
  ['exact', { exact: true }, 0],
  ['rounding', {}, 1e-4],
])('%s mode', (_, options, relative) => {
  it('keeps what random models compute, and never makes them larger', async () => {
    const applied = new Set<string>();
    await fc.assert(
      fc.asyncProperty(numbers, async (choices) => {
        const model = decodeModel(encodeModel(randomModel(choices)));
        const result = simplify(model, options);
        expect(result.settled).toBe(true);
        // An Einsum is one node where a product with what arranges its operands is up to six.
        const spelt = 5 * (result.applied.get('replace-einsum') ?? 0);
        expect(result.nodesAfter).toBeLessThanOrEqual(result.nodesBefore + spelt);
        for (const name of result.applied.keys()) applied.add(name);
        // What came out is a fixed point, and the same every time.
        expect([...simplify(result.model, options).applied.keys()]).toEqual([]);
        expect(Buffer.compare(encodeModel(simplify(model, options).model), encodeModel(result.model))).toBe(0);
        const inputs = inputsOf(model);
        const expected = await bench.run(model, inputs);
        expectSame(await bench.run(result.model, inputs), expected, relative);
      }),
      { numRuns: RUNS, seed: SEED, endOnFailure: true },
    );
    // A test of rewrites that did not happen proves nothing.
    const expected = REWRITE_TABLE.filter(({ exactness }) => exactness === 'exact' || relative > 0).map(
      ({ name }) => name,
    );
    expect(expected.filter((name) => !applied.has(name))).toEqual([]);
  });
});

it('writes the shapes of inputs that are given into the model, and uses them', async () => {
  const model = randomModel([4, ...Array.from({ length: 80 }, (_, index) => index * 31)]);
  const shape = signatureOf(model).inputs[0]!.shape!.map((dim) => (typeof dim === 'number' ? dim : BATCH));
  const result = simplify(model, { inputShapes: new Map([['x', shape]]) });
  const [first] = result.model.graph.inputs;
  expect(isTensorType(first?.type) && first.type.shape).toEqual(shape);
  const inputs = inputsOf(model);
  expectSame(await bench.run(result.model, inputs), await bench.run(model, inputs), 1e-4);
});

const data = join(import.meta.dirname, '../../../shared/data');
const present = existsSync(join(data, 'mnist/mnist.onnx'));

/** Nodes that remain; a rewrite that stops to apply shows here. `folded`: with constants of any size. */
const REAL = [
  { file: 'mnist/mnist.onnx', before: 12, after: 8, folded: 8 },
  { file: 'sentiment/sentiment.onnx', before: 185, after: 89, folded: 89 },
  { file: 'onnx-light/light_squeezenet.onnx', before: 105, after: 72, folded: 65 },
  { file: 'onnx-light/light_shufflenet.onnx', before: 446, after: 179, folded: 154 },
  { file: 'onnx-light/light_resnet50.onnx', before: 415, after: 185, folded: 123 },
  { file: 'onnx-light/light_densenet121.onnx', before: 1746, after: 452, folded: 367 },
];

describe.skipIf(!present)('real models (skipped where shared/data is absent)', () => {
  it.each(REAL)('$file: $before nodes → $after, $folded', async ({ file, before, after, folded }) => {
    const model = await readModelFile(join(data, file));
    const inputs = inputsOf(model, (_, index) => (Math.sin(index) + 1) / 2);
    const expected = await bench.run(model, inputs);
    // A weight that was computed and is a constant now is packed ahead, and then summed in another order, unless
    // the engine folds it in both: so this comparison alone lets it.
    const exact = simplify(model, { exact: true });
    expectSame(await bench.run(exact.model, inputs, 'basic'), await bench.run(model, inputs, 'basic'), 0);
    const usual = simplify(model);
    expectSame(await bench.run(usual.model, inputs), expected, 1e-4);
    const all = simplify(model, { maxFoldedBytes: Infinity });
    expectSame(await bench.run(all.model, inputs), expected, 1e-4);
    expect([usual.nodesBefore, usual.nodesAfter, all.nodesAfter]).toEqual([before, after, folded]);
    // Weights made of one number each are not written out.
    expect(encodeModel(usual.model).length).toBeLessThan(readFileSync(join(data, file)).length + 2 * 64 * 1024 * 10);
  });
});
