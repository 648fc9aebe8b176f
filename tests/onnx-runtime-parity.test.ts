/**
 * The ONNX room never runs a model, so what it claims about models is proven here, across rooms: what ONNX Runtime
 * computes after normalising and upgrading is what it computed before, inferred types are those it returns, and the
 * files we write, external data included, are files it reads.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor, Tensors } from '@slipway/core';
import {
  type Attribute,
  type Builder,
  buildGraph,
  buildModel,
  decodeModel,
  floatAttribute,
  floatsAttribute,
  graphAttribute,
  inferShapes,
  initializerOf,
  intAttribute,
  intsAttribute,
  isTensorType,
  mlpModel,
  type Model,
  normalise,
  readModelFile,
  signatureOf,
  stringAttribute,
  tensorInfo,
  upgradeOpset,
  withModel,
  writeModelFile,
} from '@slipway/onnx';
import { compareTensors, type Engine, openOnnxruntime } from '@slipway/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let directory: string;
let engine: Engine;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-parity-'));
  engine = await openOnnxruntime();
});
afterAll(() => rmSync(directory, { recursive: true }));

async function run(path: string, inputs: Tensors): Promise<Tensors> {
  // Without optimization, so that two graphs are compared and not what fusion made of them.
  const session = await engine.load(path, { threads: 1, spinning: false, optimization: 'none' });
  try {
    return await session.run(inputs);
  } finally {
    await session.release();
  }
}

async function runModel(model: Model, inputs: Tensors): Promise<Tensors> {
  const path = join(directory, 'model.onnx');
  await writeModelFile(path, model);
  return run(path, inputs);
}

function expectSame(actual: Tensors, expected: Tensors): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) {
    expect(compareTensors(actual[name]!, value, { absolute: 1e-5, relative: 1e-5 })).toBeNull();
  }
}

/** Deterministic inputs; symbols get the size 3, token ids stay small. */
function inputsFor(model: Model): Tensors {
  return Object.fromEntries(
    signatureOf(model).inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const dims = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 3));
      const count = dims.reduce((a, b) => a * b, 1);
      if (dtype === 'int64') {
        const value = (index: number): number =>
          name === 'input_ids' ? (index * 37) % 500 : name === 'input_mask' ? 1 : 0;
        return [
          name,
          { dtype, shape: dims, data: BigInt64Array.from({ length: count }, (_, index) => BigInt(value(index))) },
        ];
      }
      if (dtype === 'bool') return [name, { dtype, shape: dims, data: new Uint8Array(count).fill(1) }];
      return [
        name,
        {
          dtype: 'float32',
          shape: dims,
          data: Float32Array.from({ length: count }, (_, index) => Math.sin(index) * 10),
        },
      ];
    }),
  );
}

const shared = join(import.meta.dirname, '../../shared/data');
const MODELS = [
  'mnist/mnist.onnx',
  'sentiment/sentiment.onnx',
  ...['squeezenet', 'shufflenet', 'resnet50'].map((name) => `onnx-light/light_${name}.onnx`),
];

describe.skipIf(!existsSync(shared))('real models (needs ../shared/data)', () => {
  const read = (name: string): Model => decodeModel(readFileSync(join(shared, name)), { path: name });

  it.each(MODELS.flatMap((name) => [13, 17, 21].map((opset) => [name, opset] as const)))(
    '%s in operator set %d computes what the file computes',
    async (name, opset) => {
      const model = read(name);
      const inputs = inputsFor(model);
      expectSame(await runModel(normalise(model, { opset }), inputs), await run(join(shared, name), inputs));
    },
  );

  it.each(MODELS)('%s: values have the types that were inferred, and the engine sees our signature', async (name) => {
    const model = normalise(read(name));
    const { values } = inferShapes(model, { strict: true, useDeclared: false });
    const made = model.graph.nodes.flatMap((node) => node.outputs).filter((output) => output !== '');
    const outputs = made.map((output) => {
      const type = values.get(output);
      return tensorInfo(output, isTensorType(type) ? type.dtype : 'float32', null);
    });
    // Every value becomes an output, so that the engine shows what it is.
    const open = withModel(model, { graph: Object.freeze({ ...model.graph, outputs: Object.freeze(outputs) }) });
    const actual = await runModel(open, inputsFor(model));
    let checked = 0;
    for (const [output, { dtype, shape }] of Object.entries(actual)) {
      const type = values.get(output);
      expect(isTensorType(type) && type.dtype).toBe(dtype);
      // Symbols have the size 3 here.
      expect((isTensorType(type) ? type.shape : [])?.map((dim) => (typeof dim === 'number' ? dim : 3))).toEqual(shape);
      checked++;
    }
    expect(checked).toBe(made.length);
    const session = await engine.load(join(shared, name), { threads: 1, spinning: false, optimization: 'none' });
    expect(signatureOf(read(name)).inputs).toEqual(session.signature.inputs);
    await session.release();
  });
});

type Case = readonly [
  what: string,
  opset: number,
  shape: readonly number[],
  body: (b: Builder) => void,
  outputs?: readonly string[],
];

const node = (
  op: string,
  attributes: readonly Attribute[] = [],
  outputs: readonly string[] = ['y'],
): ((b: Builder) => void) => {
  return (b) => void b.op(op, ['x'], { attributes, outputs });
};

const CASES: readonly Case[] = [
  ['Clip', 8, [2, 3], node('Clip', [floatAttribute('min', -1), floatAttribute('max', 2)])],
  ['Dropout', 8, [2, 3], node('Dropout', [floatAttribute('ratio', 0.5)])],
  ['Softmax, last axis', 8, [2, 3], node('Softmax', [intAttribute('axis', 1)])],
  ['Softmax, trailing ones', 9, [1, 5, 1, 1], node('Softmax')],
  ['Softmax, several axes', 9, [2, 3, 4], node('Softmax')],
  ['Softmax, axis 0', 11, [2, 3], node('Softmax', [intAttribute('axis', 0)])],
  ['LogSoftmax', 9, [2, 3, 4], node('LogSoftmax', [intAttribute('axis', -2)])],
  ['Hardmax', 9, [2, 3, 4], node('Hardmax', [intAttribute('axis', 1)])],
  [
    'Slice',
    9,
    [4, 5],
    node('Slice', [intsAttribute('starts', [1, -3]), intsAttribute('ends', [3, 100]), intsAttribute('axes', [0, 1])]),
  ],
  ['Pad', 8, [2, 3], node('Pad', [intsAttribute('pads', [0, 1, 1, 0]), floatAttribute('value', 7)])],
  ['Pad, reflected', 8, [4, 5], node('Pad', [intsAttribute('pads', [0, 1, 1, 0]), stringAttribute('mode', 'reflect')])],
  ['Squeeze', 9, [1, 3, 1], node('Squeeze', [intsAttribute('axes', [0])])],
  ['Squeeze without axes', 9, [1, 3, 1], node('Squeeze')],
  ['Unsqueeze', 9, [3], node('Unsqueeze', [intsAttribute('axes', [0, 2])])],
  [
    'Split',
    9,
    [2, 6],
    node('Split', [intsAttribute('split', [2, 4]), intAttribute('axis', 1)], ['y', 'z']),
    ['y', 'z'],
  ],
  ['Split, equal', 9, [6], node('Split', [], ['y', 'z', 'w']), ['y', 'z', 'w']],
  ['ReduceSum', 9, [2, 3, 4], node('ReduceSum', [intsAttribute('axes', [1]), intAttribute('keepdims', 0)])],
  ['ReduceMean', 9, [2, 3, 4], node('ReduceMean', [intsAttribute('axes', [0, 2])])],
  ['ReduceMax of everything', 9, [2, 3], node('ReduceMax', [intAttribute('keepdims', 0)])],
  ['TopK', 9, [2, 5], node('TopK', [intAttribute('k', 2)], ['y', 'i']), ['y', 'i']],
  ['Upsample, nearest', 8, [1, 1, 2, 3], node('Upsample', [floatsAttribute('scales', [1, 1, 2, 3])])],
  [
    'Upsample, linear',
    8,
    [1, 1, 2, 3],
    node('Upsample', [floatsAttribute('scales', [1, 1, 2, 2]), stringAttribute('mode', 'linear')]),
  ],
  [
    'Scatter',
    9,
    [3, 2],
    (b) => {
      b.op('Scatter', ['x', b.integers('i', [1, 2], [2, 0]), b.floats('u', [1, 2], [8, 9])], { outputs: ['y'] });
    },
  ],
  [
    'BatchNormalization',
    8,
    [2, 3, 4],
    (b) => {
      const vector = (name: string, from: number): string => b.floats(name, [3], [from, from + 1, from + 2]);
      b.op('BatchNormalization', ['x', vector('s', 1), vector('b', 0), vector('m', -1), vector('v', 1)], {
        outputs: ['y'],
      });
    },
  ],
  [
    'a chain',
    8,
    [1, 4, 3, 3],
    (b) => {
      const pooled = b.op('AveragePool', ['x'], { attributes: [intsAttribute('kernel_shape', [2, 2])] });
      const flat = b.op('Flatten', [b.op('PRelu', [pooled, b.floats('slope', [1], [0.1])])]);
      b.op(
        'Gemm',
        [
          flat,
          b.floats(
            'w',
            [16, 2],
            Array.from({ length: 32 }, (_, index) => index / 32),
          ),
          b.floats('c', [1, 2], [1, 2]),
        ],
        { outputs: ['y'] },
      );
    },
  ],
  [
    'a branch of If',
    11,
    [2, 3],
    (b) => {
      const branch = (axis: number): Attribute =>
        graphAttribute(
          axis === 0 ? 'then_branch' : 'else_branch',
          buildGraph((inner) => {
            inner.op('Unsqueeze', ['x'], { outputs: [`b${axis}`], attributes: [intsAttribute('axes', [axis])] });
            inner.output(`b${axis}`, 'float32', null);
          }),
        );
      b.initializer(initializerOf('c', { dtype: 'bool', shape: [], data: Uint8Array.of(1) }));
      b.op('If', ['c'], { outputs: ['y'], attributes: [branch(0), branch(1)] });
    },
  ],
];

describe('upgraded operators compute what they computed', () => {
  const cases = CASES.map(([what, opset, dims, body, outputs = ['y']]) => ({ what, opset, dims, body, outputs }));
  it.each(cases)('$what (operator set $opset)', async ({ what, opset, dims, body, outputs }) => {
    const model = buildModel(
      (b) => {
        b.input('x', 'float32', dims);
        body(b);
        for (const name of outputs) b.output(name, name === 'i' ? 'int64' : 'float32', null);
      },
      { opset },
    );
    const inputs = inputsFor(model);
    const before = await runModel(model, inputs);
    for (const target of [13, 18, 21]) {
      expectSame(await runModel(upgradeOpset(model, target), inputs), before);
      expectSame(await runModel(normalise(model, { opset: target }), inputs), before);
    }
    const { values } = inferShapes(model, { useDeclared: false });
    for (const [name, value] of Object.entries(before)) {
      const type = values.get(name);
      const shape = isTensorType(type) ? type.shape : null;
      // The branches of If differ in shape: those dimensions are rightly not known.
      expect(shape?.map((dim, axis) => (dim === '?' && what.includes('If') ? value.shape[axis] : dim))).toEqual(
        value.shape,
      );
    }
  });
});

describe('files we write', () => {
  it('with external data load and compute the same', async () => {
    const model = mlpModel({ layers: [64, 48, 10] });
    const inputs = inputsFor(model);
    const expected = await runModel(model, inputs);
    const path = join(directory, 'external.onnx');
    await writeModelFile(path, model, { weights: 'external', minimumBytes: 0 });
    expect(readdirSync(directory)).toContain('external.onnx.data');
    expectSame(await run(path, inputs), expected);
    expectSame(await runModel(normalise(await readModelFile(path), { opset: 21 }), inputs), expected);
  });

  it('with packed 4-bit weights load and compute', async () => {
    const model = buildModel(
      (b) => {
        b.input('x', 'float32', [1]);
        b.initializer({
          ...initializerOf('q', { dtype: 'uint8', shape: [2], data: Uint8Array.of(0x21, 0x0f) }),
          dtype: 'int4',
          dims: [3],
        });
        b.op('DequantizeLinear', ['q', b.floats('s', [], [0.5])], { outputs: ['w'] });
        b.output(b.op('Mul', ['x', 'w'], { outputs: ['y'] }), 'float32', [3]);
      },
      { opset: 21, irVersion: 10 },
    );
    const { y } = await runModel(model, { x: { dtype: 'float32', shape: [1], data: Float32Array.of(2) } });
    expect([...(y!.data as Float32Array)]).toEqual([1, 2, -1]);
  });
});
