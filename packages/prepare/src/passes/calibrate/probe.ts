/**
 * What can be asked of a tensor while a model runs: a few nodes that reduce it to something small, and how two answers are
 * joined into one. Because every probe is a monoid, the same one works in the main graph, in a branch that may not be
 * taken (its identity stands for "nothing seen") and in a body that runs any number of times.
 */
import type { Tensor } from '@slipway/core';
import { type Attribute, createNode, initializerOf, intAttribute, intsAttribute, type Node } from '@slipway/onnx';
import type { Initializer } from '@slipway/onnx';

export interface Probe {
  /** Of its value; -1: as long as the tensor has elements. */
  readonly shape: readonly number[];
  /** The value of having seen nothing. */
  readonly identity: Tensor;
  /** Nodes that compute the value for `tensor`; the output of the last is the value. */
  readonly measure: (tensor: string, into: Writer) => string;
  /** What joins two values. */
  readonly join: 'Min' | 'Max' | 'Add' | 'Concat';
}

/** Adds nodes and constants under names of their own. */
export interface Writer {
  readonly opset: number;
  readonly node: (op: string, inputs: readonly string[], attributes?: readonly Attribute[]) => string;
  readonly constant: (value: Tensor) => string;
}

const scalar = (value: number): Tensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
const NO_DIMS = [intAttribute('keepdims', 0)];

/** The smallest element. */
export const smallest: Probe = {
  shape: [],
  identity: scalar(Infinity),
  measure: (tensor, { node }) => node('ReduceMin', [tensor], NO_DIMS),
  join: 'Min',
};

/** The largest element. */
export const largest: Probe = {
  shape: [],
  identity: scalar(-Infinity),
  measure: (tensor, { node }) => node('ReduceMax', [tensor], NO_DIMS),
  join: 'Max',
};

/** The sum of |x|: whatever a minimum does with NaN on some CPU, a sum shows it. */
export const magnitude: Probe = {
  shape: [],
  identity: scalar(0),
  measure: (tensor, { node }) => node('ReduceL1', [tensor], NO_DIMS),
  join: 'Add',
};

/** All elements, as a list. */
export const elements: Probe = {
  shape: [-1],
  identity: { dtype: 'float32', shape: [0], data: new Float32Array() },
  measure: (tensor, { node, constant }) => node('Reshape', [tensor, constant(integers(-1))]),
  join: 'Concat',
};

/** Where the channels of a tensor are: axis 1 as for images, or the last as for sequences. */
export interface ChannelAxis {
  readonly axis: 1 | 'last';
  readonly channels: number;
}

/** The smallest and the largest element of each channel. */
export const smallestOfChannels = (at: ChannelAxis): Probe => ({
  shape: [at.channels],
  identity: filled(at.channels, Infinity),
  measure: (tensor, into) => reduceChannels('ReduceMin', tensor, at, into),
  join: 'Min',
});
export const largestOfChannels = (at: ChannelAxis): Probe => ({
  shape: [at.channels],
  identity: filled(at.channels, -Infinity),
  measure: (tensor, into) => reduceChannels('ReduceMax', tensor, at, into),
  join: 'Max',
});

/** The sum of each channel. */
export const sumOfChannels = (at: ChannelAxis): Probe => ({
  shape: [at.channels],
  identity: filled(at.channels, 0),
  measure: (tensor, into) => reduceChannels('ReduceSum', tensor, at, into),
  join: 'Add',
});

const filled = (channels: number, value: number): Tensor => ({
  dtype: 'float32',
  shape: [channels],
  data: new Float32Array(channels).fill(value),
});

/** How many elements there are, as a float32: exact up to 2^24 in one call, and close beyond. */
export const elementCount: Probe = {
  shape: [],
  identity: scalar(0),
  measure: (tensor, { node }) => node('Cast', [node('Size', [tensor])], [intAttribute('to', 1)]),
  join: 'Add',
};

function reduceChannels(
  op: 'ReduceMin' | 'ReduceMax' | 'ReduceSum',
  tensor: string,
  at: ChannelAxis,
  into: Writer,
): string {
  const [shape, axes] =
    at.axis === 'last'
      ? [[-1, at.channels], [0]]
      : [
          [0, at.channels, -1],
          [0, 2],
        ];
  const flat = into.node('Reshape', [tensor, into.constant(integers(...shape))]);
  // Axes became an input of ReduceSum in operator set 13, of the others in 18.
  const asInput = into.opset >= (op === 'ReduceSum' ? 13 : 18);
  return asInput
    ? into.node(op, [flat, into.constant(integers(...axes))], NO_DIMS)
    : into.node(op, [flat], [...NO_DIMS, intsAttribute('axes', axes)]);
}

const integers = (...values: number[]): Tensor => ({
  dtype: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

/** A writer that calls back with every node and constant; `fresh` gives names nothing else has. */
export function writerTo(
  target: { append(node: Node): void; setInitializer(initializer: Initializer): void },
  opset: number,
  fresh: () => string,
): Writer {
  return {
    opset,
    node(op, inputs, attributes = []) {
      const name = fresh();
      target.append(createNode(op, inputs, [name], { name, attributes }));
      return name;
    },
    constant(value) {
      const name = fresh();
      target.setInitializer(initializerOf(name, value));
      return name;
    },
  };
}

/** Join values of one probe, of which there is at least one. */
export function joined({ join }: Probe, values: readonly string[], { node }: Writer): string {
  const [first = '', ...rest] = values;
  const attributes = join === 'Concat' ? [intAttribute('axis', 0)] : [];
  return rest.reduce((sum, value) => node(join, [sum, value], attributes), first);
}
