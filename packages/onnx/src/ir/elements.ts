/**
 * The elements of an initializer, in whichever of the format's forms they are stored.
 *
 * `rawBytes` gives the canonical form (little-endian, packed), a view whenever the file has it that way; the others
 * build on it. External data must have been read first (see `external/`).
 */
import {
  ARRAY_OF,
  elementCount,
  fail,
  float16ToFloat32,
  fromBytes,
  type NumericDType,
  type Tensor,
} from '@slipway/core';
import { asFeedable, ONNX_DTYPES, type OnnxDType, rawByteLength } from './dtype.ts';
import { type FieldData, type Initializer, rawLength } from './initializer.ts';

function invalid(initializer: Initializer, problem: string): Error {
  return fail('MODEL_INVALID', { path: 'model', where: `tensor "${initializer.name}"`, problem });
}

/** Elements the dims ask for. @throws MODEL_INVALID for a negative dimension or a product beyond 2^53 */
export function countOf(initializer: Initializer): number {
  try {
    return elementCount(initializer.dims);
  } catch (error) {
    throw invalid(initializer, error instanceof Error ? error.message.replace(/^tensor: /, '') : String(error));
  }
}

/** Bytes the elements take as raw data; for strings, of their characters. */
export function byteLengthOf(initializer: Initializer): number {
  if (initializer.data.kind === 'strings') return initializer.data.values.reduce((sum, text) => sum + text.length, 0);
  if (ONNX_DTYPES[initializer.dtype].bits === 0) return 0;
  return rawByteLength(initializer.dtype, countOf(initializer));
}

/** Which typed field the format uses for a dtype that has no raw data. */
export function fieldOf(dtype: OnnxDType): FieldData['field'] | undefined {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return 'floatData';
    case 'float64':
    case 'complex128':
      return 'doubleData';
    case 'int64':
      return 'int64Data';
    case 'uint32':
    case 'uint64':
      return 'uint64Data';
    case 'string':
    case 'undefined':
      return undefined;
    default:
      return 'int32Data';
  }
}

/** Entries a typed field needs for `count` elements: two per complex, one for up to 8 bits of packed elements. */
export function fieldLength(dtype: OnnxDType, count: number): number {
  if (dtype === 'complex64' || dtype === 'complex128') return count * 2;
  const { bits } = ONNX_DTYPES[dtype];
  return bits === 4 || bits === 2 ? Math.ceil((count * bits) / 8) : count;
}

/**
 * Little-endian packed bytes: a view when stored as raw data, a conversion otherwise.
 * @throws MODEL_INVALID when the size does not fit the dims, for strings, and for external data
 */
export function rawBytes(initializer: Initializer): Uint8Array {
  const { data, dtype } = initializer;
  const count = countOf(initializer);
  const expected = rawByteLength(dtype, count);
  switch (data.kind) {
    case 'raw':
      if (rawLength(data) !== expected) {
        throw invalid(
          initializer,
          `holds ${rawLength(data)} bytes, ${dtype}[${initializer.dims.join(', ')}] needs ${expected}`,
        );
      }
      return data.bytes;
    case 'field':
      return fieldBytes(initializer, data, count, expected);
    case 'strings':
      throw invalid(initializer, 'holds strings, which have no raw bytes');
    case 'external':
      throw invalid(initializer, `its elements are in the file "${data.location}" and were not read`);
  }
}

function fieldBytes(initializer: Initializer, data: FieldData, count: number, expected: number): Uint8Array {
  const { dtype } = initializer;
  if (Number.isNaN(expected)) throw invalid(initializer, `dtype ${dtype} has no numeric elements`);
  const field = fieldOf(dtype);
  const entries = fieldLength(dtype, count);
  if (data.values.length !== entries || (entries > 0 && field !== data.field)) {
    throw invalid(
      initializer,
      `holds ${data.values.length} entries of ${data.field}, ${dtype}[${initializer.dims.join(', ')}] needs ${entries} of ${field ?? 'none'}`,
    );
  }
  if (dtype === 'float6e2m3' || dtype === 'float6e3m2') return packSixBits(data.values as readonly number[], expected);
  const array = new (storageOf(dtype))(entries);
  for (let index = 0; index < entries; index++) {
    const value = data.values[index] ?? 0;
    // uint32 travels as 64-bit integers; everything else already has the type of its array.
    array[index] = array instanceof BigUint64Array || array instanceof BigInt64Array ? BigInt(value) : Number(value);
  }
  return new Uint8Array(array.buffer);
}

function storageOf(dtype: OnnxDType): (typeof ARRAY_OF)[NumericDType] {
  const feedable = asFeedable(dtype);
  if (feedable !== undefined && feedable !== 'string') return ARRAY_OF[feedable];
  if (dtype === 'complex64') return ARRAY_OF.float32;
  if (dtype === 'complex128') return ARRAY_OF.float64;
  return ONNX_DTYPES[dtype].bits === 16 ? ARRAY_OF.uint16 : ARRAY_OF.uint8;
}

/** Four 6-bit elements to three bytes, lowest bits first. */
function packSixBits(values: readonly number[], bytes: number): Uint8Array {
  const packed = new Uint8Array(bytes);
  values.forEach((value, index) => {
    const bit = index * 6;
    const at = bit >> 3;
    const shifted = (value & 0x3f) << (bit & 7);
    packed[at] = (packed[at] ?? 0) | (shifted & 0xff);
    if (shifted > 0xff) packed[at + 1] = (packed[at + 1] ?? 0) | (shifted >> 8);
  });
  return packed;
}

/**
 * The initializer as a tensor, sharing memory where the bytes are stored raw and aligned.
 * @throws MODEL_INVALID as `rawBytes`, and for dtypes a tensor here cannot have (bfloat16, int4 …)
 */
export function toTensor(initializer: Initializer): Tensor {
  const { dtype, dims, data } = initializer;
  if (data.kind === 'strings') {
    const count = countOf(initializer);
    if (data.values.length !== count) throw invalid(initializer, `holds ${data.values.length} strings, needs ${count}`);
    const decoder = new TextDecoder();
    return { dtype: 'string', shape: dims, data: data.values.map((bytes) => decoder.decode(bytes)) };
  }
  const feedable = asFeedable(dtype);
  if (feedable === undefined || feedable === 'string') {
    throw invalid(initializer, `dtype ${dtype} cannot be read as a tensor`);
  }
  return fromBytes(feedable, dims, rawBytes(initializer), `tensor "${initializer.name}"`);
}

/**
 * The elements of an integer tensor (bool and sub-byte ones included) as numbers, for shapes, axes and zero points.
 * 64-bit values beyond 2^53 saturate. @throws MODEL_INVALID for floats and strings
 */
export function integersOf(initializer: Initializer): number[] {
  const { dtype } = initializer;
  const bytes = rawBytes(initializer);
  const { bits } = ONNX_DTYPES[dtype];
  if (bits === 4 || bits === 2) return unpack(bytes, countOf(initializer), bits, dtype.startsWith('int'));
  const value = toTensor(initializer);
  if (value.dtype === 'string' || value.dtype.startsWith('float')) {
    throw invalid(initializer, `dtype ${dtype} is not an integer type`);
  }
  if (value.dtype !== 'int64' && value.dtype !== 'uint64') return Array.from(value.data as Int32Array);
  return Array.from(value.data as BigInt64Array, (element) =>
    element > BigInt(Number.MAX_SAFE_INTEGER)
      ? Number.MAX_SAFE_INTEGER
      : element < BigInt(Number.MIN_SAFE_INTEGER)
        ? Number.MIN_SAFE_INTEGER
        : Number(element),
  );
}

/** Elements of 4 or 2 bits, lowest bits first. */
function unpack(bytes: Uint8Array, count: number, bits: 4 | 2, signed: boolean): number[] {
  const perByte = 8 / bits;
  const mask = (1 << bits) - 1;
  const sign = 1 << (bits - 1);
  return Array.from({ length: count }, (_, index) => {
    const value = ((bytes[Math.floor(index / perByte)] ?? 0) >> ((index % perByte) * bits)) & mask;
    return signed && (value & sign) !== 0 ? value - (mask + 1) : value;
  });
}

/**
 * The elements of a float tensor (16, 32 or 64 bits, bfloat16 included) as float32, shared where it is float32 already.
 * @throws MODEL_INVALID for other dtypes
 */
export function floatsOf(initializer: Initializer): Float32Array {
  const { dtype } = initializer;
  if (dtype === 'float32') return toTensor(initializer).data as Float32Array;
  if (dtype === 'float64') return Float32Array.from(toTensor(initializer).data as Float64Array);
  if (dtype === 'float16') return float16ToFloat32(toTensor(initializer).data as Uint16Array);
  if (dtype !== 'bfloat16') throw invalid(initializer, `dtype ${dtype} is not a float type`);
  const bytes = rawBytes(initializer);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // bfloat16 is the upper half of a float32.
  const bits = Uint32Array.from({ length: bytes.byteLength / 2 }, (_, index) => view.getUint16(index * 2, true) << 16);
  return new Float32Array(bits.buffer);
}
