/** What holds for the whole: bounds, subgraphs, hostile graphs, and models that are not understood. Single rewrites: golden.test.ts. */
import { describe, expect, it } from 'vitest';
import { buildGraph, buildModel } from '../build/builder.ts';
import { encodeModel } from '../codec/decode.ts';
import { graphAttribute, intAttribute, tensorAttribute } from '../ir/attribute.ts';
import { createInitializer, initializerOf } from '../ir/initializer.ts';
import { createModel, type Model, withModel } from '../ir/model.ts';
import { nodeCount } from './apply.ts';
import { simplify } from './simplify.ts';
import { parseGraph, printGraph } from './testing/text.ts';

const modelOf = (text: string, opset = 17): Model =>
  createModel({ opsets: [['', opset]], graph: parseGraph(text.split('\n').map((line) => line.replace(/^ {4}/, ''))) });
const nodesOf = (model: Model): string[] =>
  printGraph(model.graph).filter((line) => line.includes(' = ') && !line.startsWith('const'));

const IDENTITIES = `
    input x float32[2]
    a = Identity(x)
    b = Identity(a)
    y = Relu(b)
    output y float32[2]`;

describe('simplify', () => {
  it('gives back the very model when nothing applies', () => {
    const model = modelOf('    input x float32[2]\n    y = Relu(x)\n    output y float32[2]');
    const result = simplify(model);
    expect(result.model).toBe(model);
    expect(result).toMatchObject({ nodesBefore: 1, nodesAfter: 1, rounds: 1, settled: true });
  });

  it('says when the bound on rounds ended it', () => {
    expect(simplify(modelOf(IDENTITIES), { maxRounds: 1 }).settled).toBe(false);
    expect(simplify(modelOf(IDENTITIES), { maxRounds: 2 }).settled).toBe(true);
  });

  it('leaves models alone that are too old or that redefine standard operators', () => {
    expect(simplify(modelOf(IDENTITIES, 6)).nodesAfter).toBe(3);
    const model = modelOf(IDENTITIES);
    const own = {
      name: 'Identity',
      domain: '',
      overload: '',
      inputs: [],
      outputs: [],
      nodes: [],
      opsets: new Map<string, number>(),
    };
    expect(simplify(withModel(model, { functions: [own as never] })).nodesAfter).toBe(3);
  });

  it('leaves nodes of other domains, and what is not valid', () => {
    const text = `
    input x float32[2, 3]
    const w float32[3, 5] = 1
    a = org.example.Identity(x)
    b = Transpose{perm=[0, 0]}(a)
    d = Transpose{perm=[5]}(w)
    y = Sum(b, d)
    output y float32`;
    expect(nodesOf(simplify(modelOf(text)).model)).toHaveLength(4);
    const wrong = modelOf(text.replace('perm=[5]', 'perm=5'));
    expect(() => simplify(wrong)).toThrow(/Transpose node "n_d": attribute "perm" is of type int, expected ints/);
  });

  it('does not believe a default that the caller may override', () => {
    const text = `
    input x float32[2]
    input w float32[2]
    const w float32[2] = 1
    y = Mul(x, w)
    output y float32[2]`;
    expect(simplify(modelOf(text)).nodesAfter).toBe(1);
    // Before IR 4 every initializer had to be an input: there it is a constant.
    const old = simplify(withModel(modelOf(text), { irVersion: 3 }), { skip: [] });
    expect(old.model.graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(old.model.irVersion).toBe(4);
  });

  it('does not believe types noted for values in between', () => {
    const model = modelOf(`
    input x float32[N, 3]
    input s int64[2]
    a = Reshape(x, s)
    b = Shape(a)
    y = Cast{to=1}(b)
    output y float32[2]`);
    const graph = Object.freeze({
      ...model.graph,
      valueInfo: new Map([
        ['a', { name: 'a', type: { kind: 'tensor', dtype: 'float32', shape: [7, 3] }, origin: null } as const],
      ]),
    });
    expect(nodesOf(simplify(withModel(model, { graph })).model)).toHaveLength(3);
  });

  it('reads constants of the graph around a branch, and renames what moves out of it', () => {
    const branch = (op: string): ReturnType<typeof buildGraph> =>
      buildGraph((b) => {
        const scaled = b.op('Mul', ['x', 'one'], { outputs: ['inner'] });
        b.output(b.op(op, [scaled], { outputs: ['out'] }), 'float32', null);
      });
    const model = buildModel((b) => {
      b.input('x', 'float32', ['N']);
      b.input('c', 'bool', []);
      b.floats('one', [], [1]);
      const attributes = [graphAttribute('then_branch', branch('Neg')), graphAttribute('else_branch', branch('Abs'))];
      b.output(b.op('If', ['c'], { attributes, outputs: ['y'] }), 'float32', null);
    });
    // The name is used in both branches, so the shape of "x" alone decides; both lose their Mul.
    expect(nodeCount(simplify(model).model.graph)).toBe(3);
  });

  it('uses the shapes of inputs it is given, and refuses those that cannot be', () => {
    const text = `
    input x float32[N, 3]
    const zero int64[] = 0
    s = Shape(x)
    n = Gather{axis=0}(s, zero)
    y = Cast{to=1}(n)
    output y float32[]`;
    const { model } = simplify(modelOf(text), { inputShapes: new Map([['x', [4, 3]]]) });
    expect(printGraph(model.graph)).toEqual([
      'input x float32[4, 3]',
      'y = Constant{value=float32[] 4}()',
      'output y float32[]',
    ]);
    expect(() => simplify(modelOf(text), { inputShapes: new Map([['x', [4, 2]]]) })).toThrow(/does not fit/);
    expect(() => simplify(modelOf(text), { inputShapes: new Map([['z', [4]]]) })).toThrow(/no tensor input "z"/);
    expect(() => simplify(modelOf(text), { skip: ['fold-everything'] })).toThrow(/no rewrite "fold-everything"/);
  });
});

describe('a hostile graph', () => {
  it('cannot take memory by a shape that lies', () => {
    for (const dims of [[2 ** 40], [2 ** 31, 2 ** 31], [-1], [2 ** 20]]) {
      const model = buildModel((b) => {
        const filled = b.op('ConstantOfShape', [b.integers('s', [dims.length], dims)]);
        b.output(b.op('Relu', [filled], { outputs: ['y'] }), 'float32', null);
      });
      expect(simplify(model).nodesAfter).toBe(2);
    }
    const endless = buildModel((b) => {
      const bounds = [0, 2 ** 50, 1].map((value, index) => b.integers(`b${index}`, [], [value]));
      b.output(b.op('Range', bounds, { outputs: ['y'] }), 'int64', null);
    });
    expect(simplify(endless, { maxFoldedBytes: Infinity }).nodesAfter).toBe(1);
  });

  it('cannot take memory by very many constants that are each allowed', () => {
    const model = buildModel((b) => {
      const shape = b.integers('s', [1], [1000]);
      const parts = Array.from({ length: 2000 }, (_, index) => {
        const value = initializerOf('', { dtype: 'float32', shape: [1], data: Float32Array.of(index) });
        return b.op('ConstantOfShape', [shape], { attributes: [tensorAttribute('value', value)] });
      });
      b.output(b.op('Sum', parts, { outputs: ['y'] }), 'float32', null);
    });
    // 4 kB each, a budget of 1024 times 4 kB.
    const result = simplify(model, { maxFoldedBytes: 4000 });
    expect(result.applied.get('fold-constants')).toBe(1024);
    expect(encodeModel(result.model).length).toBeLessThan(1100 * 4100);
  });

  it('cannot stop it by a tensor that does not hold what it says', () => {
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['N', 2]);
      for (const name of ['w', 'v']) b.initializer(createInitializer(name, 'float32', [2, 2], new Uint8Array(3)));
      const turned = b.op('Transpose', ['w']);
      const same = b.op('Identity', [x]);
      b.output(b.op('Sum', [same, turned, 'v'], { outputs: ['y'] }), 'float32', null);
      b.op('Cast', [x], { attributes: [intAttribute('to', 7)] });
    });
    expect(simplify(model).nodesAfter).toBe(2);
  });
});
