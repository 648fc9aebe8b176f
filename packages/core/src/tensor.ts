/**
 * A tensor: a dtype, a shape and the elements in row-major order. Plain data, never copied on read: `data` is a
 * view over whatever buffer it came from, and slicing rows gives another view. Numbers that are not
 * aligned to their element size cannot be viewed by JavaScript, and only those are copied.
 */
import { isUtf8 } from 'node:buffer';
import {
  ARRAY_OF,
  BYTES_PER_ELEMENT,
  type DataOf,
  type DType,
  type NumericData,
  type NumericDType,
  type StringElement,
} from './dtype.ts';
import { fail } from './errors.ts';

export interface TensorOf<D extends DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: DataOf[D];
}

export type Tensor = { [D in DType]: TensorOf<D> }[DType];

/** Named tensors: the inputs or outputs of one call. */
export type Tensors = Readonly<Record<string, Tensor>>;

/**
 * Elements in a tensor of this shape.
 * @throws TENSOR_INVALID when a dimension is not a whole number ≥ 0 or the product is not a safe integer
 */
export function elementCount(shape: readonly number[], where = 'tensor'): number {
  let count = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw fail('TENSOR_INVALID', { where, problem: `shape [${shape.join(', ')}] has the dimension ${dim}` });
    }
    count *= dim;
    if (!Number.isSafeInteger(count)) {
      throw fail('TENSOR_INVALID', { where, problem: `shape [${shape.join(', ')}] has more than 2^53 elements` });
    }
  }
  return count;
}

/** Build a tensor, checking that the number of elements fits the shape. */
export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: DataOf[D], where = 'tensor'): Tensor {
  const expected = elementCount(shape, where);
  if (data.length !== expected) {
    throw fail('TENSOR_INVALID', {
      where,
      problem: `shape [${shape.join(', ')}] needs ${expected} elements, ${data.length} were given`,
    });
  }
  return { dtype, shape, data } as Tensor;
}

/** The element of a string tensor that these bytes are. */
export function stringElement(bytes: Uint8Array): StringElement {
  return isUtf8(bytes) ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8') : bytes;
}

/**
 * The elements of a string tensor, where all must be text.
 * @throws TENSOR_INVALID naming the first that is bytes
 */
export function textsOf(value: TensorOf<'string'>, where = 'tensor'): readonly string[] {
  value.data.forEach((element, index) => {
    if (typeof element !== 'string') throw fail('TENSOR_INVALID', { where, problem: `element ${index} is not UTF-8` });
  });
  return value.data as string[];
}

/** Size of the elements in bytes (UTF-8 for strings). */
export function byteLength(value: Tensor): number {
  if (value.dtype !== 'string') return value.data.byteLength;
  let bytes = 0;
  for (const element of value.data) bytes += Buffer.byteLength(element);
  return bytes;
}

/** The raw little-endian bytes of a numeric tensor, as a view. */
export function bytesOf(data: NumericData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * A numeric tensor over raw little-endian bytes: a view when the bytes are aligned, a copy otherwise.
 * @throws TENSOR_INVALID when the bytes do not fit the shape
 */
export function fromBytes(dtype: NumericDType, shape: readonly number[], bytes: Uint8Array, where = 'tensor'): Tensor {
  const size = BYTES_PER_ELEMENT[dtype];
  const count = elementCount(shape, where);
  if (bytes.byteLength !== count * size) {
    throw fail('TENSOR_INVALID', {
      where,
      problem: `shape [${shape.join(', ')}] of ${dtype} needs ${count * size} bytes, ${bytes.byteLength} were given`,
    });
  }
  // Not `slice`: a Buffer's is another view, as misaligned as itself.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const data = new ARRAY_OF[dtype](aligned.buffer, aligned.byteOffset, count);
  return { dtype, shape, data } as Tensor;
}

/** Rows `start` (inclusive) to `end` (exclusive) along axis 0, as a view. The rows must exist. */
export function rows(value: Tensor, start: number, end: number): Tensor {
  const [total = 0, ...rest] = value.shape;
  if (!(start >= 0 && start <= end && end <= total)) {
    throw fail('INTERNAL', { problem: `rows [${start}, ${end}) of ${total}` });
  }
  const size = total === 0 ? 0 : value.data.length / total;
  const shape = [end - start, ...rest];
  const from = start * size;
  const to = end * size;
  const data = value.dtype === 'string' ? value.data.slice(from, to) : value.data.subarray(from, to);
  return { dtype: value.dtype, shape, data } as Tensor;
}

/** Stack tensors of equal dtype and equal trailing shape along axis 0. One copy. */
export function concatRows(parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (first === undefined) throw fail('INTERNAL', { problem: 'concatRows of nothing' });
  if (parts.length === 1) return first;
  const [, ...rest] = first.shape;
  let total = 0;
  for (const part of parts) total += part.shape[0] ?? 0;
  const shape = [total, ...rest];
  const same = ({ dtype, shape: other }: Tensor): boolean =>
    dtype === first.dtype && other.length === first.shape.length && rest.every((dim, axis) => dim === other[axis + 1]);
  if (!parts.every(same)) throw fail('INTERNAL', { problem: 'concatRows of tensors that differ in more than rows' });
  if (first.dtype === 'string') {
    return { dtype: 'string', shape, data: parts.flatMap((part) => part.data as StringElement[]) };
  }
  const data = new ARRAY_OF[first.dtype](elementCount(shape));
  let offset = 0;
  for (const part of parts) {
    data.set(part.data as never, offset);
    offset += part.data.length;
  }
  return { dtype: first.dtype, shape, data } as Tensor;
}
