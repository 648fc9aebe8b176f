/** Operators that pick elements: slices, gathers, scatters, searches. */
import { getInt } from '../ir/node.ts';
import { type Dim, isFixed, type Shape, tensorType, UNKNOWN_DIM } from '../ir/type.ts';
import { atMost, CannotInfer, type NodeContext, normalAxis, type Rule, unknowns } from './context.ts';

const gather: Rule = (c) => {
  const [data, indices] = [c.shape(0), c.shape(1)];
  if (data === null || indices === null) return [tensorType(c.dtype(0), null)];
  const axis = c.axis('axis', 0, data.length);
  return [tensorType(c.dtype(0), [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)])];
};

const gatherNd: Rule = (c) => {
  const [data, indices] = [c.shape(0), c.shape(1)];
  const depth = indices?.at(-1);
  if (data === null || indices === null || !isFixed(depth)) return [tensorType(c.dtype(0), null)];
  const batch = getInt(c.node, 'batch_dims', 0);
  if (batch + depth > data.length) throw new CannotInfer(`indexes ${batch + depth} axes of rank ${data.length}`);
  return [tensorType(c.dtype(0), [...indices.slice(0, -1), ...data.slice(batch + depth)])];
};

export interface SliceSpec {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** What a Slice does per axis; undefined where it depends on values that are not known. */
export function sliceSpecs(c: NodeContext, rank: number): readonly SliceSpec[] | undefined {
  const starts = c.integersFrom('starts', 1);
  const ends = c.integersFrom('ends', 2);
  const axes = c.integersFrom('axes', 3);
  const steps = c.has(4) ? c.integers(4) : null;
  if (starts === null || ends === null) throw new CannotInfer('starts or ends are missing');
  if (starts === undefined || ends === undefined || axes === undefined || steps === undefined) return undefined;
  return starts.map((start, index) => {
    const step = steps?.[index] ?? 1;
    if (step === 0) throw new CannotInfer('a step is 0');
    return { axis: normalAxis(axes?.[index] ?? index, rank), start, end: ends[index] ?? 0, step };
  });
}

/** First index and count of a slice of `size` elements, by Python's rules. */
export function sliceRange(size: number, { start, end, step }: SliceSpec): { first: number; count: number } {
  const clamp = (index: number): number => {
    const from = index < 0 ? index + size : index;
    return step > 0 ? Math.min(Math.max(from, 0), size) : Math.min(Math.max(from, -1), size - 1);
  };
  const first = clamp(start);
  return { first, count: Math.max(0, Math.ceil((clamp(end) - first) / step)) };
}

/** Axes that are not cut keep their size; one cut from 0 to a symbol has `min` of that and its own. */
function sliceOfUnknown(c: NodeContext, shape: Shape): Shape {
  const axes = c.integersFrom('axes', 3);
  if (axes === undefined) return shape.map(() => UNKNOWN_DIM);
  const starts = c.integersFrom('starts', 1);
  const steps = c.has(4) ? c.integers(4) : null;
  const ends = c.value(2)?.elements;
  const dims: Dim[] = [...shape];
  const cut = axes ?? Array.from({ length: ends?.length ?? shape.length }, (_, index) => index);
  cut.forEach((axis, index) => {
    const at = normalAxis(axis, shape.length);
    const step = steps === null ? 1 : steps?.[index];
    const end = ends?.[index] ?? UNKNOWN_DIM;
    const isHead = starts?.[index] === 0 && step === 1 && end !== UNKNOWN_DIM && !isFixed(end);
    dims[at] = isHead ? atMost(end, shape[at] ?? UNKNOWN_DIM) : UNKNOWN_DIM;
  });
  return dims;
}

const slice: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return [tensorType(c.dtype(0), null)];
  const specs = sliceSpecs(c, shape.length);
  if (specs === undefined) {
    return [tensorType(c.dtype(0), sliceOfUnknown(c, shape))];
  }
  const dims: Dim[] = [...shape];
  for (const spec of specs) {
    const dim = shape[spec.axis];
    if (isFixed(dim)) dims[spec.axis] = sliceRange(dim, spec).count;
    else if (!(spec.start === 0 && spec.step === 1 && spec.end >= 2 ** 31 - 1)) dims[spec.axis] = '?';
  }
  return [tensorType(c.dtype(0), dims)];
};

const topK: Rule = (c) => {
  const input = c.tensor(0);
  const [k = '?'] = c.has(1) ? (c.value(1)?.elements ?? []) : [getInt(c.node, 'k', 1)];
  const shape = input.shape === null ? null : input.shape.with(c.axis('axis', -1, input.shape.length), k);
  return [tensorType(input.dtype, shape), tensorType('int64', shape)].slice(0, c.outputs);
};

const argReduce: Rule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return [tensorType('int64', null)];
  const axis = c.axis('axis', 0, shape.length);
  const keep = getInt(c.node, 'keepdims', 1) === 1;
  return [tensorType('int64', keep ? shape.with(axis, 1) : shape.toSpliced(axis, 1))];
};

const oneHot: Rule = (c) => {
  const indices = c.shape(0);
  if (indices === null) return [tensorType(c.dtype(2), null)];
  const axis = getInt(c.node, 'axis', -1);
  const [depth = '?'] = c.value(1)?.elements ?? [];
  return [tensorType(c.dtype(2), indices.toSpliced(axis < 0 ? axis + indices.length + 1 : axis, 0, depth))];
};

const compress: Rule = (c) => {
  const shape = c.shape(0);
  if (!c.node.attributes.has('axis')) return [tensorType(c.dtype(0), ['?'])];
  return [tensorType(c.dtype(0), shape === null ? null : shape.with(c.axis('axis', 0, shape.length), '?'))];
};

const unique: Rule = (c) => {
  const shape = c.shape(0);
  const axis = c.node.attributes.has('axis') && shape !== null ? c.axis('axis', 0, shape.length) : undefined;
  const values: Shape | null =
    axis === undefined ? (c.node.attributes.has('axis') ? null : ['?']) : (shape?.with(axis, '?') ?? null);
  return [tensorType(c.dtype(0), values), ...['?', '?', '?'].map((dim) => tensorType('int64', [dim]))].slice(
    0,
    c.outputs,
  );
};

const same: Rule = (c) => [c.tensor(0)];

export const indexingRules: Readonly<Record<string, Rule>> = {
  Gather: gather,
  GatherElements: (c) => [tensorType(c.dtype(0), c.shape(1))],
  GatherND: gatherNd,
  Slice: slice,
  Scatter: same,
  ScatterElements: same,
  ScatterND: same,
  ReverseSequence: same,
  TopK: topK,
  ArgMax: argReduce,
  ArgMin: argReduce,
  OneHot: oneHot,
  NonZero: (c) => [tensorType('int64', [c.shape(0)?.length ?? '?', '?'])],
  Compress: compress,
  Unique: unique,
  NonMaxSuppression: () => [tensorType('int64', unknowns(1).concat(3))],
};
