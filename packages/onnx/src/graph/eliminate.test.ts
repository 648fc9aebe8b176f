import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildGraph, buildModel } from '../build/builder.ts';
import { floatsAttribute, graphAttribute, intAttribute, stringsAttribute, tensorAttribute } from '../ir/attribute.ts';
import { integersOf, toTensor } from '../ir/elements.ts';
import { createInitializer } from '../ir/initializer.ts';
import { tensorInfo } from '../ir/value-info.ts';
import { anyModel } from '../testing/arbitrary.ts';
import { deduplicateInitializers, eliminateConstants, eliminateDeadCode } from './eliminate.ts';
import { readNames } from './scope.ts';

describe('eliminateDeadCode', () => {
  it('keeps what outputs depend on, also through subgraphs, and nothing else', () => {
    const branch = buildGraph((b) => {
      b.op('Add', ['captured', 'w'], { outputs: ['i'] });
      b.op('Neg', ['i'], { outputs: ['unused'] });
      b.output('i', 'float32', null);
    });
    const model = buildModel((b) => {
      b.input('c', 'bool', []);
      b.input('x', 'float32', [1]);
      b.floats('w', [1], [1]);
      b.floats('dead', [1], [1]);
      b.op('Abs', ['x'], { outputs: ['captured'] });
      b.op('Exp', ['dead'], { outputs: ['d1'] });
      b.op('Log', ['d1'], { outputs: ['d2'] });
      b.op('If', ['c'], {
        outputs: ['y'],
        attributes: [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)],
      });
      b.output('y', 'float32', null);
    });
    const noted = {
      ...model,
      graph: { ...model.graph, valueInfo: new Map([['d1', tensorInfo('d1', 'float32', [1])]]) },
    };
    const { graph } = eliminateDeadCode(noted);
    expect(graph.nodes.map((node) => node.op)).toEqual(['Abs', 'If']);
    expect([...graph.initializers.keys()]).toEqual(['w']);
    expect(graph.valueInfo.size).toBe(0);
    expect(graph.inputs).toHaveLength(2);
    const inner = graph.nodes[1]?.attributes.get('then_branch');
    expect(inner?.kind === 'graph' && inner.value.nodes.map((node) => node.op)).toEqual(['Add']);
  });

  it('never removes what is read, and is done after one run', () => {
    fc.assert(
      fc.property(anyModel(), (model) => {
        const once = eliminateDeadCode(model);
        const available = new Set([
          ...once.graph.inputs.map(({ name }) => name),
          ...once.graph.initializers.keys(),
          ...once.graph.nodes.flatMap((node) => node.outputs),
        ]);
        const before = new Set(model.graph.nodes.flatMap((node) => [...readNames(node)]));
        for (const node of once.graph.nodes) {
          for (const name of readNames(node)) expect(available.has(name) || before.has(name)).toBe(true);
        }
        for (const { name } of once.graph.outputs) expect(available.has(name)).toBe(true);
        expect(eliminateDeadCode(once)).toBe(once);
      }),
    );
  });
});

describe('eliminateConstants', () => {
  it('turns every form of Constant into an initializer, and leaves outputs alone', () => {
    const model = buildModel((b) => {
      const value = tensorAttribute('value', createInitializer('inner', 'int8', [2], Uint8Array.of(1, 2)));
      b.op('Constant', [], { outputs: ['a'], attributes: [value] });
      b.op('Constant', [], { outputs: ['b'], attributes: [intAttribute('value_int', -3)] });
      b.op('Constant', [], { outputs: ['c'], attributes: [floatsAttribute('value_floats', [0.5, 2])] });
      b.op('Constant', [], { outputs: ['d'], attributes: [stringsAttribute('value_strings', ['s'])] });
      b.op('Constant', [], { outputs: ['out'], attributes: [value] });
      b.op('Identity', ['a'], { outputs: ['same'] });
      b.op('Identity', ['same'], { outputs: ['y'] });
      b.output('y', 'int8', [2]);
      b.output('out', 'int8', [2]);
    });
    const { graph } = eliminateConstants(model);
    expect(graph.nodes.map((node) => [node.op, node.inputs, node.outputs])).toEqual([
      ['Constant', [], ['out']],
      ['Identity', ['a'], ['y']],
    ]);
    const get = (name: string): NonNullable<ReturnType<typeof graph.initializers.get>> => graph.initializers.get(name)!;
    expect(get('a')).toMatchObject({ name: 'a', dims: [2] });
    expect(integersOf(get('b'))).toEqual([-3]);
    expect(toTensor(get('c'))).toMatchObject({ shape: [2], data: Float32Array.of(0.5, 2) });
    expect(toTensor(get('d')).data).toEqual(['s']);
  });
});

describe('deduplicateInitializers', () => {
  it('keeps one of equal content, dtype and shape', () => {
    const model = buildModel((b) => {
      b.floats('a', [2], [1, 2]);
      b.floats('same', [2], [1, 2]);
      b.floats('shape', [1, 2], [1, 2]);
      b.op('Sum', ['a', 'same', 'shape'], { outputs: ['y'] });
      b.output('y', 'float32', null);
    });
    const { graph } = deduplicateInitializers(model);
    expect([...graph.initializers.keys()]).toEqual(['a', 'shape']);
    expect(graph.nodes[0]?.inputs).toEqual(['a', 'a', 'shape']);
  });
});
