/**
 * Raw tensor bytes of the binary tensor extension: little-endian, row-major, no padding; BYTES elements are a 32-bit
 * length and that many bytes. Numeric tensors are views over the request, not copies, wherever alignment allows.
 */
import {
  bytesOf,
  type DType,
  elementCount,
  fail,
  fromBytes,
  type NumericDType,
  type StringElement,
  stringElement,
  type Tensor,
  type TensorOf,
} from '@slipway/core';

/** @throws TENSOR_INVALID when the bytes do not make a tensor of this shape */
export function decodeBinary(
  datatype: NumericDType | 'string',
  shape: readonly number[],
  bytes: Buffer,
  where: string,
): Tensor {
  if (datatype === 'string') return decodeStrings(shape, bytes, where);
  const tensor = fromBytes(datatype, shape, bytes, where);
  if (datatype === 'bool') {
    for (const byte of bytes) {
      if (byte > 1) throw fail('TENSOR_INVALID', { where, problem: `${byte} is not a BOOL, which is 0 or 1` });
    }
  }
  return tensor;
}

/** The tensor of a datatype of the protocol. @param dtype what stands for it here; float32 for BF16 */
export function decodeRaw(
  datatype: string,
  dtype: DType,
  shape: readonly number[],
  bytes: Buffer,
  where: string,
): Tensor {
  return datatype === 'BF16' ? decodeBrainFloat(shape, bytes, where) : decodeBinary(dtype, shape, bytes, where);
}

/** Among the others. As data, not as a member: "__proto__" is a name like any other. */
export function addTensor(tensors: Record<string, Tensor>, name: string, value: Tensor): void {
  if (name !== '__proto__') tensors[name] = value;
  else Object.defineProperty(tensors, name, { value, enumerable: true, configurable: true, writable: true });
}

/** BF16 has no dtype here; it is the upper half of a float32, so it becomes one, exactly. */
function decodeBrainFloat(shape: readonly number[], bytes: Buffer, where: string): Tensor {
  const halves = fromBytes('uint16', shape, bytes, where);
  const widened = Uint32Array.from(halves.data as Uint16Array, (half) => half * 65536);
  return { dtype: 'float32', shape, data: new Float32Array(widened.buffer) };
}

/** Numbers that were written as text, as the BF16 nearest to each; ties to even. */
export function roundToBrainFloat({ shape, data }: TensorOf<'float32'>): Tensor {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  const rounded = bits.map((word, index) =>
    // A NaN must not be rounded up into an infinity.
    Number.isNaN(data[index]) ? 0x7fc00000 : ((word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000) >>> 0,
  );
  return { dtype: 'float32', shape, data: new Float32Array(rounded.buffer) };
}

function decodeStrings(shape: readonly number[], bytes: Buffer, where: string): Tensor {
  const count = elementCount(shape, where);
  // Four bytes at least per element: checked before the array is made.
  if (count * 4 > bytes.length) {
    throw fail('TENSOR_INVALID', { where, problem: `${bytes.length} bytes cannot hold ${count} BYTES elements` });
  }
  const data: StringElement[] = [];
  let at = 0;
  while (data.length < count) {
    const length = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : 0;
    if (at + 4 + length > bytes.length) {
      throw fail('TENSOR_INVALID', {
        where,
        problem: `element ${data.length} goes past the end of the ${bytes.length} bytes given`,
      });
    }
    data.push(stringElement(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  if (at !== bytes.length) {
    throw fail('TENSOR_INVALID', {
      where,
      problem: `${bytes.length - at} bytes are left over after ${count} elements`,
    });
  }
  return { dtype: 'string', shape, data };
}

export function encodeBinary(tensor: Tensor): Uint8Array {
  if (tensor.dtype !== 'string') return bytesOf(tensor.data);
  let size = 0;
  for (const element of tensor.data) size += 4 + Buffer.byteLength(element);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const element of tensor.data) {
    const length = Buffer.byteLength(element);
    if (typeof element === 'string') bytes.write(element, at + 4);
    else bytes.set(element, at + 4);
    bytes.writeUInt32LE(length, at);
    at += 4 + length;
  }
  return bytes;
}
