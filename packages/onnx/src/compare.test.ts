import { describe, expect, it } from 'vitest';
import { buildModel, type OpOptions } from './build/builder.ts';
import { compareModels } from './compare.ts';
import { floatAttribute, graphAttribute, intAttribute } from './ir/attribute.ts';
import { buildGraph } from './build/builder.ts';
import type { Model } from './ir/model.ts';

interface Parts {
  readonly weights?: readonly number[];
  readonly activation?: string;
  readonly options?: OpOptions;
  readonly width?: number;
  readonly opset?: number;
}

function model({ weights = [1, 2], activation = 'Relu', options = {}, width = 2, opset = 17 }: Parts = {}): Model {
  return buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['n', width]);
      const scaled = b.op('Mul', [x, b.floats('w', [weights.length], weights)], { name: 'scale', outputs: ['scaled'] });
      const name = { name: 'activate', outputs: ['y'], ...options };
      b.output(b.op(activation, [scaled], name), 'float32', ['n', width]);
    },
    { opset },
  );
}

const same = compareModels(model(), model());

describe('comparing models', () => {
  it('finds nothing between equal ones', () => {
    expect(same).toEqual({
      nodes: { before: 2, after: 2 },
      operators: [],
      added: [],
      removed: [],
      changed: [],
      bytes: { before: 8, after: 8 },
      constants: [],
      values: [],
      inputs: [],
      outputs: [],
      opsets: [],
    });
  });

  it.each<[string, Parts, Partial<typeof same>]>([
    ['elements', { weights: [1, 3] }, { values: ['w'] }],
    [
      'a shape',
      { weights: [1] },
      { constants: [{ name: 'w', before: 'float32[2]', after: 'float32[1]' }], bytes: { before: 8, after: 4 } },
    ],
    [
      'an operator',
      { activation: 'Sigmoid' },
      {
        changed: [{ name: 'activate', before: 'Relu', after: 'Sigmoid' }],
        operators: [
          { name: 'Relu', before: 1, after: null },
          { name: 'Sigmoid', before: null, after: 1 },
        ],
      },
    ],
    ['a name', { options: { name: 'other' } }, { added: ['Relu node "other"'], removed: ['Relu node "activate"'] }],
    ['an operator set', { opset: 18 }, { opsets: [{ name: 'ai.onnx', before: 17, after: 18 }] }],
    [
      'what goes in and out',
      { width: 3 },
      {
        inputs: [{ name: 'x', before: 'float32[n, 2]', after: 'float32[n, 3]' }],
        outputs: [{ name: 'y', before: 'float32[n, 2]', after: 'float32[n, 3]' }],
      },
    ],
  ])('finds another %s', (_, parts, expected) => {
    expect(compareModels(model(), model(parts))).toEqual({ ...same, ...expected });
  });

  it('finds other attributes, and does not call what is before a node its own change', () => {
    const leaky = (alpha: number): Model =>
      model({ activation: 'LeakyRelu', options: { attributes: [floatAttribute('alpha', alpha)] } });
    expect(compareModels(leaky(0.1), leaky(0.1))).toEqual(same);
    expect(compareModels(leaky(0.1), leaky(0.2)).changed).toEqual([
      { name: 'activate', before: 'LeakyRelu', after: 'LeakyRelu' },
    ]);
  });

  it('looks into subgraphs', () => {
    const branch = (activation: string): Model =>
      buildModel((b) => {
        b.input('x', 'float32', ['n']);
        const c = b.input('c', 'bool', []);
        const body = (op: string) =>
          buildGraph((inner) =>
            inner.output(inner.op(op, ['x'], { name: 'inside', outputs: ['z'] }), 'float32', ['n']),
          );
        const attributes = [
          graphAttribute('then_branch', body(activation)),
          graphAttribute('else_branch', body('Neg')),
        ];
        b.output(b.op('If', [c], { name: 'choose', attributes, outputs: ['y'] }), 'float32', ['n']);
      });
    const found = compareModels(branch('Relu'), branch('Abs'));
    expect(found.nodes).toEqual({ before: 3, after: 3 });
    expect(found.changed).toEqual([{ name: 'choose/0/inside', before: 'Relu', after: 'Abs' }]);
  });

  it('matches nodes whose names are not unique by what they make', () => {
    const twins = (axis: number): Model =>
      buildModel((b) => {
        const x = b.input('x', 'float32', ['n', 2]);
        const a = b.op('Softmax', [x], { name: 'same', attributes: [intAttribute('axis', 1)], outputs: ['a'] });
        const attributes = [intAttribute('axis', axis)];
        b.output(b.op('Softmax', [a], { name: 'same', attributes, outputs: ['y'] }), 'float32', ['n', 2]);
      });
    expect(compareModels(twins(1), twins(0)).changed.map(({ name }) => name)).toEqual(['y']);
  });
});
