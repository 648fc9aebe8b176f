import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  createGraph,
  createModel,
  createNode,
  mlpModel,
  type Model,
  readModelFile,
  tensorInfo,
  writeModelFile,
} from '@slipway/onnx';
import { hostFacts } from '@slipway/runtime';
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

function convolution(): Model {
  return createModel({
    graph: createGraph({
      inputs: [tensorInfo('x', 'float32', [1, 8, 6, 6])],
      outputs: [tensorInfo('y', 'float32', [1, 16, 4, 4])],
      nodes: [createNode('Conv', ['x', 'W'], ['c']), createNode('Relu', ['c'], ['y'])],
      initializers: [floatWeight('W', [16, 8, 3, 3], 1)],
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

  it.each(['extended', 'all'] as const)(
    'at level %s says where the result runs, and gives the same numbers',
    async (level) => {
      using context = runningContext();
      const model = convolution();
      const result = await optimizePass.apply(model, { pass: 'optimize', level }, context);
      const { engine, cpuFlags } = hostFacts();
      expect(result.requires).toEqual({ engine, cpuFlags: level === 'all' ? cpuFlags : null });
      expect(result.notes.at(-1)).toContain(`Only for ${engine}`);
      // Conv and Relu become one operator that no standard has.
      expect(result.model.graph.nodes.some(({ domain }) => domain.startsWith('com.microsoft'))).toBe(true);
      const inputs = { x: floats([1, 8, 6, 6], 3) };
      const expected = await runModel(model, inputs, context);
      expect(relativeError((await runModel(result.model, inputs, context))['y'], expected['y'])).toBeLessThan(1e-5);
    },
  );

  it('gives the same bytes every time where the runtime changes the memory layout back in many places', async () => {
    const branches = Array.from({ length: 8 }, (_, i) => `${i}`);
    const model = createModel({
      graph: createGraph({
        inputs: [tensorInfo('x', 'float32', [1, 16, 6, 6])],
        outputs: branches.map((i) => tensorInfo(`y${i}`, 'float32', [1, 16, 4, 4])),
        nodes: branches.map((i) => createNode('Conv', ['x', `W${i}`], [`y${i}`], { name: `conv${i}` })),
        initializers: branches.map((i) => floatWeight(`W${i}`, [16, 16, 3, 3], Number(i))),
      }),
    });
    const results = new Set<string>();
    for (let attempt = 0; attempt < 5; attempt++) {
      using context = runningContext();
      const { model: optimized } = await optimizePass.apply(model, { pass: 'optimize', level: 'all' }, context);
      results.add(bytesOfModel(optimized));
    }
    expect(results.size).toBe(1);
  });

  it('asks for nothing at level basic', async () => {
    using context = runningContext();
    const { requires } = await optimizePass.apply(chain(), { pass: 'optimize', level: 'basic' }, context);
    expect(requires).toBeUndefined();
  });

  it('has weights that do not fit one file written beside it', async () => {
    using context = runningContext();
    const file = path.join(context.workDirectory, 'source.onnx');
    const model = mlpModel({ layers: [64, 32] });
    await writeModelFile(file, model);
    const session = {
      optimization: 'basic',
      saveOptimizedTo: path.join(context.workDirectory, 'optimized.onnx'),
      saveWeightsTo: 'weights.bin',
    } as const;
    for await (const _ of context.runModel(file, [], session));
    expect(existsSync(path.join(context.workDirectory, 'weights.bin'))).toBe(true);
    const inputs = { x: floats([3, 64], 3) };
    const expected = await runModel(model, inputs, context);
    const optimized = await readModelFile(session.saveOptimizedTo);
    expect(relativeError((await runModel(optimized, inputs, context))['y'], expected['y'])).toBeLessThan(1e-6);
  });
});
