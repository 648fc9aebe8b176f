/**
 * Each operator that the plan lets stand between quantized neighbours, alone between two convolutions: ONNX Runtime must
 * make integer kernels of all three, so that nothing is converted back and forth on the way.
 */
import type { Tensors } from '@slipway/core';
import {
  type Builder,
  buildModel,
  floatAttribute,
  intAttribute,
  intsAttribute,
  type Model,
  stringAttribute,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { runningContext } from '../testing/context.ts';
import { kernelsOf } from '../testing/kernels.ts';
import { datasetOf, floats, relativeError, runModel, uniform } from '../testing/run.ts';
import { staticPass } from './pass.ts';

type Between = (b: Builder, x: string, other: () => string) => string;

const PADDED = [intsAttribute('pads', [1, 1, 1, 1])];
const HALVING = [intsAttribute('kernel_shape', [2, 2]), intsAttribute('strides', [2, 2])];

/** Conv → what is to be examined, which may read a second convolution of the same input too → Conv. */
function sandwich(between: Between): Model {
  return buildModel(
    (b) => {
      const conv = (name: string, from: string): string => {
        const weight = b.floats(
          name,
          [4, 4, 3, 3],
          uniform(144, name.length).map((value) => value / 3),
        );
        return b.op('Conv', [from, weight], { attributes: PADDED });
      };
      const x = b.input('x', 'float32', ['batch', 4, 8, 8]);
      b.output(
        conv(
          'third',
          between(b, conv('w', x), () => conv('w2', x)),
        ),
        'float32',
        null,
      );
    },
    { opset: 13 },
  );
}

const unary =
  (op: string, attributes: Parameters<Builder['op']>[2] = {}): Between =>
  (b, x) =>
    b.op(op, [x], attributes);

/** The operator's kernel, by the name it has in the optimized graph; null when it vanishes. */
const CASES: readonly (readonly [name: string, between: Between, kernel: string | null])[] = [
  ['Add', (b, x, y) => b.op('Add', [x, y()]), 'QLinearAdd'],
  ['Add of a constant', (b, x) => b.op('Add', [b.floats('c', [1, 1, 8, 8], uniform(64, 9)), x]), 'QLinearAdd'],
  ['Mul', (b, x, y) => b.op('Mul', [x, y()]), 'QLinearMul'],
  ['Mul by a constant', (b, x) => b.op('Mul', [x, b.floats('c', [1, 1, 8, 8], uniform(64, 9))]), 'QLinearMul'],
  ['Concat', (b, x, y) => b.op('Concat', [x, y()], { attributes: [intAttribute('axis', 2)] }), 'QLinearConcat'],
  [
    'Where',
    (b, x, y) => {
      const condition = b.constant('condition', {
        dtype: 'bool',
        shape: [1, 1, 1, 8],
        data: Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 0),
      });
      return b.op('Where', [condition, x, y()]);
    },
    'QLinearWhere',
  ],
  ['AveragePool', unary('AveragePool', { attributes: HALVING }), 'QLinearAveragePool'],
  ['GlobalAveragePool', unary('GlobalAveragePool'), 'QLinearGlobalAveragePool'],
  ['LeakyRelu', unary('LeakyRelu', { attributes: [floatAttribute('alpha', 0.1)] }), 'QLinearLeakyRelu'],
  ['Sigmoid', unary('Sigmoid'), 'QLinearSigmoid'],
  ['Relu', unary('Relu'), null],
  ['Clip', (b, x) => b.op('Clip', [x, b.floats('low', [], [0]), b.floats('high', [], [0.5])]), null],
  [
    'DepthToSpace',
    (b, x, y) => {
      const other = y();
      const both = b.op('Concat', [x, other, x, other], { attributes: [intAttribute('axis', 1)] });
      return b.op('DepthToSpace', [both], { attributes: [intAttribute('blocksize', 2)] });
    },
    'DepthToSpace',
  ],
  [
    'Expand',
    (b, x) => b.op('Expand', [b.op('GlobalAveragePool', [x]), b.integers('shape', [4], [1, 4, 3, 3])]),
    'Expand',
  ],
  [
    'Gather',
    (b, x) => b.op('Gather', [x, b.integers('rows', [3], [0, 2, 4])], { attributes: [intAttribute('axis', 2)] }),
    'Gather',
  ],
  ['MaxPool', unary('MaxPool', { attributes: HALVING }), 'MaxPool'],
  ['Reshape', (b, x) => b.op('Reshape', [x, b.integers('shape', [4], [0, 4, 4, 16])]), 'Reshape'],
  [
    'Resize',
    (b, x) =>
      b.op('Resize', [x, '', b.floats('scales', [4], [1, 1, 2, 2])], {
        attributes: [stringAttribute('mode', 'nearest')],
      }),
    'Resize',
  ],
  [
    'Slice',
    (b, x) =>
      b.op('Slice', [x, b.integers('starts', [1], [1]), b.integers('ends', [1], [6]), b.integers('axes', [1], [2])]),
    'Slice',
  ],
  [
    'Split',
    (b, x) => {
      const [left, right] = ['left', 'right'];
      b.op('Split', [x], { outputs: [left, right], attributes: [intAttribute('axis', 3)] });
      return b.op('Concat', [right, left], { attributes: [intAttribute('axis', 3)] });
    },
    'Split',
  ],
  ['Tile', (b, x) => b.op('Tile', [x, b.integers('repeats', [4], [1, 1, 2, 1])]), 'Tile'],
  ['Transpose', unary('Transpose', { attributes: [intsAttribute('perm', [0, 1, 3, 2])] }), 'Transpose'],
  [
    'Unsqueeze and Squeeze',
    (b, x) => {
      const axes = b.integers('axes', [1], [4]);
      return b.op('Squeeze', [b.op('Unsqueeze', [x, axes]), axes]);
    },
    'Unsqueeze',
  ],
];

describe('an operator between two convolutions', () => {
  // The rows that were calibrated on: nothing may saturate.
  const rows: Tensors = { x: floats([16, 4, 8, 8], 3) };

  it.each(CASES)('%s computes in integers', async (_, between, kernel) => {
    const model = sandwich(between);
    using context = runningContext(datasetOf(model, rows));
    const quantized = await staticPass.apply(model, { pass: 'quantize.static' }, context);
    const kernels = await kernelsOf(quantized.model, context);
    const convolutions = model.graph.nodes.filter(({ op }) => op === 'Conv');
    expect(kernels.get('Conv')).toBe(undefined);
    expect(kernels.get('QLinearConv')).toBe(convolutions.length);
    // One conversion at each end and none between.
    expect([kernels.get('QuantizeLinear'), kernels.get('DequantizeLinear')]).toEqual([1, 1]);
    if (kernel !== null) expect(kernels.get(kernel)).toBeGreaterThan(0);
    const [expected, actual] = [await runModel(model, rows, context), await runModel(quantized.model, rows, context)];
    const [output = ''] = Object.keys(expected);
    expect(relativeError(actual[output], expected[output])).toBeLessThan(0.06);
  });
});
