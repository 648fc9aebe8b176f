/** Constants as the evaluator works on them: elements of any whole-byte type, in memory, row by row. */
import { fromBytes, type NumericDType, type Tensor } from '@slipway/core';
import { asFeedable, ONNX_DTYPES, type OnnxDType } from '../../ir/dtype.ts';
import { rawBytes } from '../../ir/elements.ts';
import { createInitializer, type Initializer } from '../../ir/initializer.ts';

export type Dims = readonly number[];
export type Words = Uint8Array | Uint16Array | Uint32Array | BigUint64Array;
/** A tensor whose elements are numbers or 64-bit integers. */
export type NumericTensor = Exclude<Tensor, { dtype: 'string' }>;

export const sizeOf = (dims: Dims): number => dims.reduce((product, dim) => product * dim, 1);

/** Elements to the next index, per axis, of a row-major array. */
export function stridesOf(dims: Dims): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let axis = dims.length - 2; axis >= 0; axis--) strides[axis] = (strides[axis + 1] ?? 1) * (dims[axis + 1] ?? 1);
  return strides;
}

/** An axis counted from 0; undefined outside of the rank. */
export function axisOf(axis: number, rank: number): number | undefined {
  const normal = axis < 0 ? axis + rank : axis;
  return normal >= 0 && normal < rank ? normal : undefined;
}

/** Bytes of one element, or undefined where elements are packed or of varying size. */
function widthOf(dtype: OnnxDType): 1 | 2 | 4 | 8 | undefined {
  const { bits } = ONNX_DTYPES[dtype];
  return bits === 8 || bits === 16 || bits === 32 || bits === 64 ? ((bits / 8) as 1 | 2 | 4 | 8) : undefined;
}

const WORDS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;

/** The elements as words of their size, to be moved without being looked at. Shared where aligned. */
export function wordsOf(value: Initializer): Words | undefined {
  const width = widthOf(value.dtype);
  if (width === undefined || value.data.kind === 'strings' || value.data.kind === 'external') return undefined;
  const bytes = rawBytes(value);
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  return new WORDS[width](aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / width);
}

export const emptyLike = <W extends Words>(words: W, count: number): W =>
  new (words.constructor as new (length: number) => W)(count);

export function ofWords(name: string, dtype: OnnxDType, dims: Dims, words: Words): Initializer {
  return createInitializer(name, dtype, dims, new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
}

/** The elements as numbers, for arithmetic; undefined for types that JavaScript cannot compute in. */
export function numericOf(value: Initializer): NumericTensor | undefined {
  const dtype = asFeedable(value.dtype);
  if (dtype === undefined || dtype === 'string' || value.data.kind === 'external') return undefined;
  return fromBytes(
    dtype satisfies NumericDType,
    value.dims,
    rawBytes(value),
    `tensor "${value.name}"`,
  ) as NumericTensor;
}

/** The same elements under other dims. */
export function redimensioned(value: Initializer, name: string, dims: Dims): Initializer {
  return Object.freeze({ ...value, name, dims: Object.freeze([...dims]) });
}

/** Dims both broadcast to, by numpy's rule; undefined where they do not fit. */
export function broadcastDims(a: Dims, b: Dims): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const dims: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return undefined;
    dims.push(left === 1 ? right : left);
  }
  return dims;
}

/** Strides that walk an array of `dims` as if it had been broadcast to `target`. */
export function broadcastStrides(dims: Dims, target: Dims): number[] {
  const strides = stridesOf(dims);
  return target.map((_, axis) => {
    const own = axis - target.length + dims.length;
    return own < 0 || dims[own] === 1 ? 0 : (strides[own] ?? 0);
  });
}

/** Calls `visit` with the offset of each run along the last axis, in row-major order, for each of several walks. */
export function eachRun(
  dims: Dims,
  walks: readonly (readonly number[])[],
  visit: (offsets: readonly number[]) => void,
): void {
  if (dims.includes(0)) return;
  const index = new Array<number>(dims.length).fill(0);
  const offsets = walks.map(() => 0);
  for (;;) {
    visit(offsets);
    let axis = dims.length - 2;
    for (; axis >= 0; axis--) {
      const size = dims[axis] ?? 1;
      const next = (index[axis] ?? 0) + 1;
      const back = next === size;
      index[axis] = back ? 0 : next;
      walks.forEach((strides, walk) => {
        const stride = strides[axis] ?? 0;
        offsets[walk] = (offsets[walk] ?? 0) + (back ? stride - stride * size : stride);
      });
      if (!back) break;
    }
    if (axis < 0) return;
  }
}

/** A copy of elements picked by strides, from `offset` on: what transposes, slices and expansions are. */
export function strided(words: Words, dims: Dims, strides: readonly number[], offset = 0): Words {
  const result = emptyLike(words, sizeOf(dims));
  const run = dims.length === 0 ? 1 : (dims.at(-1) ?? 1);
  const step = strides.at(-1) ?? 1;
  let to = 0;
  eachRun(dims, [strides], ([start = 0]) => {
    let from = offset + start;
    for (let count = 0; count < run; count++, from += step) result[to++] = words[from] ?? 0;
  });
  return result;
}
