import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildGraph, buildModel, type Builder } from '../build/builder.ts';
import { graphAttribute, intAttribute } from '../ir/attribute.ts';
import { createInitializer } from '../ir/initializer.ts';
import { type Model, withModel } from '../ir/model.ts';
import { withNode } from '../ir/node.ts';
import { valueDigests } from './digest.ts';
import { editGraphs } from './map-graphs.ts';

interface Chain {
  readonly weights?: readonly number[];
  readonly axis?: number;
  readonly prefix?: string;
  readonly input?: string;
  readonly beside?: boolean;
}

/** x · w, softmax of it, its negative: `h`, `s`, `n`. */
function chain({ weights = [1, 2, 3, 4], axis = 1, prefix = '', input = 'x', beside = false }: Chain = {}): Model {
  return buildModel((b: Builder) => {
    const x = b.input(input, 'float32', ['rows', 2]);
    if (beside) b.output(b.op('Abs', [x], { outputs: ['beside'] }), 'float32', ['rows', 2]);
    const h = b.op('MatMul', [x, b.floats(`${prefix}w`, [2, 2], weights)], { outputs: [`${prefix}h`] });
    const s = b.op('Softmax', [h], { outputs: [`${prefix}s`], attributes: [intAttribute('axis', axis)] });
    b.output(b.op('Neg', [s], { outputs: [`${prefix}n`] }), 'float32', ['rows', 2]);
  });
}

const of = (model: Model, ...names: string[]): (string | undefined)[] => {
  const digests = valueDigests(model, names);
  return names.map((name) => digests.get(name));
};

describe('the digest of a value', () => {
  it('is that of what it is computed from, whatever that is called and whatever is beside it', () => {
    const base = of(chain(), 'x', 'h', 's', 'n');
    expect(new Set(base).size).toBe(4);
    expect(of(chain({ prefix: 'other.' }), 'x', 'other.h', 'other.s', 'other.n')).toEqual(base);
    expect(of(chain({ beside: true }), 'x', 'h', 's', 'n')).toEqual(base);
  });

  it('changes with every constant, attribute and input before it, and with nothing behind it', () => {
    const base = of(chain(), 'x', 'h', 's', 'n');
    const same = (change: Chain): boolean[] => of(chain(change), 'x', 'h', 's', 'n').map((one, i) => one === base[i]);
    expect(same({ weights: [1, 2, 3, 5] })).toEqual([true, false, false, false]);
    expect(same({ axis: 0 })).toEqual([true, true, false, false]);
    const renamed = of(chain({ input: 'y' }), 'y', 'h', 's', 'n');
    expect(renamed.filter((one, i) => one === base[i])).toEqual([]);
    const newer = withModel(chain(), { opsets: new Map([['', 18]]) });
    expect(of(newer, 'x', 'h')).toEqual([base[0], expect.not.stringMatching(String(base[1]))]);
  });

  it('tells outputs of one node apart, and an output that is left out from one that is not', () => {
    const model = (two: boolean): Model =>
      buildModel((b) => {
        const x = b.input('x', 'float32', [4]);
        const k = b.initializer(createInitializer('k', 'int64', [1], new Uint8Array(8).fill(1, 0, 1)));
        b.op('TopK', [x, k], { outputs: two ? ['v', 'i'] : ['v', ''] });
        b.output('v', 'float32', [1]);
      });
    const [v, i] = of(model(true), 'v', 'i');
    expect(v).not.toBe(i);
    expect(of(model(false), 'v')).not.toEqual([v]);
  });

  it('of a value in a body is that of the node around it and all it reads', () => {
    const model = (factor: number, captured: number): Model =>
      buildModel((b) => {
        const x = b.input('x', 'float32', ['n']);
        const outer = b.op('Mul', [x, b.floats('c', [], [captured])], { outputs: ['outer'] });
        const branch = (name: string): ReturnType<typeof buildGraph> =>
          buildGraph((inner) => {
            const doubled = inner.op('Mul', [outer, inner.floats(`f_${name}`, [], [factor])], { outputs: ['inside'] });
            inner.output(inner.op('Neg', [doubled], { outputs: [`out_${name}`] }), 'float32', ['n']);
          });
        const flag = b.op('Cast', [b.op('ReduceSum', [x], { attributes: [intAttribute('keepdims', 0)] })], {
          attributes: [intAttribute('to', 9)],
        });
        const attributes = [graphAttribute('then_branch', branch('a')), graphAttribute('else_branch', branch('b'))];
        b.output(b.op('If', [flag], { attributes, outputs: ['y'] }), 'float32', ['n']);
      });
    const [base] = of(model(2, 1), 'inside');
    expect(base).toMatch(/^sha256:/);
    expect(of(model(2, 1), 'inside')).toEqual([base]);
    expect(of(model(3, 1), 'inside')).not.toEqual([base]);
    expect(of(model(2, 5), 'inside')).not.toEqual([base]);
    expect(valueDigests(model(2, 1), ['nowhere']).size).toBe(0);
  });

  it('stays when nodes are renamed and goes with the operator, in any chain', () => {
    const operators = fc.constantFrom('Relu', 'Neg', 'Abs', 'Exp', 'Tanh');
    fc.assert(
      fc.property(fc.array(operators, { minLength: 1, maxLength: 12 }), fc.nat(), operators, (chain, at, other) => {
        const build = (list: readonly string[]): Model =>
          buildModel((b) => {
            const last = list.reduce(
              (value, op, i) => b.op(op, [value], { outputs: [`v${i}`] }),
              b.input('x', 'float32', [3]),
            );
            b.output(last, 'float32', [3]);
          });
        const names = chain.map((_, i) => `v${i}`);
        const base = of(build(chain), ...names);
        const renamed = editGraphs(build(chain), (editor) => {
          for (const node of editor.nodes) editor.replace(node, withNode(node, { name: `renamed_${node.name}` }));
        });
        expect(of(renamed, ...names)).toEqual(base);
        const place = at % chain.length;
        const changed = of(build(chain.with(place, other)), ...names);
        const isSame = other === chain[place];
        expect(changed.map((one, i) => one === base[i])).toEqual(chain.map((_, i) => i < place || isSame));
      }),
    );
  });
});
