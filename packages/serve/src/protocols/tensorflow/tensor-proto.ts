/**
 * `tensorflow.TensorProto` (tensor.proto, in proto/tensorflow.proto). Elements come as `tensor_content`, raw and
 * little-endian, or in the typed field of the dtype, where fewer than the shape needs mean that the last one is repeated and none
 * that all are zero. We answer in typed fields, as TensorFlow Serving does unless it is configured otherwise: clients read
 * `float_val` directly.
 */
import {
  ARRAY_OF,
  BYTES_PER_ELEMENT,
  type DType,
  DTYPES,
  elementCount,
  fail,
  fromBytes,
  LIMITS,
  type NumericData,
  type NumericDType,
  type SlipwayError,
  type StringElement,
  stringElement,
  type Tensor,
} from '@slipway/core';
import { Gathered, ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import { decodeRaw } from '../inference/binary.ts';
import { decodeVarints, writePacked } from '../packed.ts';

interface Encoding {
  /** Value of tensorflow.DataType. */
  readonly type: number;
  /** The typed field of TensorProto. */
  readonly field: number;
}

export const TENSOR_ENCODING: Readonly<Record<DType, Encoding>> = {
  float32: { type: 1, field: 5 },
  float64: { type: 2, field: 6 },
  int32: { type: 3, field: 7 },
  uint8: { type: 4, field: 7 },
  int16: { type: 5, field: 7 },
  int8: { type: 6, field: 7 },
  string: { type: 7, field: 8 },
  int64: { type: 9, field: 10 },
  bool: { type: 10, field: 11 },
  uint16: { type: 17, field: 7 },
  float16: { type: 19, field: 13 },
  uint32: { type: 22, field: 16 },
  uint64: { type: 23, field: 17 },
};

const CONTENT = 4;
/** DT_BFLOAT16, which has no dtype here: it is widened to float32, exactly. */
const BFLOAT16 = 14;

/**
 * @param mostBytes of the elements: a shape may ask for more than was sent, because one value stands for all
 * @throws REQUEST_MALFORMED, TENSOR_INVALID
 */
export function readTensorProto(bytes: Buffer, where: string, mostBytes: number): Tensor {
  const reader = new ProtoReader(bytes);
  let type = 0;
  let shape: readonly number[] = [];
  let content: Buffer | null = null;
  const typed = new Map<number, Gathered>();
  const strings: Buffer[] = [];
  while (reader.next()) {
    const { field } = reader;
    if (field === 1) type = reader.int32();
    else if (field === 2) shape = readShape(reader.message(), where);
    else if (field === CONTENT) content = reader.bytes();
    else if (field === 8) strings.push(reader.bytes());
    else if (TYPED_WIRE.has(field)) {
      let elements = typed.get(field);
      if (elements === undefined) typed.set(field, (elements = new Gathered()));
      elements.add(reader.packed(TYPED_WIRE.get(field) ?? 0));
    } else reader.skip();
  }
  const brain = type === BFLOAT16;
  const dtype = brain ? 'uint16' : DTYPES.find((candidate) => TENSOR_ENCODING[candidate].type === type);
  if (dtype === undefined) {
    throw fail('TENSOR_INVALID', { where, problem: `the dtype ${type} of tensorflow.DataType is not supported` });
  }
  const count = elementCount(shape, where);
  // A string that is not sent still takes a place in the array.
  if (count * (dtype === 'string' ? 8 : BYTES_PER_ELEMENT[dtype]) > mostBytes) {
    throw fail('BODY_TOO_LARGE', { limit: mostBytes });
  }
  if (dtype === 'string') {
    const given = content !== null && content.length > 0 ? splitStrings(content, count, where) : strings;
    return { dtype, shape, data: readStrings(given, count, where) };
  }
  if (content !== null && content.length > 0) {
    if (brain) return decodeRaw('BF16', 'float32', shape, content, where);
    return checkBooleans(fromBytes(dtype, shape, content, where), where);
  }
  const field = brain ? TENSOR_ENCODING.float16.field : TENSOR_ENCODING[dtype].field;
  const elements = typed.get(field)?.bytes ?? Buffer.alloc(0);
  const data = filled(dtype, decodeElements(dtype, elements, where), count, where);
  if (brain) return decodeRaw('BF16', 'float32', shape, Buffer.from(data.buffer as ArrayBuffer), where);
  return { dtype, shape, data } as Tensor;
}

/**
 * Strings in `tensor_content`, as `Tensor::AsProtoTensorContent` packs them: a varint of each length, then all the bytes.
 * @throws TENSOR_INVALID
 */
function splitStrings(content: Buffer, count: number, where: string): Buffer[] {
  const truncated = (): SlipwayError =>
    fail('TENSOR_INVALID', {
      where,
      problem: `the ${content.length} bytes of tensor_content do not hold ${count} strings`,
    });
  if (count > content.length) throw truncated();
  let at = 0;
  for (let lengths = 0; lengths < count; at++) {
    const byte = content[at];
    if (byte === undefined) throw truncated();
    if (byte < 0x80) lengths++;
  }
  const lengths = decodeVarints('uint32', content.subarray(0, at), where);
  const strings: Buffer[] = [];
  for (const length of lengths) {
    strings.push(content.subarray(at, at + length));
    at += length;
  }
  if (at !== content.length) throw truncated();
  return strings;
}

/** Wire type of one element, by field. */
const TYPED_WIRE: ReadonlyMap<number, 0 | 1 | 5> = new Map([
  [5, 5],
  [6, 1],
  ...([7, 10, 11, 13, 16, 17] as const).map((field) => [field, 0] as const),
]);

function readShape(reader: ProtoReader, where: string): number[] {
  const shape: number[] = [];
  while (reader.next()) {
    if (reader.field === 2) {
      let size = 0;
      const dim = reader.message();
      while (dim.next()) {
        if (dim.field === 1) size = dim.int64();
        else dim.skip();
      }
      if (shape.push(size) > LIMITS.maxRank) throw malformed(`${where}: the rank is more than ${LIMITS.maxRank}`);
    } else if (reader.field === 3 && reader.bool()) throw malformed(`${where}: the shape must be known`);
    else if (reader.field !== 3) reader.skip();
  }
  return shape;
}

function decodeElements(dtype: NumericDType, bytes: Buffer, where: string): NumericData {
  if (dtype !== 'float32' && dtype !== 'float64') return decodeVarints(dtype, bytes, where);
  const count = Math.floor(bytes.length / BYTES_PER_ELEMENT[dtype]);
  return fromBytes(dtype, [count], bytes, where).data as NumericData;
}

function filled(dtype: NumericDType, given: NumericData, count: number, where: string): NumericData {
  if (given.length === count) return given;
  if (given.length > count) throw tooMany(given.length, count, where);
  const data = new ARRAY_OF[dtype](count) as Float32Array;
  const values = given as Float32Array;
  data.set(values);
  if (values.length > 0) data.fill(values[values.length - 1] as number, values.length);
  return data;
}

function readStrings(given: readonly Buffer[], count: number, where: string): StringElement[] {
  if (given.length > count) throw tooMany(given.length, count, where);
  const texts = given.map(stringElement);
  const last = texts.at(-1) ?? '';
  while (texts.length < count) texts.push(last);
  return texts;
}

function checkBooleans(tensor: Tensor, where: string): Tensor {
  if (tensor.dtype === 'bool') {
    for (const value of tensor.data) {
      if (value > 1) throw fail('TENSOR_INVALID', { where, problem: `${value} is not a boolean, which is 0 or 1` });
    }
  }
  return tensor;
}

export function writeTensorProto(tensor: Tensor): ProtoWriter {
  const { type, field } = TENSOR_ENCODING[tensor.dtype];
  const writer = new ProtoWriter().int(1, type).message(2, writeShape(tensor.shape));
  if (tensor.dtype === 'string') for (const element of tensor.data) writer.element(field, element);
  else writePacked(writer, field, tensor);
  return writer;
}

/** `tensorflow.TensorShapeProto`; null for an unknown rank, -1 for a free dimension. */
export function writeShape(shape: readonly number[] | null): ProtoWriter {
  const writer = new ProtoWriter();
  if (shape === null) return writer.bool(3, true);
  for (const size of shape) writer.message(2, new ProtoWriter().int(1, size));
  return writer;
}

function tooMany(given: number, count: number, where: string): SlipwayError {
  return fail('TENSOR_INVALID', { where, problem: `${given} elements were given, the shape takes ${count}` });
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
