/**
 * Folds what exporters put between a weight and its operator: Constant nodes, ConstantOfShape, and operators that move
 * the elements of a constant without computing. After it, a weight position holds an initializer or something that is
 * really computed at run time.
 *
 * Folded values keep the name of the value they replace; `origins` says which initializers and nodes of the model as
 * it was they come from, because those are the names a person knows and excludes by.
 */
import { fail } from '@slipway/core';
import {
  countOf,
  createInitializer,
  getInt,
  getInts,
  getTensor,
  type GraphEditor,
  type Initializer,
  initializerOf,
  integersOf,
  loadInitializer,
  type Node,
  ONNX_DTYPES,
  rawBytes,
} from '@slipway/onnx';
import { dropUnread } from './constants.ts';

/** Folded value → names of the initializers and nodes it was made of. */
export type Origins = ReadonlyMap<string, readonly string[]>;

/** One folded constant is not larger than the largest weights there are; a lying shape must not take all memory. */
const MAX_FOLDED_ELEMENTS = 2 ** 30;

/** @param fill also fold ConstantOfShape, which may make a small file large */
export function foldConstants(editor: GraphEditor, fill = true): Origins {
  const origins = new Map<string, string[]>();
  const read = new Set<string>();
  for (const node of editor.nodes) {
    const [output = ''] = node.outputs;
    // A constant graph output stays a node: an initializer is not an output for every runtime.
    if (node.domain !== '' || node.outputs.length !== 1 || editor.isOutput(output)) continue;
    if (!fill && node.op === 'ConstantOfShape') continue;
    const folded = foldNode(node, (name) => constantOf(editor, name));
    if (folded === undefined) continue;
    const sources = node.inputs.flatMap((name) => origins.get(name) ?? [name]);
    origins.set(
      output,
      [...sources, node.name].filter((name) => name !== ''),
    );
    editor.remove(node);
    editor.setInitializer(folded);
    for (const name of node.inputs) read.add(name);
  }
  dropUnread(editor, read);
  return origins;
}

/** An initializer that is also an input may be given another value by the caller (from IR 4 on): it is a default. */
function constantOf(editor: GraphEditor, name: string): Initializer | undefined {
  return editor.isInput(name) ? undefined : editor.initializer(name);
}

const FOLDED: ReadonlySet<string> = new Set([
  'Constant',
  'ConstantOfShape',
  'Flatten',
  'Identity',
  'Reshape',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
]);

function foldNode(node: Node, constant: (name: string) => Initializer | undefined): Initializer | undefined {
  const [output = ''] = node.outputs;
  if (!FOLDED.has(node.op)) return undefined;
  const operands = node.inputs.map(constant);
  const [data, argument] = operands;
  if (node.op === 'Constant') return ofConstant(node, output);
  if (data === undefined || operands.some((operand) => operand === undefined)) {
    return undefined;
  }
  if (node.op === 'ConstantOfShape') return filled(node, output, integers(data));
  const reshaped = (dims: readonly number[] | undefined): Initializer | undefined =>
    dims === undefined ? undefined : createInitializer(output, data.dtype, dims, data.data);
  switch (node.op) {
    case 'Identity':
      return reshaped(data.dims);
    case 'Reshape':
      return reshaped(
        argument === undefined ? undefined : reshape(data, integers(argument), getInt(node, 'allowzero', 0) !== 0),
      );
    case 'Flatten':
      return reshaped(flatten(data, getInt(node, 'axis', 1)));
    case 'Unsqueeze':
      return reshaped(unsqueeze(data, argument === undefined ? getInts(node, 'axes') : integers(argument)));
    case 'Squeeze':
      return reshaped(squeeze(data, argument === undefined ? getInts(node, 'axes') : integers(argument)));
    case 'Transpose':
      return transpose(data, output, getInts(node, 'perm') ?? data.dims.map((_, axis) => data.dims.length - 1 - axis));
    default:
      return undefined;
  }
}

/** Only what is looked at is read: other dims for the same elements leave external data where it is. */
const integers = (constant: Initializer): number[] => integersOf(loadInitializer(constant));

function ofConstant(node: Node, output: string): Initializer | undefined {
  const value = getTensor(node, 'value');
  if (value !== undefined) return Object.freeze({ ...value, name: output });
  const floats = node.attributes.get('value_floats') ?? node.attributes.get('value_float');
  if (floats?.kind === 'float') {
    return initializerOf(output, { dtype: 'float32', shape: [], data: Float32Array.of(floats.value) });
  }
  if (floats?.kind === 'floats') {
    return initializerOf(output, {
      dtype: 'float32',
      shape: [floats.value.length],
      data: Float32Array.from(floats.value),
    });
  }
  const ints = node.attributes.get('value_ints') ?? node.attributes.get('value_int');
  if (ints?.kind === 'int') {
    return initializerOf(output, { dtype: 'int64', shape: [], data: BigInt64Array.of(ints.value) });
  }
  if (ints?.kind === 'ints') {
    return initializerOf(output, { dtype: 'int64', shape: [ints.value.length], data: BigInt64Array.from(ints.value) });
  }
  return undefined;
}

function filled(node: Node, output: string, dims: readonly number[]): Initializer | undefined {
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count > MAX_FOLDED_ELEMENTS) {
    const problem = `ConstantOfShape of [${dims.join(', ')}] has ${count} elements`;
    throw fail('MODEL_LIMIT', { path: 'model', problem, limit: MAX_FOLDED_ELEMENTS });
  }
  if (!dims.every((dim) => dim >= 0)) return undefined;
  const value = getTensor(node, 'value');
  if (value === undefined) {
    return initializerOf(output, { dtype: 'float32', shape: dims, data: new Float32Array(count) });
  }
  const { bits } = ONNX_DTYPES[value.dtype];
  if (bits % 8 !== 0 || bits === 0) return undefined;
  const bytes = new Uint8Array((bits / 8) * count);
  if (count > 0) bytes.set(rawBytes(value));
  // Double what is filled until all is: one pass over memory, whatever the element size.
  for (let done = bits / 8; done < bytes.length; done *= 2) {
    bytes.copyWithin(done, 0, Math.min(done, bytes.length - done));
  }
  return createInitializer(output, value.dtype, dims, bytes);
}

function reshape(data: Initializer, target: readonly number[], allowZero: boolean): number[] | undefined {
  const dims = target.map((dim, axis) => (dim === 0 && !allowZero ? (data.dims[axis] ?? 0) : dim));
  const known = dims.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
  const total = countOf(data);
  const full = dims.map((dim) => (dim === -1 ? total / known : dim));
  const fits = full.every((dim) => Number.isInteger(dim) && dim >= 0) && full.reduce((a, b) => a * b, 1) === total;
  return fits ? full : undefined;
}

function flatten(data: Initializer, axis: number): number[] {
  const at = axis < 0 ? axis + data.dims.length : axis;
  const size = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);
  return [size(data.dims.slice(0, at)), size(data.dims.slice(at))];
}

function unsqueeze(data: Initializer, axes: readonly number[] | undefined): number[] | undefined {
  if (axes === undefined) return undefined;
  const rank = data.dims.length + axes.length;
  const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  let next = 0;
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (data.dims[next++] ?? 1)));
}

function squeeze(data: Initializer, axes: readonly number[] | undefined): number[] | undefined {
  const rank = data.dims.length;
  const gone = new Set(axes?.map((axis) => (axis < 0 ? axis + rank : axis)));
  const removed = (dim: number, axis: number): boolean => (axes === undefined ? dim === 1 : gone.has(axis));
  return data.dims.filter((dim, axis) => !removed(dim, axis));
}

function transpose(data: Initializer, output: string, perm: readonly number[]): Initializer | undefined {
  const { bits } = ONNX_DTYPES[data.dtype];
  const valid = perm.length === data.dims.length && new Set(perm).size === perm.length;
  if (!valid || !perm.every((axis) => axis >= 0 && axis < perm.length) || bits % 8 !== 0 || bits === 0) {
    return undefined;
  }
  const width = bits / 8;
  const source = rawBytes(loadInitializer(data));
  const target = new Uint8Array(source.byteLength);
  const strides = data.dims.map((_, axis) => data.dims.slice(axis + 1).reduce((product, dim) => product * dim, width));
  const dims = perm.map((axis) => data.dims[axis] ?? 0);
  const steps = perm.map((axis) => strides[axis] ?? 0);
  const index = new Array<number>(dims.length).fill(0);
  let from = 0;
  for (let to = 0; to < target.byteLength; to += width) {
    for (let byte = 0; byte < width; byte++) target[to + byte] = source[from + byte] ?? 0;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      from += steps[axis] ?? 0;
      if ((index[axis] ?? 0) < (dims[axis] ?? 0)) break;
      from -= (steps[axis] ?? 0) * (dims[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return createInitializer(output, data.dtype, dims, target);
}
