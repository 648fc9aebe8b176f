import {
  createGraph,
  createModel,
  createNode,
  initializerOf,
  intAttribute,
  intsAttribute,
  type Model,
  type Node,
  tensorInfo,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { floats, floatWeight, runModel } from '../testing/run.ts';
import { batchPass } from './pass.ts';

const spec = { pass: 'batch.dynamic' } as const;

const integers = (name: string, values: number[]) =>
  initializerOf(name, { dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) });

function model(nodes: readonly Node[], output: (number | string)[] = [1, 3]): Model {
  return createModel({
    graph: createGraph({
      inputs: [tensorInfo('x', 'float32', [1, 2, 4])],
      outputs: [tensorInfo('y', 'float32', output)],
      nodes,
      initializers: [
        integers('to_flat', [1, 8]),
        integers('infer', [-1, 8]),
        integers('merge', [2, 4]),
        integers('rest', [-1]),
        integers('axis0', [0]),
        integers('axis1', [1]),
        floatWeight('W', [8, 3], 1),
        floatWeight('L', [5, 2], 2),
        floatWeight('B', [2, 3], 3),
      ],
      valueInfo: [tensorInfo('flat', 'float32', [1, 8])],
    }),
  });
}

const reshaped = (shape: string): Node => createNode('Reshape', ['x', shape], ['flat'], { name: 'reshape' });
const dense = createNode('MatMul', ['flat', 'W'], ['y'], { name: 'dense' });

describe('batch.dynamic', () => {
  it('frees axis 0, rewrites the Reshape, forgets stale shapes, and verifies', async () => {
    using context = runningContext();
    const source = model([reshaped('to_flat'), dense]);
    const result = await batchPass.apply(source, spec, context);
    await expect(`${dump(source)}\n---\n\n${dump(result.model)}`).toMatchFileSnapshot('golden/reshape.txt');
    expect(result.model.graph.valueInfo.size).toBe(0);
    const { y } = await runModel(result.model, { x: floats([5, 2, 4], 1) }, context);
    expect(y?.shape).toEqual([5, 3]);
    expect(result.notes).toEqual([
      'Axis 0 of every input and output may vary; 1 Reshape followed.',
      'Verified: 3 rows in one call give what they give one by one.',
    ]);
  });

  it.each([
    [
      'a Reshape that merges rows',
      [reshaped('merge'), createNode('MatMul', ['L', 'flat'], ['z']), createNode('Softmax', ['z'], ['y'])],
      'Reshape node "reshape": it computes across rows',
    ],
    [
      'a reduction over rows',
      [createNode('ReduceSum', ['x', 'axis0'], ['y'], { name: 'sum' })],
      'ReduceSum node "sum": it computes across rows',
    ],
    [
      'a reduction over everything',
      [createNode('ReduceMax', ['x'], ['y'], { name: 'max' })],
      'it computes across rows',
    ],
    [
      'softmax over rows',
      [createNode('Softmax', ['x'], ['y'], { attributes: [intAttribute('axis', 0)] })],
      'it computes across rows',
    ],
    [
      'softmax over rows, counted from the end',
      [createNode('Softmax', ['x'], ['y'], { attributes: [intAttribute('axis', -3)] })],
      'it computes across rows',
    ],
    [
      'a transposed batch axis',
      [createNode('Transpose', ['x'], ['y'], { attributes: [intsAttribute('perm', [1, 0, 2])] })],
      'it moves the axis of the rows',
    ],
    [
      'a constant with rows',
      [reshaped('to_flat'), createNode('MatMul', ['flat', 'W'], ['z']), createNode('Add', ['z', 'B'], ['y'])],
      'do not have their rows on the same axis',
    ],
    [
      'rows of another rank',
      [reshaped('to_flat'), createNode('Mul', ['x', 'flat'], ['y'])],
      'do not have their rows on the same axis',
    ],
    [
      'one range for all rows',
      [createNode('DynamicQuantizeLinear', ['x'], ['y', 's', 'z'])],
      'before quantize.dynamic',
    ],
    [
      'an operator it does not know',
      [createNode('Einsum', ['x'], ['y'], { name: 'e' })],
      'Einsum node "e": it is not known whether it keeps rows apart',
    ],
    [
      'an output without rows',
      [createNode('Identity', ['W'], ['y'])],
      'the output "y" does not have one row per input row',
    ],
  ] as const)('refuses %s', async (_, nodes, problem) => {
    expect(batchPass.assess(model(nodes))).toMatchObject({ applicable: false });
    await expect(async () => batchPass.apply(model(nodes), spec, offlineContext())).rejects.toThrow(problem);
  });

  it('lets a computed shape follow the batch, and refuses by measurement when it does not', async () => {
    const withTarget = (axis: string): Model =>
      model([
        createNode('Shape', ['x'], ['sizes']),
        createNode('Gather', ['sizes', axis], ['size']),
        createNode('Concat', ['size', 'rest'], ['target'], { attributes: [intAttribute('axis', 0)] }),
        createNode('Reshape', ['x', 'target'], ['y']),
      ]);
    using context = runningContext();
    await expect(batchPass.apply(withTarget('axis0'), spec, context)).resolves.toBeDefined();
    await expect(batchPass.apply(withTarget('axis1'), spec, context)).rejects.toThrow(
      'rows influence each other: output "y" has shape [2, 12] for 3 rows',
    );
  });

  it('has nothing to do where the batch is free already, and refuses other fixed sizes', async () => {
    const withBatch = (batch: number | string): Model =>
      createModel({
        graph: createGraph({
          inputs: [tensorInfo('x', 'float32', [batch, 2])],
          outputs: [tensorInfo('y', 'float32', [batch, 2])],
          nodes: [createNode('Relu', ['x'], ['y'])],
        }),
      });
    expect(batchPass.assess(withBatch('n')).summary).toBe('axis 0 of every input may vary already');
    expect(batchPass.assess(withBatch(4)).summary).toBe('axis 0 of the input "x" is not 1');
  });
});
