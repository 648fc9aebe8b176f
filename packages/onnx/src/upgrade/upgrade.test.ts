import { describe, expect, it } from 'vitest';
import { type BuildOptions, type Builder, buildGraph, buildModel } from '../build/builder.ts';
import { checkModel } from '../check/check.ts';
import { decodeModel } from '../codec/decode.ts';
import {
  type Attribute,
  floatAttribute,
  floatsAttribute,
  graphAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  tensorAttribute,
} from '../ir/attribute.ts';
import { floatsOf, integersOf } from '../ir/elements.ts';
import { createInitializer } from '../ir/initializer.ts';
import type { Model } from '../ir/model.ts';
import { normalise } from '../normalise/normalise.ts';
import { SHARED_MODELS, sharedModel, sharedModelsExist } from '../testing/shared-models.ts';
import { irVersionFor, upgradeOpset } from './upgrade.ts';

/** Each node as `Op(inputs)=outputs attribute…`, constants by their values. */
function show(model: Model): string[] {
  const { graph } = model;
  const value = (name: string): string => {
    const constant = graph.initializers.get(name);
    if (constant === undefined) return name;
    return `[${(constant.dtype === 'int64' ? integersOf(constant) : [...floatsOf(constant)]).join(' ')}]`;
  };
  return graph.nodes.map((node) =>
    `${node.op}(${node.inputs.map(value).join()})=${node.outputs.join()} ${[...node.attributes.keys()].sort().join()}`.trim(),
  );
}

const single = (
  op: string,
  attributes: readonly Attribute[],
  options: BuildOptions,
  shape: readonly (number | string)[] = ['n', 4],
  outputs = ['y'],
): Model =>
  buildModel((b: Builder) => {
    b.op(op, [b.input('x', 'float32', shape)], { name: op, attributes, outputs });
    b.output('y', 'float32', null);
  }, options);

const CASES: readonly [what: string, model: Model, target: number, expected: readonly string[]][] = [
  [
    'Clip',
    single('Clip', [floatAttribute('min', 0), floatAttribute('max', 6)], { opset: 8 }),
    13,
    ['Clip(x,[0],[6])=y'],
  ],
  ['Clip with one bound', single('Clip', [floatAttribute('max', 6)], { opset: 8 }), 13, ['Clip(x,,[6])=y']],
  [
    'Dropout',
    single('Dropout', [floatAttribute('ratio', 0.5)], { opset: 8 }, ['n'], ['y', 'mask']),
    13,
    ['Dropout(x)=y'],
  ],
  ['Softmax over the last axis', single('Softmax', [intAttribute('axis', 1)], { opset: 8 }), 13, ['Softmax(x)=y axis']],
  ['Softmax by default, trailing ones', single('Softmax', [], { opset: 9 }, [1, 10, 1, 1]), 13, ['Softmax(x)=y axis']],
  [
    'Softmax over several axes',
    single('Softmax', [], { opset: 9 }, ['n', 3, 4]),
    13,
    ['Shape(x)=y_shape', 'Flatten(x)=y_flat axis', 'Softmax(y_flat)=y_softmax axis', 'Reshape(y_softmax,y_shape)=y'],
  ],
  [
    'BatchNormalization',
    single('BatchNormalization', [intAttribute('spatial', 1)], { opset: 8 }),
    15,
    ['BatchNormalization(x)=y'],
  ],
  [
    'Slice',
    single('Slice', [intsAttribute('starts', [0]), intsAttribute('ends', [2]), intsAttribute('axes', [1])], {
      opset: 9,
    }),
    13,
    ['Slice(x,[0],[2],[1])=y'],
  ],
  [
    'Pad',
    single('Pad', [intsAttribute('pads', [0, 1, 0, 1]), stringAttribute('mode', 'constant')], { opset: 10 }),
    13,
    ['Pad(x,[0 1 0 1],[0])=y mode'],
  ],
  ['Unsqueeze', single('Unsqueeze', [intsAttribute('axes', [0])], { opset: 11 }), 13, ['Unsqueeze(x,[0])=y']],
  [
    'Split',
    single('Split', [intsAttribute('split', [1, 3]), intAttribute('axis', 1)], { opset: 11 }, ['n', 4], ['y', 'z']),
    18,
    ['Split(x,[1 3])=y,z axis'],
  ],
  ['Split in equal parts', single('Split', [], { opset: 11 }, [4], ['y', 'z']), 18, ['Split(x)=y,z num_outputs']],
  ['ReduceMean', single('ReduceMean', [intsAttribute('axes', [1])], { opset: 13 }), 18, ['ReduceMean(x,[1])=y']],
  ['ReduceMean of everything', single('ReduceMean', [], { opset: 13 }), 18, ['ReduceMean(x)=y']],
  ['TopK', single('TopK', [intAttribute('k', 3)], { opset: 9 }, ['n', 4], ['y', 'i']), 13, ['TopK(x,[3])=y,i']],
  [
    'Upsample',
    single('Upsample', [floatsAttribute('scales', [1, 1, 2, 2])], { opset: 8 }, ['n', 1, 2, 2]),
    13,
    ['Resize(x,[],[1 1 2 2])=y coordinate_transformation_mode,nearest_mode'],
  ],
  ['Relu, to the newest', single('Relu', [], { opset: 17 }), 26, ['Relu(x)=y']],
  ['RoiAlign', single('RoiAlign', [], { opset: 10 }), 22, ['RoiAlign(x)=y coordinate_transformation_mode']],
  ['GridSample', single('GridSample', [], { opset: 16 }), 22, ['GridSample(x)=y mode']],
  [
    'DFT',
    single('DFT', [intAttribute('axis', 2)], { opset: 17 }),
    20,
    ['Constant()=y_axis value_int', 'DFT(x,,y_axis)=y'],
  ],
];

/** An operator of two inputs, `x` and a second of another shape, in operator set 6. */
const pair = (op: string, attributes: readonly Attribute[], second: readonly number[]): Model =>
  buildModel(
    (b) => {
      b.op(op, [b.input('x', 'float32', [2, 3, 4, 5]), b.input('s', 'float32', second)], {
        name: op,
        attributes,
        outputs: ['y'],
      });
      b.output('y', 'float32', null);
    },
    { opset: 6 },
  );

const OLDEST: readonly [what: string, model: Model, expected: readonly string[]][] = [
  ['equal shapes', pair('Add', [], [2, 3, 4, 5]), ['Add(x,s)=y']],
  ['broadcast from the end', pair('Mul', [intAttribute('broadcast', 1)], [4, 5]), ['Mul(x,s)=y']],
  [
    'broadcast from an axis',
    pair('Add', [intAttribute('broadcast', 1), intAttribute('axis', 1)], [3]),
    ['Unsqueeze(s,[1 2])=s_aligned', 'Add(x,s_aligned)=y'],
  ],
  [
    'broadcast from a negative axis',
    pair('Sub', [intAttribute('broadcast', 1), intAttribute('axis', -3)], [3, 4]),
    ['Unsqueeze(s,[2])=s_aligned', 'Sub(x,s_aligned)=y'],
  ],
  ['a slope per channel', pair('PRelu', [], [3]), ['Unsqueeze(s,[1 2])=s_aligned', 'PRelu(x,s_aligned)=y']],
  ['one slope', pair('PRelu', [], [1]), ['PRelu(x,s)=y']],
  ['inference', single('Dropout', [intAttribute('is_test', 1)], { opset: 6 }), ['Dropout(x)=y']],
];

describe('from operator set 6', () => {
  it.each(OLDEST)('%s', (_, model, expected) => {
    expect(show(upgradeOpset(model, 13))).toEqual(expected);
  });

  it('refuses training mode, and an axis that does not fit', () => {
    expect(() => upgradeOpset(single('BatchNormalization', [], { opset: 6 }), 7)).toThrow(
      /training mode \(is_test = 0\)/,
    );
    const misfit = pair('Add', [intAttribute('broadcast', 1), intAttribute('axis', 3)], [4, 5]);
    expect(() => upgradeOpset(misfit, 7)).toThrow(/does not fit the axis/);
  });
});

describe('upgradeOpset', () => {
  it.each(CASES)('%s', (_, model, target, expected) => {
    const upgraded = upgradeOpset(model, target);
    expect(show(upgraded)).toEqual(expected);
    expect(upgraded.opsets.get('')).toBe(target);
    expect(upgraded.irVersion).toBeGreaterThanOrEqual(irVersionFor(target));
    const complaints = checkModel(upgraded).filter(({ problem }) => !/inputs|without a type/.test(problem));
    expect(complaints).toEqual([]);
  });

  it('reaches into subgraphs', () => {
    const inner = buildGraph((b) => {
      b.op('Unsqueeze', ['x'], { outputs: ['i'], attributes: [intsAttribute('axes', [0])] });
      b.output('i', 'float32', null);
    });
    const model = buildModel(
      (b) => {
        b.input('x', 'float32', [3]);
        b.input('c', 'bool', []);
        b.op('If', ['c'], {
          outputs: ['y'],
          attributes: [graphAttribute('then_branch', inner), graphAttribute('else_branch', inner)],
        });
        b.output('y', 'float32', null);
      },
      { opset: 11 },
    );
    const branch = upgradeOpset(model, 13).graph.nodes[0]?.attributes.get('then_branch');
    expect(branch?.kind === 'graph' && branch.value.nodes[0]?.inputs).toEqual(['x', 'i_axes']);
  });

  it.each([
    [
      'an operator without a known history',
      single('Telepathy', [], { opset: 15 }),
      17,
      'UNSUPPORTED_OPERATOR',
      /Telepathy node "Telepathy".*not known how it changed/,
    ],
    [
      'a mask in use',
      buildModel(
        (b) => {
          b.op('Dropout', [b.input('x', 'float32', [1])], { outputs: ['y', 'mask'] });
          b.output('mask', 'float32', null);
        },
        { opset: 8 },
      ),
      13,
      'UNSUPPORTED_OPERATOR',
      /no equivalent in operator set 10: its mask is used/,
    ],
    [
      'normalization per element',
      single('BatchNormalization', [intAttribute('spatial', 0)], { opset: 8 }),
      9,
      'UNSUPPORTED_OPERATOR',
      /spatial = 0/,
    ],
    [
      'a softmax of unknown rank',
      buildModel(
        (b) => {
          b.op('Softmax', [b.input('x', 'float32', null)], { outputs: ['y'] });
          b.output('y', 'float32', null);
        },
        { opset: 8 },
      ),
      13,
      'UNSUPPORTED_OPERATOR',
      /rank of its input is not known/,
    ],
    ['operator set 5', single('Relu', [], { opset: 5 }), 13, 'UNSUPPORTED_OPSET', /opset 5 .*newest known: 26/],
    ['a target that is not known', single('Relu', [], { opset: 17 }), 27, 'UNSUPPORTED_OPSET', /opset 27/],
  ])('refuses %s', (_, model, target, code, message) => {
    expect(() => upgradeOpset(model, target)).toThrow(message);
    expect(() => upgradeOpset(model, target)).toThrow(expect.objectContaining({ code }) as Error);
  });
});

describe('normalise', () => {
  const messy = buildModel(
    (b) => {
      b.input('x', 'float32', [1, 2, 4, 4]);
      b.input('w', 'float32', [3, 2, 1, 1]);
      b.floats('w', [3, 2, 1, 1], new Float32Array(6));
      b.floats('bias', [3, 1, 1], [1, 2, 3]);
      b.op('Conv', ['x', 'w', 'bias'], { outputs: ['c'], name: '' });
      b.op('Add', ['c', 'bias'], { outputs: ['d'], name: 'same' });
      b.op('Identity', ['d'], { outputs: ['e'], name: 'same' });
      b.op('Constant', [], {
        outputs: ['k'],
        attributes: [tensorAttribute('value', createInitializer('', 'float32', [2, 3], new Uint8Array(24)))],
      });
      b.op('Reshape', ['k', b.integers('to', [2], [3, -1])], { outputs: ['kk'] });
      b.op('Relu', ['e'], { outputs: ['y'], name: 'same' });
      b.op('Exp', ['kk'], { outputs: ['z'] });
      b.op('Log', ['kk'], { outputs: ['dead'] });
      b.output('y', 'float32', null);
      b.output('z', 'float32', null);
    },
    { opset: 13, irVersion: 3 },
  );

  it('leaves one form of everything', () => {
    const { graph, irVersion } = normalise(messy);
    expect(graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(irVersion).toBe(7);
    expect(graph.nodes.map((node) => `${node.name}: ${node.op}(${node.inputs.join()})=${node.outputs.join()}`)).toEqual(
      ['Conv_1: Conv(x,w,bias_flat)=c', 'same: Add(c,bias)=d', 'same_1: Relu(d)=y', 'Exp_6: Exp(kk)=z'],
    );
    expect([...graph.initializers.values()].map(({ name, dims }) => [name, dims])).toEqual([
      ['w', [3, 2, 1, 1]],
      ['bias', [3, 1, 1]],
      ['kk', [3, 2]],
      ['bias_flat', [3]],
    ]);
    expect(checkModel(normalise(messy)).filter(({ problem }) => !problem.includes('without a type'))).toEqual([]);
  });

  it('changes nothing the second time', () => {
    const once = normalise(messy, { opset: 17 });
    expect(normalise(once, { opset: 17 })).toEqual(once);
  });

  describe.skipIf(!sharedModelsExist)('real models (needs ../shared/data)', () => {
    it.each(SHARED_MODELS.flatMap((name) => [13, 17, 21].map((opset) => [name, opset] as const)))(
      '%s to %d is valid',
      (name, opset) => {
        const model = normalise(decodeModel(sharedModel(name)), { opset });
        expect(checkModel(model)).toEqual([]);
        expect(model.graph.inputs).toHaveLength(name.startsWith('sentiment') ? 3 : 1);
      },
    );
  });
});
