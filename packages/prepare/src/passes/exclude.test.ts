import type { Selection } from '@slipway/core';
import {
  buildGraph,
  buildModel,
  createGraph,
  createModel,
  createNode,
  graphAttribute,
  initializerOf,
  type Model,
  simplify,
} from '@slipway/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Exclusion, exclusion, nodeExclusion } from './exclude.ts';
import { matcher } from './select/pattern.ts';
import { randomCnn } from './testing/random-cnn.ts';

/** x → embed → a → (left → l, right → r) → join → y, and an If beside it whose body multiplies. */
function branched(): Model {
  const body = buildGraph((b) => {
    b.floats('inner.weight', [1, 1], [2]);
    b.op('MatMul', ['a', 'inner.weight'], { name: 'inner', outputs: ['i'] });
    b.op('Neg', ['i'], { name: 'negate', outputs: ['z'] });
    b.output('z', 'float32', null);
  });
  return buildModel((b) => {
    b.input('x', 'float32', ['n', 1]);
    b.input('c', 'bool', []);
    b.floats('encoder.0.weight', [1, 1], [1]);
    b.op('MatMul', ['x', 'encoder.0.weight'], { name: '/encoder/MatMul', outputs: ['a'] });
    b.op('Relu', ['a'], { name: 'left', outputs: ['l'] });
    b.op('Softmax', ['a'], { name: 'right', outputs: ['r'] });
    b.op('Add', ['l', 'r'], { name: 'join', outputs: ['y'] });
    b.op('If', ['c'], { name: 'choice', attributes: [graphAttribute('then_branch', body)], outputs: ['w'] });
    b.output('y', 'float32', null);
    b.output('w', 'float32', null);
  });
}

const NAMES = ['/encoder/MatMul', 'left', 'right', 'join', 'choice', 'inner', 'negate'];
const excludes = (selection: Selection, model = branched(), source: Model | null = null): Exclusion =>
  exclusion('prune.magnitude', selection, model, source);
const left = (selection: Selection): string[] => NAMES.filter((name) => excludes(selection).has(name));

describe('exclude', () => {
  it('matches names exactly, and any run of characters with *', () => {
    const excluded = excludes({ exclude: ['/encoder/*', 'encoder.0.weight'] });
    expect(excluded.has('/encoder/MatMul')).toBe(true);
    expect(excluded.has('encoder.0.weight')).toBe(true);
    expect(excluded.has('encoder_0_weight')).toBe(false);
    expect(excluded.has('')).toBe(false);
  });

  it.each<[string, Selection, string[]]>([
    ['a regular expression', { exclude: [{ regex: '^(left|right)$' }] }, ['left', 'right']],
    ['an operator, in bodies too', { exclude: [{ op: 'MatMul' }] }, ['/encoder/MatMul', 'inner']],
    ['a node with all that is in it', { exclude: ['choice'] }, ['choice', 'inner', 'negate']],
    ['a region between nodes', { exclude: [{ from: 'left', to: 'join' }] }, ['left', 'join']],
    ['a region between tensors', { exclude: [{ from: 'a', to: 'y' }] }, ['left', 'right', 'join']],
    ['a region from a node on', { exclude: [{ from: 'right' }] }, ['right', 'join']],
    ['a region up to a tensor', { exclude: [{ to: 'r' }] }, ['/encoder/MatMul', 'right']],
    ['a region over branches', { exclude: [{ from: ['left', 'right'], to: 'y' }] }, ['left', 'right', 'join']],
    ['a region inside a body', { exclude: [{ from: 'inner', to: 'z' }] }, ['inner', 'negate']],
    ['a region that a body captures', { exclude: [{ from: 'a', to: 'w' }] }, ['choice', 'inner', 'negate']],
    ['all but some', { only: ['join', 'inner'] }, ['/encoder/MatMul', 'left', 'right', 'choice', 'negate']],
    [
      'less than some',
      { only: [{ from: 'a', to: 'y' }], exclude: ['left'] },
      NAMES.filter((n) => !/right|join/.test(n)),
    ],
    ['nothing', {}, []],
  ])('takes %s', (_, selection, expected) => {
    expect(left(selection)).toEqual(expected);
  });

  it.each<[Selection, string]>([
    [
      { exclude: ['/encoder/Matmull'] },
      'Pass prune.magnitude cannot be applied: the exclude pattern "/encoder/Matmull" matches no node and no initializer, did you mean "/encoder/MatMul"?',
    ],
    [{ only: ['rigth'] }, 'the only pattern "rigth" matches no node and no initializer, did you mean "right"?'],
    [{ exclude: [{ op: 'Matmul' }] }, 'the exclude operator "Matmul" matches no node, did you mean "MatMul"?'],
    [{ exclude: [{ regex: '^z' }] }, 'the exclude regex "^z" matches no node and no initializer'],
    [{ exclude: [{ regex: '(a' }] }, 'the exclude regex "(a" cannot be used: it has a ( without a )'],
    [
      { exclude: [{ from: 'lefd', to: 'y' }] },
      'the exclude region from lefd to y names "lefd", which is neither a node nor a tensor, did you mean "left"?',
    ],
    [{ exclude: [{ from: 'left', to: 'r' }] }, 'is empty: no path leads from left to r'],
    [{ exclude: [{ from: 'left', to: 'z' }] }, 'spans several graphs'],
    [{ exclude: [{ to: 'x' }] }, 'is empty: no node computes x'],
  ])('refuses %o, saying what is wrong', (selection, message) => {
    expect(() => excludes(selection)).toThrow(message);
  });

  it('knows a node without a name by its operator, and not by *', () => {
    const weight = initializerOf('W', { dtype: 'float32', shape: [1, 1], data: Float32Array.of(1) });
    const relu = createNode('Relu', ['y'], ['z']);
    const product = createNode('MatMul', ['x', 'W'], ['y']);
    const model = createModel({ graph: createGraph({ nodes: [product, relu], initializers: [weight] }) });
    expect(excludes({ exclude: ['*'] }, model).has('', relu)).toBe(false);
    const excluded = excludes({ exclude: [{ op: 'Relu' }] }, model);
    expect([excluded.has(relu), excluded.has(product)]).toEqual([true, false]);
  });

  it('follows names of the source through fusion', () => {
    const source = buildModel((b) => {
      b.input('x', 'float32', [2, 2]);
      b.floats('W', [2, 2], [1, 2, 3, 4]);
      b.floats('bias', [2], [1, 2]);
      b.op('MatMul', ['x', 'W'], { name: 'product', outputs: ['p'] });
      b.op('Add', ['p', 'bias'], { name: 'shift', outputs: ['s'] });
      b.op('Relu', ['s'], { name: 'last', outputs: ['y'] });
      b.output('y', 'float32', [2, 2]);
    });
    const { model } = simplify(source);
    const [gemm] = model.graph.nodes;
    expect(gemm?.op).toBe('Gemm');
    for (const entry of ['product', 'shift', { op: 'MatMul' }, { from: 'x', to: 'p' }] as const) {
      expect(excludes({ exclude: [entry] }, model, source).has(gemm!)).toBe(true);
      expect(excludes({ exclude: [entry] }, model, source).has('last')).toBe(false);
    }
    expect(() => excludes({ exclude: ['prodct'] }, model, source)).toThrow('did you mean "product"?');
  });

  it('refuses an entry of which earlier passes left nothing', () => {
    const source = branched();
    const { graph } = source;
    const without = graph.nodes.filter(({ name }) => name !== 'choice');
    const now = { ...source, graph: { ...graph, nodes: without, outputs: graph.outputs.slice(0, 1) } };
    expect(() => excludes({ exclude: ['negate'] }, now, source)).toThrow(
      'the exclude pattern "negate" matches only what earlier passes of the recipe have removed',
    );
  });

  it('takes every node that lies on a path, and no other', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(), fc.nat(), (seed, first, second) => {
        const { graph } = randomCnn(seed);
        const model = createModel({ graph });
        const pick = (index: number): string => graph.nodes[index % graph.nodes.length]?.name ?? '';
        const [from, to] = [pick(first), pick(second)];
        // All paths by definition, one step at a time.
        const next = (name: string): string[] => {
          const outputs = graph.nodes.find((node) => node.name === name)?.outputs ?? [];
          return graph.nodes.filter((node) => node.inputs.some((input) => outputs.includes(input))).map((n) => n.name);
        };
        const reaches = (start: string, end: string): boolean =>
          start === end || next(start).some((name) => reaches(name, end));
        const expected = graph.nodes.filter(({ name }) => reaches(from, name) && reaches(name, to));
        if (expected.length === 0) {
          expect(() => excludes({ exclude: [{ from, to }] }, model)).toThrow('no path leads');
          return;
        }
        const excluded = excludes({ exclude: [{ from, to }] }, model);
        expect(graph.nodes.filter((node) => excluded.has(node))).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });
});

it('a node is known by the constants it reads, and not by the tensor it reads, which may be called as the node before', () => {
  const model = buildModel((b) => {
    b.input('x', 'float32', ['n', 1]);
    b.floats('W', [1, 1], [1]);
    b.op('MatMul', ['x', 'W'], { name: 'first', outputs: ['first'] });
    b.op('Relu', ['first'], { name: 'second', outputs: ['second'] });
    b.output('second', 'float32', null);
  });
  const left = (exclude: string[], origins?: ReadonlyMap<string, readonly string[]>): string[] => {
    const excluded = exclusion('quantize.smooth', { exclude }, model);
    const isLeft = nodeExclusion(excluded, (name) => model.graph.initializers.has(name), origins);
    return model.graph.nodes.filter(isLeft).map(({ name }) => name);
  };
  expect(left(['first'])).toEqual(['first']);
  expect(left(['W'])).toEqual(['first']);
  expect(left(['second'], new Map([['W', ['second']]]))).toEqual(['first', 'second']);
});

describe('names with *', () => {
  it('agree with the regular expression they stand for', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (pattern, name) => {
        const escaped = pattern.split('*').map((part) => part.replaceAll('.', '\\.'));
        expect(matcher(pattern)(name)).toBe(new RegExp(`^${escaped.join('.*')}$`).test(name));
      }),
      { numRuns: 1000 },
    );
  });

  it('stay fast on a hostile pattern', () => {
    expect(matcher('*a'.repeat(40) + 'b')('a'.repeat(100_000))).toBe(false);
  });
});
