import {
  createGraph,
  createModel,
  createNode,
  floatAttribute,
  initializerOf,
  intAttribute,
  type Model,
  tensorInfo,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { bytesOfModel, floats, floatWeight, relativeError, runModel } from '../testing/run.ts';
import { dynamicPass } from './pass.ts';

const matrix = (name: string, shape: number[], data: number[]) =>
  initializerOf(name, { dtype: 'float32', shape, data: Float32Array.from(data) });

/** Two products that read the same tensor, one of them with the same weight as a third. */
function small(): Model {
  return createModel({
    graph: createGraph({
      inputs: [tensorInfo('x', 'float32', ['batch', 2])],
      outputs: [tensorInfo('sum', 'float32', ['batch', 2])],
      nodes: [
        createNode('MatMul', ['x', 'W'], ['a'], { name: 'first' }),
        createNode('Gemm', ['x', 'G', 'b'], ['g'], {
          name: 'second',
          attributes: [intAttribute('transB', 1), floatAttribute('alpha', 0.5), floatAttribute('beta', 2)],
        }),
        createNode('MatMul', ['a', 'W'], ['c'], { name: 'third' }),
        createNode('Add', ['c', 'g'], ['sum']),
      ],
      initializers: [
        matrix('W', [2, 2], [1, -2, 127, 254]),
        matrix('G', [2, 2], [2, 4, 254, -508]),
        matrix('b', [2], [0.5, 1]),
      ],
    }),
  });
}

const spec = { pass: 'quantize.dynamic' } as const;

describe('quantize.dynamic', () => {
  it('emits the nodes that ONNX Runtime fuses, sharing activations and weights', async () => {
    const { model, notes } = await dynamicPass.apply(small(), spec, offlineContext());
    await expect(`${dump(small())}\n---\n\n${dump(model)}`).toMatchFileSnapshot('golden/products.txt');
    expect(notes[0]).toBe('3 matrix products compute in 8-bit integers; constants 40 → 36 bytes.');
    expect(dynamicPass.assess(small()).targets).toBe(3);
  });

  it('uses one scale per tensor when asked to', async () => {
    const { model } = await dynamicPass.apply(small(), { ...spec, perChannel: false }, offlineContext());
    expect(model.graph.initializers.get('W_scale')?.dims).toEqual([]);
  });

  it('stores embeddings in 8 bits, and leaves lookups and tables that would not gain', async () => {
    const model = createModel({
      graph: createGraph({
        inputs: [tensorInfo('ids', 'int64', ['batch', 'sequence'])],
        outputs: [tensorInfo('y', 'float32', ['batch', 'sequence', 4])],
        nodes: [
          createNode('Gather', ['table', 'ids'], ['word'], { name: 'word' }),
          createNode('Gather', ['tiny', 'ids'], ['segment'], { name: 'segment' }),
          createNode('Add', ['word', 'segment'], ['y']),
        ],
        initializers: [floatWeight('table', [100, 4], 1), floatWeight('tiny', [2, 4], 2)],
      }),
    });
    const result = await dynamicPass.apply(model, spec, offlineContext());
    await expect(dump(result.model)).toMatchFileSnapshot('golden/embedding.txt');
    expect(result.notes).toContain('Left in float: Gather node "segment": the embedding would not become smaller.');

    using context = runningContext();
    const ids = { ids: { dtype: 'int64', shape: [1, 2], data: BigInt64Array.of(0n, 1n) } } as const;
    const expected = await runModel(model, ids, context);
    const actual = await runModel(result.model, ids, context);
    expect(relativeError(actual['y'], expected['y'])).toBeLessThan(0.01);
  });

  it('computes nearly what the float model computes, and the same bytes every time', async () => {
    const large = createModel({
      graph: createGraph({
        inputs: [tensorInfo('x', 'float32', ['batch', 64])],
        outputs: [tensorInfo('y', 'float32', ['batch', 32])],
        nodes: [
          createNode('MatMul', ['x', 'W'], ['h']),
          createNode('Relu', ['h'], ['r']),
          createNode('Gemm', ['r', 'V', 'b'], ['y'], { attributes: [intAttribute('transB', 1)] }),
        ],
        initializers: [floatWeight('W', [64, 128], 1), floatWeight('V', [32, 128], 2), floatWeight('b', [1, 32], 3)],
      }),
    });
    const first = await dynamicPass.apply(large, spec, offlineContext());
    const second = await dynamicPass.apply(large, spec, offlineContext());
    expect(bytesOfModel(first.model)).toBe(bytesOfModel(second.model));
    using context = runningContext();
    const inputs = { x: floats([5, 64], 4) };
    const expected = await runModel(large, inputs, context);
    const actual = await runModel(first.model, inputs, context);
    expect(relativeError(actual['y'], expected['y'])).toBeLessThan(0.02);
    const half = await dynamicPass.apply(small(), spec, offlineContext());
    const pair = { x: floats([3, 2], 5) };
    const want = await runModel(small(), pair, context);
    expect(relativeError((await runModel(half.model, pair, context))['sum'], want['sum'])).toBeLessThan(0.03);
  });

  it('leaves what is excluded, by the name of the node or of the weight', async () => {
    const byNode = await dynamicPass.apply(small(), { ...spec, exclude: ['second'] }, offlineContext());
    expect(byNode.model.graph.nodes.map(({ op }) => op)).toContain('Gemm');
    expect(byNode.notes).toContain('Left alone because excluded: Gemm node "second".');
    const nothing = async () => dynamicPass.apply(small(), { ...spec, exclude: ['W', 'G'] }, offlineContext());
    await expect(nothing()).rejects.toThrow('Pass quantize.dynamic cannot be applied');
  });

  it('keeps a weight that something else still reads', async () => {
    const { graph } = small();
    const nodes = [
      ...graph.nodes,
      createNode('Transpose', ['W'], ['Wt']),
      createNode('MatMul', ['Wt', 'g'], ['unused']),
    ];
    const shared = createModel({ graph: { ...graph, nodes } });
    const { model } = await dynamicPass.apply(shared, { ...spec, exclude: ['third'] }, offlineContext());
    expect(model.graph.initializers.has('W')).toBe(true);
    expect(model.graph.initializers.has('W_quantized')).toBe(true);
  });

  it('says that convolutions are for quantize.static', async () => {
    const graph = createGraph({
      nodes: [createNode('Conv', ['x', 'W'], ['y'])],
      initializers: [floatWeight('W', [2, 2, 3, 3], 1)],
    });
    expect(dynamicPass.assess(createModel({ graph }))).toEqual({
      applicable: false,
      targets: 0,
      summary: 'only convolutions: quantize.static is the pass for them',
    });
  });
});
