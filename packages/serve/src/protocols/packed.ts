/**
 * Tensor elements in repeated numeric fields of protobuf: fixed-width ones are the little-endian bytes that tensors are
 * anyway, the others are varints. Both protocols that have such fields put small integers into wider ones; a value that does
 * not fit is an error, never wrapped around.
 */
import { ARRAY_OF, bytesOf, type DataOf, fail, type NumericDType, type Tensor } from '@slipway/core';
import type { ProtoWriter } from '../grpc/writer.ts';

type VarintDType = Exclude<NumericDType, 'float32' | 'float64'>;

const RANGE: Readonly<Partial<Record<VarintDType, readonly [number, number]>>> = {
  uint8: [0, 0xff],
  uint16: [0, 0xffff],
  uint32: [0, 0xffff_ffff],
  int8: [-0x80, 0x7f],
  int16: [-0x8000, 0x7fff],
  int32: [-0x8000_0000, 0x7fff_ffff],
  float16: [0, 0xffff],
};

/** Elements of `bytes`, which are varints. @throws TENSOR_INVALID when one is cut, too long, or does not fit */
export function decodeVarints<D extends VarintDType>(dtype: D, bytes: Uint8Array, where: string): DataOf[D] {
  let count = 0;
  for (const byte of bytes) if (byte < 0x80) count++;
  if (bytes.length > 0 && (bytes[bytes.length - 1] as number) >= 0x80) {
    throw fail('TENSOR_INVALID', { where, problem: 'the last element is cut off' });
  }
  const data = new ARRAY_OF[dtype](count);
  // Two halves per 64-bit element; hosts are little-endian.
  const halves = dtype === 'int64' || dtype === 'uint64' ? new Uint32Array(data.buffer) : null;
  const [least, most] = RANGE[dtype] ?? [0, 0];
  const narrow = data as unknown as Record<number, number>;
  let at = 0;
  for (let index = 0; index < count; index++) {
    let low = 0;
    let high = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = bytes[at++] as number;
      if (shift > 63) throw fail('TENSOR_INVALID', { where, problem: `element ${index} is longer than ten bytes` });
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= byte << 28;
        high = (byte & 0x7f) >>> 4;
      } else high |= (byte & 0x7f) << (shift - 32);
      shift += 7;
    } while (byte >= 0x80);
    if (halves !== null) {
      halves[2 * index] = low;
      halves[2 * index + 1] = high;
    } else if (dtype === 'bool') narrow[index] = low !== 0 || high !== 0 ? 1 : 0;
    else {
      const value = least < 0 ? (high | 0) * 2 ** 32 + (low >>> 0) : (high >>> 0) * 2 ** 32 + (low >>> 0);
      if (value < least || value > most) {
        const shown = least < 0 ? value : (high | 0) * 2 ** 32 + (low >>> 0);
        throw fail('TENSOR_INVALID', {
          where,
          problem: `element ${index} is ${shown}, which does not fit ${dtype} (${least} to ${most})`,
        });
      }
      narrow[index] = value;
    }
  }
  return data;
}

/** The elements of `tensor` as a packed field; strings are not numeric. Nothing for no elements. */
export function writePacked(writer: ProtoWriter, field: number, tensor: Exclude<Tensor, { dtype: 'string' }>): void {
  if (tensor.data.length === 0) return;
  switch (tensor.dtype) {
    case 'float32':
    case 'float64':
      writer.bytes(field, bytesOf(tensor.data));
      return;
    case 'bool':
      // One byte each, and 0 or 1: those are varints.
      writer.bytes(field, tensor.data);
      return;
    case 'int64':
    case 'uint64':
      writer.packed64(field, tensor.data);
      return;
    default:
      writer.packed(field, tensor.data);
  }
}
