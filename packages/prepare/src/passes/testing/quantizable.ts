/** Small models with all there is to quantize, for tests of the passes that do. */
import {
  buildModel,
  createGraph,
  createModel,
  createNode,
  floatAttribute,
  initializerOf,
  intAttribute,
  intsAttribute,
  type Initializer,
  type Model,
  stringAttribute,
  tensorInfo,
} from '@slipway/onnx';
import { floatWeight, uniform } from './run.ts';

export const constant = (name: string, shape: number[], data: number[]): Initializer =>
  initializerOf(name, { dtype: 'float32', shape, data: Float32Array.from(data) });

/**
 * All there is to place in one small CNN: a batch normalization and a rank-3 bias to fold, a Relu to absorb, a residual
 * Add, a depthwise convolution, a pool and a Reshape to pass through, a matrix product with its bias, a float Softmax.
 */
export function cnn(): Model {
  return createModel({
    opsets: [['', 13]],
    graph: createGraph({
      inputs: [tensorInfo('x', 'float32', ['batch', 1, 4, 4])],
      outputs: [tensorInfo('p', 'float32', ['batch', 3])],
      nodes: [
        createNode('Conv', ['x', 'W1'], ['c1'], { name: 'conv1', attributes: [intsAttribute('pads', [1, 1, 1, 1])] }),
        createNode('BatchNormalization', ['c1', 'gamma', 'beta', 'mean', 'variance'], ['n1'], { name: 'norm1' }),
        createNode('Relu', ['n1'], ['r1'], { name: 'relu1' }),
        createNode('Conv', ['r1', 'W2'], ['c2'], {
          name: 'depthwise',
          attributes: [intAttribute('group', 2), intsAttribute('pads', [1, 1, 1, 1])],
        }),
        createNode('Add', ['c2', 'B2'], ['b2'], { name: 'bias2' }),
        createNode('Add', ['r1', 'b2'], ['sum'], { name: 'residual' }),
        createNode('Relu', ['sum'], ['r2'], { name: 'relu2' }),
        createNode('MaxPool', ['r2'], ['m'], {
          name: 'pool',
          attributes: [intsAttribute('kernel_shape', [2, 2]), intsAttribute('strides', [2, 2])],
        }),
        createNode('Reshape', ['m', 'shape'], ['flat'], { name: 'flatten' }),
        createNode('MatMul', ['flat', 'W3'], ['d'], { name: 'dense' }),
        createNode('Add', ['d', 'B3'], ['logits'], { name: 'bias3' }),
        createNode('Softmax', ['logits'], ['p'], { name: 'softmax' }),
      ],
      initializers: [
        floatWeight('W1', [2, 1, 3, 3], 1),
        constant('gamma', [2], [1, 2]),
        constant('beta', [2], [0.5, -0.5]),
        constant('mean', [2], [0.1, 0.2]),
        constant('variance', [2], [1, 4]),
        floatWeight('W2', [2, 1, 3, 3], 2),
        constant('B2', [2, 1, 1], [0.25, -0.25]),
        initializerOf('shape', { dtype: 'int64', shape: [2], data: BigInt64Array.of(0n, 8n) }),
        floatWeight('W3', [8, 3], 3),
        constant('B3', [1, 3], [0.1, 0.2, 0.3]),
      ],
    }),
  });
}

/** Query, key, value; scores that are scaled, normalized and mixed; a projection with its bias. */
export const attention = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 'tokens', 8]);
      const matrix = (name: string, seed: number): string => b.floats(name, [8, 8], uniform(64, seed));
      const head = (name: string, seed: number): string =>
        b.op('MatMul', [x, matrix(`W${name}`, seed)], { name, outputs: [`${name}_out`] });
      const [q, k, v] = [head('query', 1), head('key', 2), head('value', 3)];
      const turned = b.op('Transpose', [k], { name: 'turn', attributes: [intsAttribute('perm', [0, 2, 1])] });
      const scores = b.op('MatMul', [q, turned], { name: 'scores' });
      const scaled = b.op('Mul', [scores, b.floats('factor', [], [0.35])], { name: 'scale' });
      const weights = b.op('Softmax', [scaled], { name: 'softmax', attributes: [intAttribute('axis', -1)] });
      const mixed = b.op('MatMul', [weights, v], { name: 'mix' });
      const projected = b.op('MatMul', [mixed, matrix('Wo', 4)], { name: 'project' });
      b.output(b.op('Add', [projected, b.floats('bo', [8], uniform(8, 5))], { outputs: ['y'] }), 'float32', null);
    },
    { opset: 13 },
  );

/** A Conv, then every join and some moves, one after the other, then a Gemm. */
export const everyOperator = (): Model =>
  buildModel(
    (b) => {
      const padded = [intsAttribute('pads', [1, 1, 1, 1])];
      const halving = [intsAttribute('kernel_shape', [2, 2]), intsAttribute('strides', [2, 2])];
      const conv = (name: string, from: string): string =>
        b.op(
          'Conv',
          [
            from,
            b.floats(
              name,
              [4, 4, 3, 3],
              uniform(144, name.length).map((value) => value / 3),
            ),
          ],
          {
            attributes: padded,
          },
        );
      const x = b.input('x', 'float32', ['batch', 4, 8, 8]);
      const [left, right] = [conv('W', x), conv('W2', x)];
      const sum = b.op('Add', [left, right]);
      const product = b.op('Mul', [sum, b.floats('factor', [1, 1, 8, 8], uniform(64, 5))]);
      const leaky = b.op('LeakyRelu', [product], { attributes: [floatAttribute('alpha', 0.1)] });
      const gate = b.op('Sigmoid', [leaky]);
      const condition = { dtype: 'bool', shape: [1, 1, 1, 8], data: Uint8Array.of(1, 0, 1, 1, 0, 0, 1, 0) } as const;
      const either = b.op('Where', [b.constant('condition', condition), gate, leaky]);
      const pooled = b.op('AveragePool', [either], { attributes: halving });
      const large = b.op('MaxPool', [either], { attributes: halving });
      b.op('Split', [large], { outputs: ['first', 'second'], attributes: [intAttribute('axis', 1)] });
      const joined = b.op('Concat', ['second', pooled, 'first'], { attributes: [intAttribute('axis', 1)] });
      const grown = b.op('Resize', [joined, '', b.floats('scales', [4], [1, 1, 2, 2])], {
        attributes: [stringAttribute('mode', 'nearest')],
      });
      const mean = b.op('GlobalAveragePool', [grown]);
      const flat = b.op('Flatten', [mean]);
      const inputs = [flat, b.floats('V', [3, 8], uniform(24, 6)), b.floats('bias', [3], uniform(3, 7))];
      b.output(b.op('Gemm', inputs, { attributes: [intAttribute('transB', 1)], outputs: ['y'] }), 'float32', null);
    },
    { opset: 13 },
  );
