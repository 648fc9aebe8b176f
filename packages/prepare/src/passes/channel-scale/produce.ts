/**
 * Multiplying the channels of a value by factors without a node for it: by scaling the constants of what computes it. A product or
 * normalization takes the factors into its weights; an addition takes them into its constant and passes them on;
 * what keeps the ratio of positive factors (Relu, pools) passes them on. This is also how a normalization or a GELU that an
 * exporter spelt out takes them: into its last constant factor.
 *
 * Nothing is touched that somebody else reads: each value on the way has one reader and is no output.
 */
import { createNode, getInt, type GraphEditor, type Initializer, initializerOf, type Node } from '@slipway/onnx';
import { readFloat32 } from '../weights.ts';
import { replaceConstant, scaledAlong } from './consume.ts';
import { alongAxis } from './fold.ts';

interface ChannelPlace {
  readonly axis: 1 | 'last';
  readonly channels: number;
  /** Of the value, where it is known; needed for axis 1. */
  readonly rank: number | null;
}

/** Changes the graph so that channel c becomes `factors[c]` times what it was. The factors are positive. */
type Scaling = (factors: Float64Array) => void;

/** Where the factors end up, for those who want to know the weights they change. */
export interface Fold {
  readonly apply: Scaling;
  /** The nodes whose constants change. */
  readonly nodes: readonly Node[];
}

/**
 * How to multiply the channels of `value` where it is made, or null when that cannot be done exactly.
 * @param isReader true for the nodes that may read it
 * @param mayChange false for nodes to leave alone
 */
export function foldIntoProducer(
  editor: GraphEditor,
  value: string,
  place: ChannelPlace,
  isReader: (node: Node) => boolean,
  mayChange: (node: Node) => boolean = () => true,
): Fold | null {
  const node = editor.producer(value);
  if (node === undefined || node.domain !== '' || editor.isOutput(value) || node.outputs[0] !== value) return null;
  if (!editor.consumers(value).every(isReader) || !mayChange(node)) return null;
  const through = (input: string): Fold | null =>
    foldIntoProducer(editor, input, place, (reader) => reader === node, mayChange);
  const own = (...changes: readonly (Scaling | null)[]): Fold | null => {
    const scalings = changes.filter((change) => change !== null);
    if (scalings.length < changes.length) return null;
    return { apply: (factors) => scalings.forEach((scale) => scale(factors)), nodes: [node] };
  };
  const constant = (input: number): Scaling | null => scaleBroadcast(editor, node, input, place);
  const optional = (input: number): Scaling | null =>
    (node.inputs[input] ?? '') === '' ? () => undefined : constant(input);
  const isConstant = (input: number): boolean => editor.initializer(node.inputs[input] ?? '') !== undefined;

  switch (node.op) {
    case 'Mul':
      // A square would take the factors twice.
      if (node.inputs[0] === node.inputs[1]) return null;
      return own(constant(0)) ?? own(constant(1)) ?? through(node.inputs[0] ?? '') ?? through(node.inputs[1] ?? '');
    case 'Div':
      return isConstant(0) ? null : (own(divide(constant(1))) ?? through(node.inputs[0] ?? ''));
    case 'Add':
    case 'Sub': {
      const at = isConstant(0) ? 0 : 1;
      const scale = constant(at);
      return scale === null ? null : also(through(node.inputs[1 - at] ?? ''), node, scale);
    }
    case 'Relu':
    case 'LeakyRelu':
    case 'Identity':
      return through(node.inputs[0] ?? '');
    case 'PRelu':
      return isConstant(1) ? through(node.inputs[0] ?? '') : null;
    case 'Min':
    case 'Max': {
      const at = isConstant(0) ? 0 : 1;
      const limit = node.inputs.length === 2 ? constant(at) : null;
      return limit === null ? null : also(through(node.inputs[1 - at] ?? ''), node, limit);
    }
    case 'Clip': {
      const limits = clipLimits(editor, node);
      return limits === null
        ? null
        : also(through(node.inputs[0] ?? ''), node, (factors) => scaleLimits(editor, node, limits, factors, place));
    }
    case 'MaxPool':
    case 'AveragePool':
    case 'GlobalAveragePool':
    case 'GlobalMaxPool':
      return place.axis === 1 && node.outputs.length === 1 ? through(node.inputs[0] ?? '') : null;
    case 'LayerNormalization':
      return place.axis === 'last' ? own(constant(1), optional(2)) : null;
    case 'BatchNormalization':
      return place.axis === 1 && node.outputs.length === 1
        ? own(vector(editor, node, 1), vector(editor, node, 2))
        : null;
    case 'MatMul':
      return place.axis === 'last' ? own(columns(editor, node, 1, place.channels)) : null;
    case 'Gemm': {
      // A matrix: axis 1 is the last.
      const transposed = getInt(node, 'transB', 0) !== 0;
      const bias: Scaling | null =
        (node.inputs[2] ?? '') === '' ? () => undefined : scaleBroadcast(editor, node, 2, { ...place, axis: 'last' });
      return own(columns(editor, node, transposed ? 0 : 1, place.channels), bias);
    }
    case 'Conv':
      if (place.axis !== 1) return null;
      return own(
        columns(editor, node, 0, place.channels),
        (node.inputs[2] ?? '') === '' ? () => undefined : vector(editor, node, 2),
      );
    default:
      return null;
  }
}

/** What is before takes the factors, and so does a constant of `node`. */
function also(rest: Fold | null, node: Node, scale: Scaling): Fold | null {
  if (rest === null) return null;
  const apply = (factors: Float64Array): void => {
    rest.apply(factors);
    scale(factors);
  };
  return { apply, nodes: [...rest.nodes, node] };
}

interface Limits {
  readonly low: number | null;
  readonly high: number | null;
}

/** The constant limits of a Clip, from operator set 11 on inputs; null where they are computed. */
function clipLimits(editor: GraphEditor, node: Node): Limits | null {
  if (node.attributes.size > 0) return null;
  const [low, high] = [1, 2].map((input) => {
    if ((node.inputs[input] ?? '') === '') return null;
    const limit = float32(editor, node, input);
    return limit === null ? undefined : readFloat32(limit)[0];
  });
  return low === undefined || high === undefined ? null : { low, high };
}

/**
 * Limits that are the same for all channels are not once the channels are scaled: Relu for a lower one of zero, which stays, and Min and
 * Max with a limit per channel for the others.
 */
function scaleLimits(
  editor: GraphEditor,
  node: Node,
  { low, high }: Limits,
  factors: Float64Array,
  { axis, rank }: ChannelPlace,
): void {
  const current = editor.current(node) ?? node;
  const shape = axis === 'last' ? [factors.length] : [factors.length, ...new Array<number>((rank ?? 2) - 2).fill(1)];
  const [output = ''] = current.outputs;
  const bounds: { readonly op: string; readonly limit: number | null }[] = [
    ...(low === null ? [] : [low === 0 ? { op: 'Relu', limit: null } : { op: 'Max', limit: low }]),
    ...(high === null ? [] : [{ op: 'Min', limit: high }]),
  ];
  let value = current.inputs[0] ?? '';
  const nodes = bounds.map(({ op, limit }, index) => {
    const made = index === bounds.length - 1 ? output : editor.uniqueName(`${output}_bounded`);
    const inputs = [value];
    if (limit !== null) {
      const name = editor.uniqueName(`${output}_limit`);
      const data = Float32Array.from(factors, (factor) => limit * factor);
      editor.setInitializer(initializerOf(name, { dtype: 'float32', shape, data }));
      inputs.push(name);
    }
    value = made;
    return createNode(op, inputs, [made], { name: editor.uniqueNodeName(made) });
  });
  if (nodes.length > 0) editor.replace(current, ...nodes);
}

const divide = (scale: Scaling | null): Scaling | null =>
  scale === null ? null : (factors) => scale(factors.map((factor) => 1 / factor));

function float32(editor: GraphEditor, node: Node, input: number): Initializer | null {
  const initializer = editor.initializer(node.inputs[input] ?? '');
  return initializer?.dtype === 'float32' ? initializer : null;
}

/** A constant that is broadcast: one number, or one per channel. */
function scaleBroadcast(editor: GraphEditor, node: Node, input: number, place: ChannelPlace): Scaling | null {
  const constant = float32(editor, node, input);
  if (constant === null) return null;
  const { axis, channels } = place;
  const rank = axis === 'last' ? Math.max(1, constant.dims.length) : place.rank;
  if (rank === null) return null;
  const at = axis === 'last' ? rank - 1 : 1;
  const values = alongAxis(constant, rank, at, channels);
  if (values === undefined) return null;
  const shape = axis === 'last' ? [channels] : [channels, ...new Array<number>(rank - 2).fill(1)];
  return (factors) =>
    replaceConstant(
      editor,
      node,
      input,
      shape,
      values.map((value, c) => value * (factors[c] ?? 1)),
    );
}

/** A constant with one element per channel and no other shape. */
function vector(editor: GraphEditor, node: Node, input: number): Scaling | null {
  const constant = float32(editor, node, input);
  if (constant?.dims.length !== 1) return null;
  const values = readFloat32(constant);
  return (factors) =>
    replaceConstant(
      editor,
      node,
      input,
      constant.dims,
      values.map((value, c) => value * (factors[c] ?? 1)),
    );
}

/** The weight of a product, whose output channels lie along `axis`. */
function columns(editor: GraphEditor, node: Node, axis: number, channels: number): Scaling | null {
  const weight = float32(editor, node, 1);
  if (weight?.dims[axis] !== channels || (node.op !== 'Conv' && weight.dims.length !== 2)) return null;
  return (factors) =>
    replaceConstant(editor, node, 1, weight.dims, scaledAlong(readFloat32(weight), weight.dims, axis, factors));
}
