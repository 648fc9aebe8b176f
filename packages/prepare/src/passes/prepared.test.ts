import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  createGraph,
  createModel,
  createNode,
  initializerOf,
  intAttribute,
  intsAttribute,
  isExternal,
  type Model,
  readModelFile,
  tensorAttribute,
  tensorInfo,
  writeModelFile,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { PASSES } from './index.ts';
import { prepared } from './prepared.ts';
import { offlineContext } from './testing/context.ts';
import { dump } from './testing/dump.ts';
import { bytesOfModel, floatWeight } from './testing/run.ts';

const integers = (name: string, values: number[]) =>
  initializerOf(name, { dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) });

const small = initializerOf('W', { dtype: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) });

function withNodes(nodes: Parameters<typeof createGraph>[0]['nodes'] & object, opset = 13): Model {
  return createModel({
    opsets: [['', opset]],
    graph: createGraph({
      inputs: [tensorInfo('x', 'float32', ['n', 3]), tensorInfo('W', 'float32', [2, 3])],
      outputs: [tensorInfo('y', 'float32', null)],
      nodes,
      initializers: [small, integers('flat', [3, -1]), integers('axes', [0]), integers('dims', [2, 2])],
    }),
  });
}

describe('prepared', () => {
  it('folds what only moves constants, keeping the names a person knows', async () => {
    const { model, origins } = prepared(
      withNodes([
        createNode('Reshape', ['W', 'flat'], ['a'], { name: 'reshape' }),
        createNode('Transpose', ['a'], ['b'], { name: 'transpose' }),
        createNode('Unsqueeze', ['b', 'axes'], ['c']),
        createNode('Squeeze', ['c', 'axes'], ['d']),
        createNode('Identity', ['d'], ['e']),
        createNode('ConstantOfShape', ['dims'], ['filled'], {
          attributes: [
            tensorAttribute('value', initializerOf('', { dtype: 'float32', shape: [1], data: Float32Array.of(0.5) })),
          ],
        }),
        createNode('Constant', [], ['list'], { attributes: [intsAttribute('value_ints', [7, 8])] }),
        createNode('Flatten', ['e'], ['f'], { attributes: [intAttribute('axis', 0)] }),
        createNode('Concat', ['f', 'filled', 'list', 'e'], ['y']),
      ]),
    );
    await expect(dump(model)).toMatchFileSnapshot('golden/folded.txt');
    expect(origins.get('f')).toEqual(['W', 'flat', 'reshape', 'transpose', 'axes', 'axes']);
  });

  it('leaves a constant that is an output, and a reshape that does not fit', () => {
    const { model } = prepared(
      withNodes([createNode('Reshape', ['W', 'dims'], ['a']), createNode('Identity', ['W'], ['y'])]),
    );
    expect(model.graph.nodes.map(({ op }) => op)).toEqual(['Reshape', 'Identity']);
  });

  it('refuses a model that cannot be raised, in assess and apply', async () => {
    const old = withNodes(
      [createNode('MatMul', ['x', 'W'], ['h']), createNode('Frobnicate', ['h', 'a', 'b'], ['y'])],
      9,
    );
    const pass = PASSES['quantize.dynamic'];
    expect(pass.assess(old)).toMatchObject({ applicable: false, targets: 0 });
    expect(pass.assess(old).summary).toContain('cannot be raised to 13');
    await expect(async () => pass.apply(old, { pass: 'quantize.dynamic' }, offlineContext())).rejects.toThrow(
      'Pass quantize.dynamic cannot be applied: the model is in operator set 9',
    );
  });
});

describe('weights that are not in the model file, or not numbers', () => {
  const product = (values: Float32Array): Model =>
    createModel({
      graph: createGraph({
        inputs: [tensorInfo('x', 'float32', ['n', 64])],
        outputs: [tensorInfo('y', 'float32', ['n', 32])],
        nodes: [createNode('Transpose', ['W'], ['Wt']), createNode('MatMul', ['x', 'Wt'], ['y'])],
        initializers: [initializerOf('W', { dtype: 'float32', shape: [32, 64], data: values })],
      }),
    });
  const values = floatWeight('W', [32, 64], 1);

  it('reads external data when it is needed, with the same result', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'slipway-external-'));
    try {
      const inside = createModel({
        graph: { ...product(new Float32Array(2048)).graph, initializers: new Map([['W', values]]) },
      });
      await writeModelFile(path.join(directory, 'model.onnx'), inside, { weights: 'external' });
      const outside = await readModelFile(path.join(directory, 'model.onnx'));
      expect([...outside.graph.initializers.values()].map(isExternal)).toEqual([true]);
      for (const spec of [{ pass: 'quantize.dynamic' }, { pass: 'prune.magnitude', rule: 'mean' }] as const) {
        const [expected, actual] = await Promise.all(
          [inside, outside].map(async (model) => PASSES[spec.pass].apply(model, spec as never, offlineContext())),
        );
        const constants = (result = expected): string => dump(result!.model);
        expect(constants(actual)).toBe(constants(expected));
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('refuses to quantize what is not finite', async () => {
    const model = product(new Float32Array(2048).fill(NaN));
    const apply = async () => PASSES['quantize.dynamic'].apply(model, { pass: 'quantize.dynamic' }, offlineContext());
    await expect(apply()).rejects.toThrow('the constant "Wt" has values that are not finite');
    expect(bytesOfModel(model)).toBe(bytesOfModel(product(new Float32Array(2048).fill(NaN))));
  });
});
