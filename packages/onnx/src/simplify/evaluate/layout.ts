/** Operators that move elements without computing. They work on every type whose elements are whole bytes. */
import { getInt, getInts } from '../../ir/node.ts';
import { integersOf, countOf } from '../../ir/elements.ts';
import type { Initializer } from '../../ir/initializer.ts';
import { type Call, integersFrom, operator, type Operators } from './operator.ts';
import {
  axisOf,
  broadcastDims,
  broadcastStrides,
  type Dims,
  emptyLike,
  ofWords,
  redimensioned,
  sizeOf,
  strided,
  stridesOf,
  wordsOf,
} from './value.ts';

type Result = Initializer | undefined;

/** The same elements with other dims, which must be as many. */
function shaped({ inputs: [data], output }: Call, dims: (data: Initializer) => Dims | undefined): Result {
  if (data === undefined) return undefined;
  const target = dims(data);
  return target !== undefined && sizeOf(target) === countOf(data) ? redimensioned(data, output, target) : undefined;
}

/** Dims of a Reshape; undefined where they do not fit the elements. */
function reshapedDims(from: Dims, target: Dims, allowZero: boolean): number[] | undefined {
  const dims = target.map((dim, axis) => (dim === 0 && !allowZero ? (from[axis] ?? -2) : dim));
  const free = dims.indexOf(-1);
  if (free >= 0) {
    const rest = sizeOf(dims.toSpliced(free, 1));
    dims[free] = rest === 0 ? -2 : sizeOf(from) / rest;
  }
  return dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0) ? dims : undefined;
}

function unsqueezedDims(dims: Dims, axes: readonly number[] | null): number[] | undefined {
  if (axes === null) return undefined;
  const rank = dims.length + axes.length;
  const added = new Set(axes.map((axis) => axisOf(axis, rank)));
  if (added.has(undefined) || added.size !== axes.length) return undefined;
  let next = 0;
  return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (dims[next++] ?? 1)));
}

function squeezedDims(dims: Dims, axes: readonly number[] | null): number[] | undefined {
  if (axes === null) return dims.filter((dim) => dim !== 1);
  const gone = new Set(axes.map((axis) => axisOf(axis, dims.length)));
  return gone.has(undefined) ? undefined : dims.filter((_, axis) => !gone.has(axis));
}

function transpose({ node, inputs: [data], output, allows }: Call): Result {
  const words = data === undefined ? undefined : wordsOf(data);
  if (data === undefined || words === undefined || !allows(words.byteLength)) return undefined;
  const perm = getInts(node, 'perm') ?? data.dims.map((_, axis) => data.dims.length - 1 - axis);
  const valid = perm.length === data.dims.length && perm.every((axis) => axis >= 0 && axis < perm.length);
  if (!valid || new Set(perm).size !== perm.length) return undefined;
  const strides = stridesOf(data.dims);
  const dims = perm.map((axis) => data.dims[axis] ?? 0);
  return ofWords(
    output,
    data.dtype,
    dims,
    strided(
      words,
      dims,
      perm.map((axis) => strides[axis] ?? 0),
    ),
  );
}

function expanded(call: Call, target: Dims): Result {
  const [data] = call.inputs;
  const dims = data === undefined ? undefined : broadcastDims(data.dims, target);
  const words = data === undefined ? undefined : wordsOf(data);
  if (data === undefined || dims === undefined || words === undefined) return undefined;
  if (target.some((dim) => dim < 0) || !call.allows(sizeOf(dims) * words.BYTES_PER_ELEMENT)) return undefined;
  return ofWords(call.output, data.dtype, dims, strided(words, dims, broadcastStrides(data.dims, dims)));
}

function tile(call: Call): Result {
  const [data, times] = call.inputs;
  const words = data === undefined ? undefined : wordsOf(data);
  if (data === undefined || times === undefined || words === undefined) return undefined;
  const repeats = integersOf(times);
  if (repeats.length !== data.dims.length || repeats.some((count) => count < 0)) return undefined;
  // Tiling [a, b] is walking [1, a, 1, b] broadcast to [ra, a, rb, b].
  const dims = data.dims.flatMap((dim, axis) => [repeats[axis] ?? 1, dim]);
  if (!call.allows(sizeOf(dims) * words.BYTES_PER_ELEMENT)) return undefined;
  const strides = stridesOf(data.dims).flatMap((stride) => [0, stride]);
  const result = strided(words, dims, strides);
  return ofWords(
    call.output,
    data.dtype,
    data.dims.map((dim, axis) => dim * (repeats[axis] ?? 1)),
    result,
  );
}

export interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** What a Slice cuts, per axis; undefined where it is not valid. */
export function cutsOf(
  rank: number,
  starts: readonly number[],
  ends: readonly number[],
  axes: readonly number[] | null,
  steps: readonly number[] | null,
): readonly Cut[] | undefined {
  const cuts: Cut[] = [];
  for (const [index, start] of starts.entries()) {
    const axis = axisOf(axes?.[index] ?? index, rank);
    const step = steps?.[index] ?? 1;
    if (axis === undefined || step === 0 || cuts.some((cut) => cut.axis === axis)) return undefined;
    cuts.push({ axis, start, end: ends[index] ?? 0, step });
  }
  const fits = [ends, axes, steps].every((list) => list === null || list.length === starts.length);
  return fits ? cuts : undefined;
}

/** First index and count of a cut of `size` elements, by Python's rules. */
export function rangeOf(size: number, { start, end, step }: Cut): { first: number; count: number } {
  const clamp = (index: number): number => {
    const from = index < 0 ? index + size : index;
    return step > 0 ? Math.min(Math.max(from, 0), size) : Math.min(Math.max(from, -1), size - 1);
  };
  const first = clamp(start);
  return { first, count: Math.max(0, Math.ceil((clamp(end) - first) / step)) };
}

function slice(call: Call): Result {
  const [data, , , , stepsInput] = call.inputs;
  const words = data === undefined ? undefined : wordsOf(data);
  const starts = integersFrom(call, 'starts', 1);
  const ends = integersFrom(call, 'ends', 2);
  if (data === undefined || words === undefined || starts === null || ends === null) return undefined;
  const steps = stepsInput === undefined ? null : integersOf(stepsInput);
  const cuts = cutsOf(data.dims.length, starts, ends, integersFrom(call, 'axes', 3), steps);
  if (cuts === undefined) return undefined;
  const dims = [...data.dims];
  const strides = stridesOf(data.dims);
  let offset = 0;
  for (const cut of cuts) {
    const { first, count } = rangeOf(dims[cut.axis] ?? 0, cut);
    offset += first * (strides[cut.axis] ?? 1);
    dims[cut.axis] = count;
    strides[cut.axis] = (strides[cut.axis] ?? 1) * cut.step;
  }
  if (!call.allows(sizeOf(dims) * words.BYTES_PER_ELEMENT)) return undefined;
  return ofWords(call.output, data.dtype, dims, strided(words, dims, strides, offset));
}

function concat({ node, inputs, output, allows }: Call): Result {
  const parts = inputs.filter((input) => input !== undefined);
  const [first] = parts;
  const axis = first === undefined ? undefined : axisOf(getInt(node, 'axis', 1), first.dims.length);
  if (first === undefined || axis === undefined || parts.length !== inputs.length) return undefined;
  const fits = parts.every(
    ({ dtype, dims }) =>
      dtype === first.dtype &&
      dims.length === first.dims.length &&
      dims.every((dim, index) => index === axis || dim === first.dims[index]),
  );
  const pieces = parts.map(wordsOf);
  const dims = first.dims.with(
    axis,
    parts.reduce((sum, part) => sum + (part.dims[axis] ?? 0), 0),
  );
  const [sample] = pieces;
  if (!fits || sample === undefined || !allows(sizeOf(dims) * sample.BYTES_PER_ELEMENT)) return undefined;
  const result = emptyLike(sample, sizeOf(dims));
  const rows = sizeOf(first.dims.slice(0, axis));
  let to = 0;
  for (let row = 0; row < rows; row++) {
    for (const piece of pieces) {
      if (piece === undefined) return undefined;
      const length = piece.length / rows;
      result.set(piece.subarray(row * length, (row + 1) * length) as never, to);
      to += length;
    }
  }
  return ofWords(output, first.dtype, dims, result);
}

function gather({ node, inputs: [data, indices], output, allows }: Call): Result {
  const words = data === undefined ? undefined : wordsOf(data);
  if (data === undefined || indices === undefined || words === undefined) return undefined;
  const axis = axisOf(getInt(node, 'axis', 0), data.dims.length);
  if (axis === undefined) return undefined;
  const size = data.dims[axis] ?? 0;
  const picked = integersOf(indices).map((index) => (index < 0 ? index + size : index));
  if (picked.some((index) => index < 0 || index >= size)) return undefined;
  const dims = [...data.dims.slice(0, axis), ...indices.dims, ...data.dims.slice(axis + 1)];
  if (!allows(sizeOf(dims) * words.BYTES_PER_ELEMENT)) return undefined;
  const result = emptyLike(words, sizeOf(dims));
  const block = sizeOf(data.dims.slice(axis + 1));
  const rows = sizeOf(data.dims.slice(0, axis));
  let to = 0;
  for (let row = 0; row < rows; row++) {
    for (const index of picked) {
      const from = (row * size + index) * block;
      result.set(words.subarray(from, from + block) as never, to);
      to += block;
    }
  }
  return ofWords(output, data.dtype, dims, result);
}

export const layoutOperators: Operators = {
  Identity: operator('', (call) => shaped(call, (data) => data.dims)),
  Reshape: operator('allowzero shape', (call) =>
    shaped(call, (data) => {
      const target = integersFrom(call, 'shape', 1);
      return target === null ? undefined : reshapedDims(data.dims, target, getInt(call.node, 'allowzero', 0) === 1);
    }),
  ),
  Flatten: operator('axis', (call) =>
    shaped(call, ({ dims }) => {
      const given = getInt(call.node, 'axis', 1);
      const axis = given === dims.length ? given : axisOf(given, dims.length);
      return axis === undefined ? undefined : [sizeOf(dims.slice(0, axis)), sizeOf(dims.slice(axis))];
    }),
  ),
  Unsqueeze: operator('axes', (call) =>
    shaped(call, ({ dims }) => unsqueezedDims(dims, integersFrom(call, 'axes', 1))),
  ),
  Squeeze: operator('axes', (call) => shaped(call, ({ dims }) => squeezedDims(dims, integersFrom(call, 'axes', 1)))),
  Transpose: operator('perm', transpose),
  Expand: operator('', (call) => {
    const [, target] = call.inputs;
    return target === undefined ? undefined : expanded(call, integersOf(target));
  }),
  Tile: operator('', tile),
  Slice: operator('starts ends axes', slice),
  Concat: operator('axis', concat),
  Gather: operator('axis', gather),
};
