import { describe, expect, it } from 'vitest';
import { type Builder, buildGraph, buildModel } from '../build/builder.ts';
import { mlpModel } from '../build/models.ts';
import { decodeModel } from '../codec/decode.ts';
import {
  floatAttribute,
  graphAttribute,
  intAttribute,
  intsAttribute,
  stringAttribute,
  tensorAttribute,
} from '../ir/attribute.ts';
import type { Attribute } from '../ir/attribute.ts';
import type { OnnxDType } from '../ir/dtype.ts';
import { createInitializer } from '../ir/initializer.ts';
import { describeType, type Shape } from '../ir/type.ts';
import { SHARED_MODELS, sharedModel, sharedModelsExist } from '../testing/shared-models.ts';
import { inferShapes } from './infer.ts';
import { SHAPE_INFERENCE_OPERATORS } from './table.ts';

type Given =
  Shape | readonly [OnnxDType, Shape] | { readonly constant: readonly number[] } | { readonly scalar: number };

/** The inferred type of the first output of one node; inputs are float32 unless a dtype is given. */
function typeOf(
  op: string,
  inputs: readonly Given[],
  attributes: readonly Attribute[] = [],
  opset = 17,
  outputs = 1,
): string[] {
  const names = Array.from({ length: outputs }, (_, index) => `y${index}`);
  const model = buildModel(
    (b) => {
      const from = inputs.map((given, index) => {
        const name = `x${index}`;
        if ('constant' in given) return b.integers(name, [given.constant.length], given.constant);
        if ('scalar' in given) return b.integers(name, [], [given.scalar]);
        return Array.isArray(given[1])
          ? b.input(name, given[0] as OnnxDType, given[1] as Shape)
          : b.input(name, 'float32', given as Shape);
      });
      b.op(op, from, { outputs: names, attributes });
    },
    { opset },
  );
  const { values, unknown } = inferShapes(model);
  return unknown.length > 0
    ? unknown.map(({ reason }) => reason)
    : names.map((name) => describeType(values.get(name) ?? null));
}

const ints = intsAttribute;
const int = intAttribute;

/** Operator, inputs, attributes, operator set, expected output types (or the reason why there are none). */
const CASES: readonly [
  op: string,
  inputs: readonly Given[],
  attributes: readonly Attribute[],
  opset: number,
  expected: readonly string[],
][] = [
  ['Relu', [['batch', 3]], [], 17, ['float32[batch, 3]']],
  [
    'Add',
    [
      ['batch', 1, 3],
      [5, 1],
    ],
    [],
    17,
    ['float32[batch, 5, 3]'],
  ],
  [
    'Add',
    [
      ['n', 4],
      ['m', 4],
    ],
    [],
    17,
    ['float32[?, 4]'],
  ],
  ['Add', [[2], [3]], [], 17, ['dimensions 2 and 3 do not broadcast']],
  ['Equal', [['n'], [1]], [], 17, ['bool[n]']],
  ['Cast', [['n']], [int('to', 7)], 17, ['int64[n]']],
  ['Cast', [['n']], [int('to', 99)], 17, ['attribute "to" is 99, not an element type']],
  ['Where', [['bool', ['n', 1]], [1, 3], [1]], [], 17, ['float32[n, 3]']],
  [
    'MatMul',
    [
      ['b', 2, 3],
      [3, 4],
    ],
    [],
    17,
    ['float32[b, 2, 4]'],
  ],
  ['MatMul', [[3], [3, 4]], [], 17, ['float32[4]']],
  ['MatMul', [[3], [3]], [], 17, ['float32[]']],
  [
    'MatMul',
    [
      [2, 3],
      [4, 5],
    ],
    [],
    17,
    ['inner dimensions 3 and 4 of [2, 3] × [4, 5] differ'],
  ],
  ['Gemm', [['n', 3], [5, 3], [5]], [int('transB', 1)], 17, ['float32[n, 5]']],
  [
    'Einsum',
    [
      ['b', 2, 3],
      ['b', 3, 4],
    ],
    [stringAttribute('equation', 'bij,bjk->bik')],
    17,
    ['float32[b, 2, 4]'],
  ],
  [
    'Conv',
    [
      ['n', 3, 224, 224],
      [64, 3, 7, 7],
    ],
    [ints('pads', [3, 3, 3, 3]), ints('strides', [2, 2])],
    17,
    ['float32[n, 64, 112, 112]'],
  ],
  [
    'Conv',
    [
      [1, 1, 28, 28],
      [8, 1, 5, 5],
    ],
    [stringAttribute('auto_pad', 'SAME_UPPER')],
    17,
    ['float32[1, 8, 28, 28]'],
  ],
  [
    'Conv',
    [
      [1, 8, 9],
      [4, 2, 3],
    ],
    [int('group', 4), ints('dilations', [2])],
    17,
    ['float32[1, 4, 5]'],
  ],
  [
    'Conv',
    [
      [1, 3, 9],
      [4, 2, 3],
    ],
    [],
    17,
    ['the input has 3 channels, the weight is for 2'],
  ],
  [
    'Conv',
    [
      [1, 2, 2],
      [4, 2, 3],
    ],
    [],
    17,
    ['a window of 3 does not fit into 2 + padding 0 (spatial axis 0)'],
  ],
  [
    'ConvTranspose',
    [
      [1, 8, 4, 4],
      [8, 3, 3, 3],
    ],
    [ints('strides', [2, 2]), ints('pads', [1, 1, 1, 1]), ints('output_padding', [1, 1])],
    17,
    ['float32[1, 3, 8, 8]'],
  ],
  [
    'MaxPool',
    [[1, 3, 7, 7]],
    [ints('kernel_shape', [2, 2]), ints('strides', [2, 2]), int('ceil_mode', 1)],
    17,
    ['float32[1, 3, 4, 4]'],
  ],
  ['AveragePool', [['n', 3, 7, 7]], [ints('kernel_shape', [7, 7])], 17, ['float32[n, 3, 1, 1]']],
  ['GlobalAveragePool', [['n', 3, 'h', 'w']], [], 17, ['float32[n, 3, 1, 1]']],
  ['Reshape', [['n', 4, 8], { constant: [0, -1] }], [], 17, ['float32[n, 32]']],
  ['Reshape', [['n', 's', 128], { constant: [0, -1, 4, 32] }], [], 17, ['float32[n, s, 4, 32]']],
  ['Reshape', [[2, 3], { constant: [-1, 4] }], [], 17, ['6 elements cannot be divided into 4']],
  ['Reshape', [[2, 3], { constant: [-1, -1] }], [], 17, ['shape [-1, -1] has more than one -1']],
  ['Transpose', [[1, 'a', 3]], [ints('perm', [2, 0, 1])], 17, ['float32[3, 1, a]']],
  ['Unsqueeze', [['n'], { constant: [0, -1] }], [], 17, ['float32[1, n, 1]']],
  ['Unsqueeze', [['n']], [ints('axes', [0])], 11, ['float32[1, n]']],
  ['Squeeze', [[1, 'n', 1], { constant: [0] }], [], 17, ['float32[n, 1]']],
  ['Squeeze', [[2, 1], { constant: [0] }], [], 17, ['axis 0 has size 2 and cannot be squeezed']],
  ['Flatten', [['n', 3, 4]], [], 17, ['float32[n, 12]']],
  [
    'Concat',
    [
      ['n', 2],
      ['n', 3],
    ],
    [int('axis', 1)],
    17,
    ['float32[n, 5]'],
  ],
  ['Split', [[6, 2]], [int('axis', 0)], 17, ['float32[3, 2]', 'float32[3, 2]']],
  ['Split', [[7], { constant: [3, 4] }], [], 17, ['float32[3]', 'float32[4]']],
  [
    'Slice',
    [[10, 'n'], { constant: [1] }, { constant: [-1] }, { constant: [0] }, { constant: [2] }],
    [],
    17,
    ['float32[4, n]'],
  ],
  ['Slice', [[10]], [ints('starts', [-3]), ints('ends', [2n ** 63n - 1n].map(Number))], 9, ['float32[3]']],
  [
    'Slice',
    [[5], { constant: [-1] }, { constant: [-100] }, { constant: [0] }, { constant: [-1] }],
    [],
    17,
    ['float32[5]'],
  ],
  [
    'Gather',
    [
      ['v', 8],
      ['int64', ['n', 's']],
    ],
    [],
    17,
    ['float32[n, s, 8]'],
  ],
  [
    'GatherND',
    [
      [2, 3, 4],
      ['int64', ['n', 2]],
    ],
    [],
    17,
    ['float32[n, 4]'],
  ],
  ['Expand', [['n', 1], { constant: [1, 5] }], [], 17, ['float32[n, 5]']],
  ['Tile', [[2, 'n'], { constant: [3, 1] }], [], 17, ['float32[6, n]']],
  ['Pad', [['n', 4], { constant: [0, 1, 0, 2] }], [], 17, ['float32[n, 7]']],
  ['DepthToSpace', [[1, 8, 2, 3]], [int('blocksize', 2)], 17, ['float32[1, 2, 4, 6]']],
  ['TopK', [['n', 10], { constant: [3] }], [], 17, ['float32[n, 3]', 'int64[n, 3]']],
  ['ArgMax', [['n', 10]], [int('axis', 1), int('keepdims', 0)], 17, ['int64[n]']],
  ['ReduceMean', [['n', 3, 4]], [ints('axes', [1])], 17, ['float32[n, 1, 4]']],
  ['ReduceSum', [['n', 3], { constant: [1] }], [int('keepdims', 0)], 17, ['float32[n]']],
  ['ReduceMax', [['n', 3]], [int('keepdims', 0)], 17, ['float32[]']],
  [
    'ConstantOfShape',
    [{ constant: [2, 3] }],
    [tensorAttribute('value', createInitializer('', 'int8', [1], new Uint8Array(1)))],
    17,
    ['int8[2, 3]'],
  ],
  ['Range', [{ scalar: 2 }, { scalar: 11 }, { scalar: 3 }], [], 17, ['int64[3]']],
  ['Shape', [['n', 3, 4]], [int('start', 1)], 17, ['int64[2]']],
  ['OneHot', [['int64', ['n']], { scalar: 10 }, [2]], [], 17, ['float32[n, 10]']],
  ['NonZero', [[2, 3]], [], 17, ['int64[2, ?]']],
  ['Dropout', [['n']], [], 17, ['float32[n]', 'bool[n]']],
  ['LayerNormalization', [['n', 's', 8], [8], [8]], [], 17, ['float32[n, s, 8]']],
  ['Clip', [['n']], [floatAttribute('min', 0)], 6, ['float32[n]']],
  ['QuantizeLinear', [['n', 3], [], ['int8', []]], [], 17, ['int8[n, 3]']],
  ['DequantizeLinear', [['uint8', ['n', 3]], []], [], 17, ['float32[n, 3]']],
  ['DynamicQuantizeLinear', [['n', 3]], [], 17, ['uint8[n, 3]', 'float32[]', 'uint8[]']],
  [
    'MatMulInteger',
    [
      ['uint8', ['n', 3]],
      ['int8', [3, 4]],
    ],
    [],
    17,
    ['int32[n, 4]'],
  ],
  [
    'ConvInteger',
    [
      ['uint8', ['n', 3, 8, 8]],
      ['int8', [4, 3, 3, 3]],
    ],
    [],
    17,
    ['int32[n, 4, 6, 6]'],
  ],
  [
    'LSTM',
    [
      ['s', 'b', 8],
      [2, 64, 8],
      [2, 64, 16],
    ],
    [int('hidden_size', 16), stringAttribute('direction', 'bidirectional')],
    17,
    ['float32[s, 2, b, 16]', 'float32[2, b, 16]', 'float32[2, b, 16]'],
  ],
  ['NotAnOperator', [['n']], [], 17, ['no rule for NotAnOperator']],
];

describe('rules', () => {
  it.each(CASES)('%s %j', (op, inputs, attributes, opset, expected) => {
    const outputs = expected.every((text) => /^\w+\[/.test(text)) ? expected.length : 1;
    expect(typeOf(op, inputs, attributes, opset, outputs)).toEqual(expected);
  });
});

const types = (body: (b: Builder) => void): Record<string, string> => {
  const { values, unknown } = inferShapes(buildModel(body));
  expect(unknown).toEqual([]);
  return Object.fromEntries([...values].map(([name, type]) => [name, describeType(type)]));
};

describe('shape arithmetic', () => {
  it('carries symbols through Shape, Gather, Concat and Reshape', () => {
    const known = types((b) => {
      const x = b.input('x', 'float32', ['batch', 'sequence', 128]);
      const shape = b.op('Shape', [x]);
      const batch = b.op('Gather', [shape, b.integers('zero', [], [0])]);
      const row = b.op('Unsqueeze', [batch, b.integers('axis', [1], [0])]);
      const target = b.op('Concat', [row, b.integers('rest', [3], [-1, 4, 32])], {
        attributes: [intAttribute('axis', 0)],
      });
      b.op('Reshape', [x, target], { outputs: ['y'] });
      b.op(
        'Expand',
        [b.floats('one', [1, 1], [1]), b.op('Slice', [shape, b.integers('s', [1], [0]), b.integers('e', [1], [2])])],
        { outputs: ['z'] },
      );
      const last = b.op('Squeeze', [b.op('Slice', [shape, b.integers('s2', [1], [2]), b.integers('e2', [1], [3])])]);
      const half = b.op('Div', [last, b.integers('two', [], [2])]);
      b.op('ConstantOfShape', [b.op('Unsqueeze', [half, 'axis'])], { outputs: ['c'] });
    });
    expect(known).toMatchObject({
      y: 'float32[batch, sequence, 4, 32]',
      z: 'float32[batch, sequence]',
      c: 'float32[64]',
    });
  });

  it('does not follow the default of an input that a caller may override', () => {
    const model = buildModel((b) => {
      b.input('shape', 'int64', [2]);
      b.integers('shape', [2], [2, 3]);
      b.op('Reshape', [b.input('x', 'float32', [6]), 'shape'], { outputs: ['y'] });
    });
    expect(describeType(inferShapes(model).values.get('y') ?? null)).toBe('float32[?, ?]');
    expect(describeType(inferShapes({ ...model, irVersion: 3 }).values.get('y') ?? null)).toBe('float32[2, 3]');
  });
});

describe('control flow', () => {
  const branch = (size: number): Attribute['value'] & object =>
    buildGraph((b) => {
      b.op('Concat', size === 2 ? ['x', 'x'] : ['x'], { outputs: [`b${size}`], attributes: [intAttribute('axis', 1)] });
      b.output(`b${size}`, 'float32', null);
    });

  it('takes from If what both branches agree on', () => {
    const known = types((b) => {
      b.input('x', 'float32', ['n', 3]);
      b.input('c', 'bool', []);
      b.op('If', ['c'], {
        outputs: ['y'],
        attributes: [
          graphAttribute('then_branch', branch(1) as never),
          graphAttribute('else_branch', branch(2) as never),
        ],
      });
    });
    expect(known).toMatchObject({ b1: 'float32[n, 3]', b2: 'float32[n, 6]', y: 'float32[n, ?]' });
  });

  it('gives Loop and Scan outputs the axis they are collected on', () => {
    const body = buildGraph((b) => {
      b.input('i', 'int64', []);
      b.input('go', 'bool', []);
      b.input('state', 'float32', [4]);
      b.op('Identity', ['go'], { outputs: ['go2'] });
      b.op('Neg', ['state'], { outputs: ['state2'] });
      b.op('ReduceSum', ['state'], { outputs: ['collected'], attributes: [intAttribute('keepdims', 0)] });
      for (const name of ['go2', 'state2', 'collected']) b.output(name, name === 'go2' ? 'bool' : 'float32', null);
    });
    const step = buildGraph((b) => {
      b.input('s', 'float32', null);
      b.input('row', 'float32', null);
      b.op('Add', ['s', 'row'], { outputs: ['s2'] });
      b.op('Identity', ['s2'], { outputs: ['out'] });
      b.output('s2', 'float32', null);
      b.output('out', 'float32', null);
    });
    const known = types((b) => {
      b.input('x', 'float32', [4]);
      b.input('seq', 'float32', ['t', 4]);
      b.op('Loop', ['', '', 'x'], { outputs: ['last', 'all'], attributes: [graphAttribute('body', body)] });
      b.op('Scan', ['x', 'seq'], {
        outputs: ['end', 'rows'],
        attributes: [graphAttribute('body', step), intAttribute('num_scan_inputs', 1)],
      });
    });
    expect(known).toMatchObject({ last: 'float32[4]', all: 'float32[?]', end: 'float32[4]', rows: 'float32[t, 4]' });
  });
});

describe('failing closed', () => {
  const model = buildModel((b) => {
    b.op('Mystery', [b.input('x', 'float32', ['n'])], { outputs: ['m'], name: 'who' });
    b.op('Relu', ['m'], { outputs: ['y'] });
    b.output('y', 'float32', ['n']);
  });

  it('lists what it does not know and uses what the file declares', () => {
    const { values, unknown } = inferShapes(model);
    expect(values.has('m')).toBe(false);
    expect(describeType(values.get('y') ?? null)).toBe('float32[n]');
    expect(unknown.map(({ node, reason, unsupported }) => [node.op, reason, unsupported])).toEqual([
      ['Mystery', 'no rule for Mystery', true],
      ['Relu', 'the type of input 0 ("m") is not known', false],
    ]);
    expect(inferShapes(model, { useDeclared: false }).values.has('y')).toBe(false);
  });

  it('throws in strict mode', () => {
    expect(() => inferShapes(model, { strict: true })).toThrow(/Mystery node "who": operator Mystery is not supported/);
  });

  it('lists the operators it covers', () => {
    expect(SHAPE_INFERENCE_OPERATORS.length).toBeGreaterThan(150);
    expect(SHAPE_INFERENCE_OPERATORS).toContain('com.microsoft.MatMulNBits');
  });

  it('knows every value of an MLP', () => {
    const { values } = inferShapes(mlpModel(), { strict: true });
    expect(describeType(values.get('a1') ?? null)).toBe('float32[batch, 256]');
  });
});

describe.skipIf(!sharedModelsExist)('real models (needs ../shared/data)', () => {
  it.each(SHARED_MODELS)('%s: every value has a full shape, and the declared types agree', (name) => {
    const model = decodeModel(sharedModel(name));
    const { values } = inferShapes(model, { strict: true, useDeclared: false });
    for (const { name: value, type } of [...model.graph.valueInfo.values(), ...model.graph.outputs]) {
      expect(describeType(values.get(value) ?? null)).toBe(describeType(type));
    }
    for (const value of model.graph.nodes.flatMap((node) => node.outputs)) {
      expect(describeType(values.get(value) ?? null)).not.toMatch(/unknown|\?|…/);
    }
  });
});
