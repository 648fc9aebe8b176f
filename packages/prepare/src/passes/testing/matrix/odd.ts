/**
 * Small models with what random ones do not have: odd inputs and outputs, shared, empty and extreme weights, names that
 * passes would like to use, other types throughout. Each is good, and the engine runs it.
 */
import {
  type Initializer,
  buildModel,
  type Builder,
  initializerOf,
  intAttribute,
  type Model,
  stringAttribute,
  stringsAttribute,
  floatsAttribute,
  intsAttribute,
} from '@slipway/onnx';
import { uniform } from '../run.ts';
import { choice, loop, scan } from '../bodies.ts';
import { attention, cnn, everyOperator } from '../quantizable.ts';

/** Whether a small change of a value changes the answers by little. */
interface Odd {
  readonly title: string;
  readonly model: () => Model;
  readonly steps?: true;
}

const weight = (b: Builder, name: string, rows: number, columns: number, factor = 0.5): string =>
  b.floats(
    name,
    [rows, columns],
    uniform(rows * columns, name.length).map((value) => value * factor),
  );

/** y = x · W, and what `more` adds to it. */
const product = (more: (b: Builder, x: string, y: string) => void = () => {}, opset = 17, name = 'W'): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['n', 16]);
      const y = b.op('MatMul', [x, weight(b, name, 16, 16)], { outputs: ['y'] });
      b.output(y, 'float32', ['n', 16]);
      more(b, x, y);
    },
    { opset, imports: { 'com.microsoft': 1, 'ai.onnx.ml': 3 } },
  );

const table = (opset: number): Model =>
  buildModel(
    (b) => {
      const ids = b.input('ids', 'int64', ['n', 4]);
      const embeddings = weight(b, 'table', 30, 16, 1);
      const found = b.op('Gather', [embeddings, ids]);
      // The table again, the other way round, as the last layer of a language model has it.
      const turned = b.op('Transpose', [embeddings], { attributes: [intsAttribute('perm', [1, 0])] });
      b.output(b.op('MatMul', [found, turned], { outputs: ['logits'] }), 'float32', ['n', 4, 30]);
    },
    { opset },
  );

const half = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float16', ['n', 16]);
      const data = Uint16Array.from({ length: 256 }, (_, i) => 0x2c00 + ((i * 37) % 1024) + ((i % 2) << 15));
      const y = b.op('MatMul', [x, b.constant('W', { dtype: 'float16', shape: [16, 16], data })]);
      b.output(b.op('Relu', [y], { outputs: ['y'] }), 'float16', ['n', 16]);
    },
    { opset: 17 },
  );

const double = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float64', ['n', 16]);
      const data = Float64Array.from(uniform(256, 3));
      const y = b.op('MatMul', [x, b.constant('W', { dtype: 'float64', shape: [16, 16], data })]);
      b.output(b.op('Sigmoid', [y], { outputs: ['y'] }), 'float64', ['n', 16]);
    },
    { opset: 17 },
  );

const scalars = (): Model =>
  buildModel(
    (b) => {
      const factor = b.input('factor', 'float32', []);
      const which = b.input('which', 'bool', []);
      const made = b.op('Mul', [factor, weight(b, 'W', 8, 8)]);
      const vector = b.op('MatMul', [made, weight(b, 'V', 8, 8)]);
      b.output(b.op('Where', [which, vector, made], { outputs: ['y'] }), 'float32', [8, 8]);
    },
    { opset: 17 },
  );

const words = (): Model =>
  buildModel(
    (b) => {
      const text = b.input('text', 'string', ['n', 2]);
      const x = b.input('x', 'float32', ['n', 16]);
      b.output(b.op('Identity', [text], { outputs: ['same'] }), 'string', ['n', 2]);
      const encoded = b.op('LabelEncoder', [text], {
        domain: 'ai.onnx.ml',
        attributes: [stringsAttribute('keys_strings', ['One', 'two']), floatsAttribute('values_floats', [0.25, -0.5])],
      });
      const both = b.op('Concat', [x, encoded], { attributes: [intAttribute('axis', 1)] });
      b.output(b.op('MatMul', [both, weight(b, 'W', 18, 4)], { outputs: ['y'] }), 'float32', ['n', 4]);
    },
    { opset: 17, imports: { 'ai.onnx.ml': 3 } },
  );

const empty = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['n', 16]);
      const nothing = b.floats('nothing', [16, 0], []);
      const none = b.op('MatMul', [x, nothing]);
      const some = b.op('MatMul', [x, weight(b, 'W', 16, 4)]);
      b.output(b.op('Concat', [none, some], { attributes: [intAttribute('axis', 1)], outputs: ['y'] }), 'float32', [
        'n',
        4,
      ]);
      b.output(
        b.op(
          'MatMul',
          [
            b.op('Slice', [x, b.integers('s', [1], [0]), b.integers('e', [1], [0]), b.integers('a', [1], [0])]),
            weight(b, 'V', 16, 3),
          ],
          { outputs: ['z'] },
        ),
        'float32',
        [0, 3],
      );
    },
    { opset: 17 },
  );

const twoRows = (): Model =>
  buildModel(
    (b) => {
      const a = b.input('a', 'float32', [2, 16]);
      const c = b.input('c', 'float32', [5, 16]);
      const both = b.op('Concat', [a, c], { attributes: [intAttribute('axis', 0)] });
      b.output(b.op('MatMul', [both, weight(b, 'W', 16, 4)], { outputs: ['y'] }), 'float32', [7, 4]);
    },
    { opset: 17 },
  );

const constants = (): Model =>
  buildModel(
    (b) => {
      b.output(b.op('MatMul', [weight(b, 'A', 8, 8), weight(b, 'B', 8, 8)], { outputs: ['y'] }), 'float32', [8, 8]);
    },
    { opset: 17 },
  );

const nothingToDo = (): Model =>
  buildModel(
    (b) => {
      b.input('x', 'float32', ['n', 4]);
      b.op('Identity', ['x'], { outputs: ['y'] });
      b.output('y', 'float32', ['n', 4]);
    },
    { opset: 17 },
  );

const withWeights = (name: string, change: (value: number, index: number) => number): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['n', 16]);
      const hidden = b.op('MatMul', [x, b.floats(name, [16, 16], uniform(256, 5).map(change))]);
      b.output(b.op('Tanh', [b.op('MatMul', [hidden, weight(b, 'last', 16, 4)])], { outputs: ['y'] }), 'float32', [
        'n',
        4,
      ]);
    },
    { opset: 17 },
  );

const unnamed = (model: Model): Model => {
  const nodes = model.graph.nodes.map((node) => Object.freeze({ ...node, name: '' }));
  return Object.freeze({ ...model, graph: Object.freeze({ ...model.graph, nodes: Object.freeze(nodes) }) });
};

const two = (name: string): Initializer =>
  initializerOf(name, { dtype: 'float32', shape: [16, 16], data: uniform(256, 9) });

export const ODD: readonly Odd[] = [
  { title: 'a CNN', model: cnn },
  { title: 'attention', model: attention },
  { title: 'every operator of a CNN', model: everyOperator },
  { title: 'branches with a weight from outside', model: choice, steps: true },
  { title: 'a Loop with outputs per round', model: loop },
  { title: 'a Scan', model: scan },
  { title: 'a weight that is an output', model: () => product((b) => void b.output('W', 'float32', [16, 16])) },
  {
    title: 'an input that is an output by Identity',
    model: () => product((b, x) => void b.output(b.op('Identity', [x], { outputs: ['again'] }), 'float32', ['n', 16])),
  },
  { title: 'an input nobody reads', model: () => product((b) => void b.input('unused', 'int64', ['n'])) },
  {
    title: 'a value that is an output and read',
    model: () =>
      product(
        (b, _, y) => void b.output(b.op('MatMul', [y, weight(b, 'V', 16, 4)], { outputs: ['z'] }), 'float32', ['n', 4]),
      ),
  },
  {
    title: 'equal weights twice',
    model: () =>
      product((b, _, y) => {
        const first = b.op('MatMul', [y, b.initializer(two('first'))]);
        b.output(b.op('MatMul', [first, b.initializer(two('second'))], { outputs: ['z'] }), 'float32', ['n', 16]);
      }),
  },
  { title: 'a table of embeddings, tied, old', model: () => table(13) },
  { title: 'a table of embeddings, tied, new', model: () => table(21) },
  { title: 'float16 throughout', model: half },
  { title: 'float64 throughout', model: double },
  { title: 'scalars as inputs, rows of weights', model: scalars, steps: true },
  { title: 'text in and out', model: words },
  { title: 'dimensions of size 0', model: empty },
  { title: 'inputs of different numbers of rows', model: twoRows },
  { title: 'no inputs', model: constants },
  { title: 'nothing to do', model: nothingToDo },
  { title: 'weights that are all zero', model: () => withWeights('zero', () => 0) },
  { title: 'a channel of zeros', model: () => withWeights('some', (value, index) => (index % 16 === 3 ? 0 : value)) },
  { title: 'weights as small as they get', model: () => withWeights('tiny', (value) => value * 1e-42) },
  { title: 'weights as large as they get', model: () => withWeights('large', (value) => value * 1e30), steps: true },
  {
    title: 'one weight that is infinite',
    model: () => withWeights('infinite', (value, index) => (index === 7 ? Infinity : value)),
    steps: true,
  },
  {
    title: 'one weight that is not a number',
    model: () => withWeights('nan', (value, index) => (index === 7 ? NaN : value)),
    steps: true,
  },
  { title: 'no node has a name', model: () => unnamed(attention()) },
  {
    title: 'names that passes use',
    model: () =>
      product((b, x) => {
        const names = [
          'y_scale',
          'x_quantized',
          'W_quantized',
          'W_scale',
          'W_zero_point',
          'x_scale',
          'x_zero_point',
          'W_q8',
          'W_float16',
          'y_cast',
        ];
        const last = names.reduce((from, name) => b.op('Relu', [from], { outputs: [name] }), x);
        b.output(b.op('MatMul', [last, weight(b, 'x_dequantized', 16, 4)], { outputs: ['W_dequantized'] }), 'float32', [
          'n',
          4,
        ]);
      }),
  },
  {
    title: 'names with spaces, slashes and letters of all kinds',
    model: () =>
      product(
        (b, _, y) =>
          void b.output(
            b.op('MatMul', [y, weight(b, '/enc/ode r.0:weight "ü"', 16, 4)], { outputs: ['λ/out put:0'] }),
            'float32',
            ['n', 4],
          ),
      ),
  },
  {
    title: 'Einsum, and an empty optional input',
    model: () =>
      product((b, _, y) => {
        const clipped = b.op('Clip', [y, '', b.floats('top', [], [0.5])]);
        b.output(
          b.op('Einsum', [clipped, weight(b, 'V', 16, 4)], {
            attributes: [stringAttribute('equation', 'nd,de->ne')],
            outputs: ['z'],
          }),
          'float32',
          ['n', 4],
        );
      }),
  },
  {
    title: 'random numbers',
    model: () =>
      product((b, x) => {
        const noise = (): string => b.op('RandomUniformLike', [x]);
        const same = b.op('Equal', [noise(), noise()]);
        // True nowhere: two draws are not the same draw.
        b.output(b.op('Identity', [same], { outputs: ['same'] }), 'bool', ['n', 16]);
      }),
  },
];
