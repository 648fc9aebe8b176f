/** Random small CNNs, for finding placements nobody thought of: every operator the passes know, in any order. */
import {
  type Attribute,
  createGraph,
  createModel,
  createNode,
  floatAttribute,
  type Initializer,
  initializerOf,
  intAttribute,
  intsAttribute,
  type Model,
  type Node,
  tensorInfo,
} from '@slipway/onnx';
import { randomStream } from '@slipway/core';
import { uniform } from './run.ts';

interface Value {
  readonly name: string;
  readonly channels: number;
  readonly size: number;
}

function nth<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`there is no element ${index}`);
  return found;
}

const PADDED = intsAttribute('pads', [1, 1, 1, 1]);
const HALVING = [intsAttribute('kernel_shape', [2, 2]), intsAttribute('strides', [2, 2])];

/** Takes float32 [1, 4, 8, 8] `x`, gives float32 [1, 5] `y` and, at times, a value in between. */
export function randomCnn(seed: number): Model {
  const random = randomStream(seed);
  const below = (bound: number): number => Math.floor(random() * bound);
  const pick = <T>(list: readonly T[]): T => nth(list, below(list.length));
  const nodes: Node[] = [];
  const initializers: Initializer[] = [];
  const values: Value[] = [{ name: 'x', channels: 4, size: 8 }];
  let count = 0;

  const constant = (shape: readonly number[], change = (value: number): number => value): string => {
    const name = `w${count++}`;
    const elements = shape.reduce((product, dim) => product * dim, 1);
    const data = uniform(elements, seed * 1000 + count).map(change);
    initializers.push(initializerOf(name, { dtype: 'float32', shape, data }));
    return name;
  };
  const integers = (...list: number[]): string => {
    const name = `i${count++}`;
    initializers.push(
      initializerOf(name, { dtype: 'int64', shape: [list.length], data: BigInt64Array.from(list, BigInt) }),
    );
    return name;
  };
  const positive = (value: number): number => Math.abs(value) + 0.5;
  const add = (
    op: string,
    inputs: readonly string[],
    attributes: readonly Attribute[] = [],
    output = `t${count++}`,
  ): string => {
    nodes.push(createNode(op, inputs, [output], { name: `node${nodes.length}`, attributes }));
    return output;
  };
  const bias = (channels: number): string[] => (random() < 0.5 ? [constant([channels])] : []);
  const weight = (shape: readonly number[]): string => {
    const fan = Math.sqrt(shape.slice(1).reduce((product, dim) => product * dim, 1) / 3);
    return constant(shape, (value) => value / fan);
  };

  const steps: readonly ((from: Value) => Partial<Value> & { name: string })[] = [
    (from) => {
      const channels = pick([2, 4, 6]);
      return {
        name: add('Conv', [from.name, weight([channels, from.channels, 3, 3]), ...bias(channels)], [PADDED]),
        channels,
      };
    },
    ({ name, channels }) => ({
      name: add(
        'Conv',
        [name, weight([channels, 1, 3, 3]), ...bias(channels)],
        [PADDED, intAttribute('group', channels)],
      ),
    }),
    ({ name }) => ({ name: add('Relu', [name]) }),
    ({ name }) => ({
      name: add('Clip', [name, constant([], () => pick([0, -0.5, 0.1])), constant([], () => pick([0.5, 6]))]),
    }),
    (from) => {
      const other = pick(values.filter(({ channels, size }) => channels === from.channels && size === from.size));
      return { name: add(pick(['Add', 'Mul', 'Sum']), [from.name, other.name]) };
    },
    ({ name, channels, size }) => ({ name: add('Add', [name, constant(pick([[channels, 1, 1], [1], [size]]))]) }),
    ({ name, channels }) => ({ name: add('Mul', [constant(pick([[channels, 1, 1], [1]]), positive), name]) }),
    (from) => {
      const other = pick(values.filter(({ size }) => size === from.size));
      const channels = from.channels + other.channels;
      return { name: add('Concat', [from.name, other.name], [intAttribute('axis', 1)]), channels };
    },
    ({ name, size }) =>
      size < 4
        ? { name: add('Identity', [name]) }
        : { name: add(pick(['MaxPool', 'AveragePool']), [name], HALVING), size: size / 2 },
    ({ name, channels: c }) => ({
      name: add('BatchNormalization', [name, constant([c]), constant([c]), constant([c]), constant([c], positive)]),
    }),
    ({ name }) => ({ name: add(pick(['Sigmoid', 'LeakyRelu', 'Tanh']), [name]) }),
    ({ name }) => {
      const moved = add('Transpose', [name], [intsAttribute('perm', [0, 2, 3, 1])]);
      return { name: add('Transpose', [moved], [intsAttribute('perm', [0, 3, 1, 2])]) };
    },
    ({ name, channels, size }) => {
      const flat = add('Reshape', [name, integers(pick([0, 1]), -1)]);
      return { name: add('Reshape', [flat, integers(1, channels, size, size)]) };
    },
  ];
  for (let left = 4 + below(10); left > 0; left--) {
    const from = random() < 0.7 ? nth(values, values.length - 1) : pick(values);
    values.push({ ...from, ...pick(steps)(from) });
  }

  const last = nth(values, values.length - 1);
  const inputs = last.channels * last.size * last.size;
  const flat = add('Flatten', [last.name]);
  const scores = pick([
    () => add('Add', [add('MatMul', [flat, constant([inputs, 5])]), constant(pick([[5], [1, 5]]))]),
    () =>
      add(
        'Gemm',
        [flat, constant([5, inputs]), constant(pick([[5], [1, 5], [1]]))],
        [intAttribute('transB', 1), floatAttribute('alpha', 0.5), floatAttribute('beta', 2)],
      ),
    () => add('MatMul', [flat, constant([inputs, 5])]),
  ])();
  add('Identity', [scores], [], 'y');
  const outputs = [tensorInfo('y', 'float32', [1, 5])];
  const { name, channels, size } = pick(values.slice(1));
  if (random() < 0.4) outputs.push(tensorInfo(name, 'float32', [1, channels, size, size]));
  const graph = createGraph({ inputs: [tensorInfo('x', 'float32', [1, 4, 8, 8])], outputs, nodes, initializers });
  return createModel({ opsets: [['', 13]], graph });
}
