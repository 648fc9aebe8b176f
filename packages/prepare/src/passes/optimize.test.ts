import { createGraph, createModel, createNode, type Model, tensorInfo } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { optimizePass } from './optimize.ts';
import { runningContext } from './testing/context.ts';
import { bytesOfModel, floats, floatWeight, relativeError, runModel } from './testing/run.ts';

function chain(): Model {
  return createModel({
    producer: { name: 'exporter', version: '1' },
    graph: createGraph({
      inputs: [tensorInfo('x', 'float32', ['batch', 8])],
      outputs: [tensorInfo('y', 'float32', ['batch', 4])],
      nodes: [
        createNode('Identity', ['x'], ['i'], { name: 'identity' }),
        createNode('Transpose', ['W'], ['Wt'], { name: 'transpose' }),
        createNode('MatMul', ['i', 'Wt'], ['m'], { name: 'matmul' }),
        createNode('Add', ['m', 'b'], ['y'], { name: 'add' }),
      ],
      initializers: [floatWeight('W', [4, 8], 1), floatWeight('b', [4], 2)],
    }),
  });
}

describe('optimize', () => {
  it('folds and fuses into standard operators, the same bytes every time, with the same results', async () => {
    using context = runningContext();
    const first = await optimizePass.apply(chain(), { pass: 'optimize' }, context);
    using again = runningContext();
    const second = await optimizePass.apply(chain(), { pass: 'optimize' }, again);
    expect(bytesOfModel(first.model)).toBe(bytesOfModel(second.model));
    expect(first.notes).toEqual([
      '4 nodes → 1 node with the basic optimizations of ONNX Runtime; the results stay the same.',
    ]);
    expect(first.model.graph.nodes.map(({ op }) => op)).toEqual(['Gemm']);
    expect([...first.model.opsets.keys()]).toEqual(['']);
    expect(first.model.producer).toEqual({ name: 'exporter', version: '1' });
    const inputs = { x: floats([3, 8], 3) };
    const expected = await runModel(chain(), inputs, context);
    expect(relativeError((await runModel(first.model, inputs, context))['y'], expected['y'])).toBeLessThan(1e-6);
  });

  it('says when there was nothing to do', async () => {
    const plain = createModel({
      graph: createGraph({
        inputs: [tensorInfo('x', 'float32', [1])],
        outputs: [tensorInfo('y', 'float32', [1])],
        nodes: [createNode('Exp', ['x'], ['y'])],
      }),
    });
    using context = runningContext();
    const { notes } = await optimizePass.apply(plain, { pass: 'optimize' }, context);
    expect(notes).toEqual(['There was nothing to fold or fuse: 1 node.']);
    expect(optimizePass.assess(plain)).toMatchObject({ applicable: true, targets: 1 });
  });
});
