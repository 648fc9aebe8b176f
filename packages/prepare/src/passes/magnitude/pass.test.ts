import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  buildGraph,
  buildModel,
  createGraph,
  createModel,
  createNode,
  graphAttribute,
  intAttribute,
  initializerOf,
  type Model,
  readModelFile,
  subgraphsOf,
  tensorInfo,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { magnitudePass } from './pass.ts';
import { offlineContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { readFloats } from '../weights.ts';

const matrix = (name: string, values: readonly number[], rows = 1) =>
  initializerOf(name, { dtype: 'float32', shape: [rows, values.length / rows], data: Float32Array.from(values) });

function twoLayers(): Model {
  return createModel({
    graph: createGraph({
      inputs: [tensorInfo('x', 'float32', ['batch', 1])],
      outputs: [tensorInfo('y', 'float32', ['batch', 4])],
      nodes: [
        createNode('MatMul', ['x', 'W1'], ['h'], { name: 'first' }),
        createNode('Reshape', ['W2', 'shape'], ['W2r']),
        createNode('Gemm', ['h', 'W2r', 'bias'], ['y'], { name: 'second' }),
      ],
      initializers: [
        matrix('W1', [1, -2, 3, -4]),
        matrix('W2', [10, -20, 30, -40, 0, 0, 0, 0, 50, -60, 70, -80, 90, 1, 1, 1], 2),
        initializerOf('shape', { dtype: 'int64', shape: [2], data: BigInt64Array.of(4n, 4n) }),
        initializerOf('bias', { dtype: 'float32', shape: [4], data: Float32Array.of(0.1, 0.1, 0.1, 0.1) }),
      ],
    }),
  });
}

const values = (model: Model, name: string): number[] => [...readFloats(model.graph.initializers.get(name)!)];
const zeros = (list: Iterable<number>): number => [...list].filter((value) => value === 0).length;

describe('prune.magnitude', () => {
  it('zeroes what is below the mean of each tensor, seen through a Reshape; biases and nodes stay', async () => {
    const model = twoLayers();
    const result = await magnitudePass.apply(model, { pass: 'prune.magnitude', rule: 'mean' }, offlineContext());
    expect(values(result.model, 'W1')).toEqual([0, 0, 3, -4]);
    expect(values(result.model, 'W2').slice(0, 4)).toEqual([0, 0, 30, -40]);
    expect(values(result.model, 'bias')).toEqual(values(model, 'bias'));
    expect(result.model.graph.nodes).toBe(model.graph.nodes);
    expect(values(model, 'W1')).toEqual([1, -2, 3, -4]);
    expect(result.notes[0]).toBe('55.0 % of 20 weights in 2 tensors are zero (before: 20.0 %).');
    expect(result.notes.at(-1)).toContain('latency do not change');
  });

  it('takes one bound over all tensors with scope global', async () => {
    const spec = { pass: 'prune.magnitude', rule: 'ratio', ratio: 0.5, scope: 'global' } as const;
    const { model } = await magnitudePass.apply(twoLayers(), spec, offlineContext());
    expect(zeros([...values(model, 'W1'), ...values(model, 'W2')])).toBe(10);
    expect(values(model, 'W1')).toEqual([0, 0, 0, -4]);
  });

  it('leaves excluded nodes and tied weights, and says so', async () => {
    const tied = twoLayers();
    const graph = createGraph({
      ...tied.graph,
      initializers: tied.graph.initializers.values(),
      valueInfo: [],
      nodes: [...tied.graph.nodes, createNode('Gather', ['W1', 'x'], ['unused'])],
    });
    const spec = { pass: 'prune.magnitude', rule: 'mean' } as const;
    const result = await magnitudePass.apply(createModel({ graph }), spec, offlineContext());
    expect(result.notes).toContain('Left alone because also read elsewhere (tied weights): W1.');
    const excluded = await magnitudePass.apply(twoLayers(), { ...spec, exclude: ['first'] }, offlineContext());
    expect(excluded.notes).toContain('Left alone because excluded: W1.');
    expect(values(excluded.model, 'W1')).toEqual([1, -2, 3, -4]);
  });

  it('refuses what it cannot do, saying why', async () => {
    const apply = async (model: Model, options: object) =>
      magnitudePass.apply(model, { pass: 'prune.magnitude', rule: 'mean', ...options }, offlineContext());
    await expect(apply(twoLayers(), { rule: 'threshold' })).rejects.toThrow(
      'rule "threshold" needs the option `threshold`',
    );
    await expect(apply(createModel({ graph: createGraph({}) }), {})).rejects.toThrow('no float weights');
    await expect(apply(twoLayers(), { exclude: ['W1', 'secnd'] })).rejects.toThrow('did you mean "second"?');
  });

  it('reaches weights in bodies, and those a body captures; what a body also adds up stays', async () => {
    const body = buildGraph((b) => {
      b.floats('inner', [1, 2], [1, -2]);
      b.op('MatMul', ['x', 'inner'], { outputs: ['i'] });
      b.op('MatMul', ['i', 'outer'], { outputs: ['j'] });
      b.op('Add', ['j', 'tied'], { outputs: ['z'] });
      b.output('z', 'float32', null);
    });
    const model = buildModel((b) => {
      b.input('x', 'float32', [1, 1]);
      b.input('c', 'bool', []);
      b.floats('outer', [2, 1], [3, -4]);
      b.floats('tied', [1, 2], [5, 6]);
      b.op('MatMul', ['x', 'tied'], { outputs: ['w'] });
      const attributes = [graphAttribute('then_branch', body), graphAttribute('else_branch', body)];
      b.op('If', ['c'], { attributes, outputs: ['y'] });
      b.output('y', 'float32', null);
      b.output('w', 'float32', null);
    });
    const result = await magnitudePass.apply(model, { pass: 'prune.magnitude', rule: 'mean' }, offlineContext());
    expect(values(result.model, 'outer')).toEqual([0, -4]);
    expect(values(result.model, 'tied')).toEqual([5, 6]);
    const bodies = result.model.graph.nodes.flatMap(subgraphsOf);
    expect(bodies).toHaveLength(2);
    for (const { initializers } of bodies) expect([...readFloats(initializers.get('inner')!)]).toEqual([0, -2]);
    expect(result.notes).toContain('Left alone because also read elsewhere (tied weights): tied.');
  });

  it('writes what the golden files hold: 2:4 in a grouped convolution and a transposed product, then blocks', async () => {
    const model = buildModel((b) => {
      b.input('x', 'float32', ['n', 8, 1, 1]);
      b.floats('filters', [2, 4, 1, 1], [1, -2, 3, -4, 4, 3, -2, 1]);
      b.floats('W', [3, 2], [1, 5, -6, 2, 3, -4]);
      b.op('Conv', ['x', 'filters'], { attributes: [intAttribute('group', 2)], outputs: ['c'] });
      b.op('Flatten', ['c'], { outputs: ['f'] });
      b.op('Gemm', ['f', 'W'], { attributes: [intAttribute('transB', 1)], outputs: ['y'] });
      b.output('y', 'float32', ['n', 3]);
    });
    const apply = async (options: object): Promise<string> => {
      const spec = { pass: 'prune.magnitude', rule: 'nm', ...options } as const;
      const result = await magnitudePass.apply(model, spec, offlineContext());
      return `${dump(result.model)}\n${result.notes.join('\n')}\n`;
    };
    await expect(await apply({ n: 2, m: 4 })).toMatchFileSnapshot('golden/two-of-four.txt');
    await expect(await apply({ rule: 'ratio', ratio: 0.5, block: [2, 1] })).toMatchFileSnapshot('golden/blocks.txt');
  });

  it('sees the input axis through a Transpose, and says where it cannot', async () => {
    const model = buildModel((b) => {
      b.input('x', 'float32', [1, 4]);
      b.floats('W', [2, 4], [1, 2, 3, 4, 8, 7, 6, 5]);
      b.floats('V', [2, 2], [1, 2, 3, 4]);
      b.integers('shape', [2], [2, 2]);
      b.op('Transpose', ['W'], { outputs: ['T'] });
      b.op('Reshape', ['V', 'shape'], { outputs: ['R'] });
      b.op('MatMul', ['x', 'T'], { outputs: ['h'] });
      b.op('MatMul', ['h', 'R'], { outputs: ['y'] });
      b.output('y', 'float32', null);
    });
    const spec = { pass: 'prune.magnitude', rule: 'nm', n: 2, m: 4 } as const;
    const result = await magnitudePass.apply(model, spec, offlineContext());
    expect(values(result.model, 'W')).toEqual([0, 0, 3, 4, 8, 7, 0, 0]);
    expect(result.notes).toContain('Of every 4 consecutive weights along the input axis at most 2 are not zero.');
    expect(result.notes).toContain('Left alone because a Reshape is between the weight and its operator: V.');
  });

  it('keeps float16 and float64 in their own precision', async () => {
    for (const [dtype, data] of [
      ['float16', Uint16Array.of(0x3c00, 0x0001)],
      ['float64', Float64Array.of(1 + 2 ** -40, 1e-300)],
    ] as const) {
      const W = initializerOf('W', { dtype, shape: [1, 2], data } as never);
      const graph = createGraph({ nodes: [createNode('MatMul', ['x', 'W'], ['y'])], initializers: [W] });
      const spec = { pass: 'prune.magnitude', rule: 'mean' } as const;
      const { model } = await magnitudePass.apply(createModel({ graph }), spec, offlineContext());
      const pruned = model.graph.initializers.get('W')!;
      expect(pruned.dtype).toBe(dtype);
      expect([...readFloats(pruned)]).toEqual([readFloats(W)[0], 0]);
    }
  });

  const mnist = path.resolve(import.meta.dirname, '../../../../../../shared/data/mnist/mnist.onnx');
  it.skipIf(!existsSync(mnist))('zeroes 58.9 % of a real CNN by the mean (needs ../shared/data)', async () => {
    const result = await magnitudePass.apply(
      await readModelFile(mnist),
      { pass: 'prune.magnitude', rule: 'mean' },
      offlineContext(),
    );
    expect(result.notes[0]).toBe('58.9 % of 5,960 weights in 3 tensors are zero (before: 0.0 %).');
  });
});
