/** Operators whose output comes from attributes or from the shape of an input, and reductions. */
import { constantValue } from '../graph/eliminate.ts';
import { dtypeFromCode, type OnnxDType } from '../ir/dtype.ts';
import { getInt, getInts, getTensor } from '../ir/node.ts';
import { type Dim, isFixed, tensorType } from '../ir/type.ts';
import { CannotInfer, type NodeContext, normalAxis, type Rule } from './context.ts';

const constant: Rule = (c) => {
  const value = constantValue(c.node);
  if (value === undefined) throw new CannotInfer('it holds a sparse value, or none');
  return [tensorType(value.dtype, value.dims)];
};

const constantOfShape: Rule = (c) => {
  const dtype = getTensor(c.node, 'value')?.dtype ?? 'float32';
  const dims = c.value(0)?.elements;
  if (dims !== undefined) return [tensorType(dtype, dims)];
  const rank = c.shape(0)?.[0];
  return [tensorType(dtype, isFixed(rank) ? new Array<Dim>(rank).fill('?') : null)];
};

const dtypeAttribute = (c: NodeContext, fallback: OnnxDType): OnnxDType => {
  const code = getInt(c.node, 'dtype');
  const dtype = code === undefined ? fallback : dtypeFromCode(code);
  if (dtype === undefined) throw new CannotInfer(`attribute "dtype" is ${code ?? ''}, not an element type`);
  return dtype;
};

const range: Rule = (c) => {
  const [start, limit, delta] = [0, 1, 2].map((index) => c.value(index)?.elements[0]);
  let length: Dim = '?';
  if (isFixed(start) && isFixed(limit) && isFixed(delta) && delta !== 0) {
    length = Math.max(0, Math.ceil((limit - start) / delta));
  } else if (start === 0 && delta === 1 && limit !== undefined) length = limit;
  return [tensorType(c.dtype(0), [length])];
};

const random: Rule = (c) => [tensorType(dtypeAttribute(c, 'float32'), getInts(c.node, 'shape') ?? null)];
const randomLike: Rule = (c) => [tensorType(dtypeAttribute(c, c.dtype(0)), c.shape(0))];

/** All Reduce operators: axes as attribute or as input; none means all, or nothing when `noop_with_empty_axes` is set. */
const reduce: Rule = (c) => {
  const shape = c.shape(0);
  const keep = getInt(c.node, 'keepdims', 1) === 1;
  let axes = c.integersFrom('axes', 1);
  if (axes === null || axes?.length === 0) {
    if (getInt(c.node, 'noop_with_empty_axes', 0) === 1) return [c.tensor(0)];
    if (!keep) return [tensorType(c.dtype(0), [])];
    axes = shape?.map((_, axis) => axis);
  }
  if (shape === null) return [tensorType(c.dtype(0), null)];
  if (axes === undefined) return [tensorType(c.dtype(0), keep ? shape.map(() => '?') : null)];
  const reduced = new Set(axes.map((axis) => normalAxis(axis, shape.length)));
  const dims = shape.flatMap((dim, axis) => (reduced.has(axis) ? (keep ? [1] : []) : [dim]));
  return [tensorType(c.dtype(0), dims)];
};

const REDUCTIONS = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'];

const shapeOf: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return [tensorType('int64', ['?'])];
  const clamp = (index: number): number =>
    Math.min(Math.max(index < 0 ? index + shape.length : index, 0), shape.length);
  const start = clamp(getInt(c.node, 'start', 0));
  return [tensorType('int64', [Math.max(0, clamp(getInt(c.node, 'end', shape.length)) - start)])];
};

/** Windows of signal processing, `size` samples long. */
const signalWindow: Rule = (c) => {
  const dtype = dtypeFromCode(getInt(c.node, 'output_datatype', 1)) ?? 'float32';
  return [tensorType(dtype, [c.value(0)?.elements[0] ?? '?'])];
};

export const createRules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(REDUCTIONS.map((name) => [`Reduce${name}`, reduce])),
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Shape: shapeOf,
  Size: () => [tensorType('int64', [])],
  Range: range,
  RandomNormal: random,
  RandomUniform: random,
  RandomNormalLike: randomLike,
  RandomUniformLike: randomLike,
  Bernoulli: randomLike,
  EyeLike: randomLike,
  BlackmanWindow: signalWindow,
  HammingWindow: signalWindow,
  HannWindow: signalWindow,
  Multinomial: (c) => [
    tensorType(dtypeAttribute(c, 'int32'), [c.shape(0)?.[0] ?? '?', getInt(c.node, 'sample_size', 1)]),
  ],
};
