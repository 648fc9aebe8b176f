import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  createGraph,
  createModel,
  createNode,
  initializerOf,
  type Model,
  readModelFile,
  tensorInfo,
} from '@slipway/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { magnitudePass, zeroSmallest } from './magnitude.ts';
import { offlineContext } from './testing/context.ts';
import { readFloats } from './weights.ts';

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

  it('zeroes exactly the share asked for, smallest first, and always the same', () => {
    const list = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 40 });
    const ratio = fc.double({ min: 0.01, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(list, list, ratio, (first, second, share) => {
        const run = (): number[] => {
          const arrays = [Float32Array.from(first), Float32Array.from(second)];
          zeroSmallest(arrays, { rule: 'ratio', ratio: share });
          return arrays.flatMap((array) => [...array]);
        };
        const before = [...first, ...second];
        const after = run();
        expect(run()).toEqual(after);
        expect(zeros(after)).toBe(Math.max(Math.round(before.length * share), zeros(before)));
        const lost = before.filter((value, i) => after[i] !== value).map(Math.abs);
        const left = after.filter((value) => value !== 0).map(Math.abs);
        expect(Math.max(0, ...lost)).toBeLessThanOrEqual(Math.min(Infinity, ...left));
      }),
    );
  });

  it('never zeroes or counts what is not finite', () => {
    const array = Float32Array.of(NaN, Infinity, 1, 2, -Infinity, 3);
    zeroSmallest([array], { rule: 'mean' });
    expect([...array]).toEqual([NaN, Infinity, 0, 2, -Infinity, 3]);
    zeroSmallest([array], { rule: 'ratio', ratio: 0.99 });
    expect([...array]).toEqual([NaN, Infinity, 0, 0, -Infinity, 0]);
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

  const mnist = path.resolve(import.meta.dirname, '../../../../../shared/data/mnist/mnist.onnx');
  it.skipIf(!existsSync(mnist))('zeroes 58.9 % of a real CNN by the mean (needs ../shared/data)', async () => {
    const result = await magnitudePass.apply(
      await readModelFile(mnist),
      { pass: 'prune.magnitude', rule: 'mean' },
      offlineContext(),
    );
    expect(result.notes[0]).toBe('58.9 % of 5,960 weights in 3 tensors are zero (before: 0.0 %).');
  });
});
