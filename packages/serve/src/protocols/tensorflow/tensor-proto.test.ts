import { BYTES_PER_ELEMENT, type DType, DTYPES, fromBytes, type Tensor } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtoWriter } from '../../grpc/writer.ts';
import { readTensorProto, TENSOR_ENCODING, writeShape, writeTensorProto } from './tensor-proto.ts';

const MOST = 1 << 20;
const read = (writer: ProtoWriter): Tensor => readTensorProto(writer.finish(0), 'input "x"', MOST);
const head = (dtype: DType, shape: number[]): ProtoWriter =>
  new ProtoWriter().int(1, TENSOR_ENCODING[dtype].type).message(2, writeShape(shape));

/** A tensor of the dtype from arbitrary bytes: every bit pattern, NaNs included. */
function tensorOf(dtype: DType, bytes: Uint8Array): Tensor {
  if (dtype === 'string') {
    const data = [...bytes].map((byte) => String.fromCodePoint(byte * 200 + 1));
    return { dtype, shape: [data.length], data };
  }
  const size = BYTES_PER_ELEMENT[dtype];
  const whole = Uint8Array.from(bytes.subarray(0, bytes.length - (bytes.length % size)), (byte) =>
    dtype === 'bool' ? byte & 1 : byte,
  );
  return fromBytes(dtype, [whole.length / size], whole);
}

/** The bits, because NaN patterns must come back as they were. */
const bitsOf = ({ data }: Tensor): unknown =>
  Array.isArray(data) ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

describe.each(DTYPES)('%s', (dtype) => {
  it('comes back as it was written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const tensor = tensorOf(dtype, bytes);
        const back = read(writeTensorProto(tensor));
        expect({ dtype: back.dtype, shape: back.shape }).toEqual({ dtype, shape: tensor.shape });
        expect(bitsOf(back)).toEqual(bitsOf(tensor));
      }),
      { numRuns: 50 },
    );
  });

  it('is filled up with the last value that is given, or with zeros', () => {
    const { field } = TENSOR_ENCODING[dtype];
    const [given, none] = dtype === 'string' ? ['a', ''] : ['1', '0'];
    const written = head(dtype, [3]);
    if (dtype === 'string') written.string(field, given);
    else if (dtype === 'float32') written.bytes(field, new Uint8Array(Float32Array.of(1).buffer));
    else if (dtype === 'float64') written.bytes(field, new Uint8Array(Float64Array.of(1).buffer));
    else written.packed(field, [1]);
    const filled = read(written);
    expect(Array.from(filled.data as ArrayLike<unknown>, String)).toEqual([given, given, given]);
    const empty = read(head(dtype, [2]));
    expect(Array.from(empty.data as ArrayLike<unknown>, String)).toEqual([none, none]);
  });
});

it('has bytes that are no text as bytes, and text as text', () => {
  const strings = head('string', [2]).bytes(8, Uint8Array.of(0xff, 0xd8)).bytes(8, Buffer.from('é'));
  const { data } = read(strings);
  expect(data).toEqual([Buffer.of(0xff, 0xd8), 'é']);
  expect(writeTensorProto({ dtype: 'string', shape: [2], data: data as string[] }).finish(0)).toEqual(
    strings.finish(0),
  );
});

it('has bfloat16 as the float32 it widens to, from bits and from bytes', () => {
  const bits = [0x3fc0, 0xc000, 0x7f80];
  const shape = writeShape([3]);
  const typed = new ProtoWriter().int(1, 14).message(2, shape).packed(13, bits);
  const content = new ProtoWriter()
    .int(1, 14)
    .message(2, shape)
    .bytes(4, new Uint8Array(Uint16Array.from(bits).buffer));
  for (const writer of [typed, content]) {
    const { dtype, data } = read(writer);
    expect({ dtype, data: [...data] }).toEqual({ dtype: 'float32', data: [1.5, -2, Infinity] });
  }
});

it('takes strings in tensor_content as TensorFlow packs them', () => {
  const long = 'x'.repeat(300);
  const packed = Buffer.concat([Buffer.of(1, 0, 0xac, 2), Buffer.from(`a${long}`)]);
  expect(read(head('string', [3]).bytes(4, packed)).data).toEqual(['a', '', long]);
});

describe('a tensor is refused', () => {
  it.each([
    ['of an unknown dtype', new ProtoWriter().int(1, 8), 'the dtype 8'],
    ['without a dtype', new ProtoWriter(), 'the dtype 0'],
    [
      'with more values than its shape',
      head('int32', [1]).packed(7, [1, 2]),
      '2 elements were given, the shape takes 1',
    ],
    ['with content of another size', head('float32', [2]).bytes(4, new Uint8Array(4)), 'needs 8 bytes, 4 were given'],
    ['with half a float', head('float32', [1]).bytes(5, new Uint8Array(3)), 'bytes'],
    ['of a size below zero', head('float32', [-1]), 'input "x"'],
    ['far larger than what was sent', head('float32', [2 ** 20]).bytes(5, new Uint8Array(4)), 'larger than 1048576'],
    ['with as many strings', head('string', [2 ** 20]), 'larger than 1048576'],
    ['whose product overflows', head('float32', [2 ** 40, 2 ** 40]), 'more than 2^53'],
    ['with strings that are cut', head('string', [2]).bytes(4, Buffer.of(1, 2, 97)), 'do not hold 2 strings'],
    ['with lengths that are cut', head('string', [2]).bytes(4, Buffer.of(1, 0x80)), 'do not hold 2 strings'],
    ['of unknown rank', new ProtoWriter().int(1, 1).message(2, writeShape(null)), 'the shape must be known'],
    ['of a rank without end', head('float32', Array<number>(65).fill(1)), 'the rank is more than 64'],
    ['with a varint that is cut', head('int32', [1]).bytes(7, Uint8Array.of(0x80)), 'the last element is cut off'],
    ['with a varint without end', head('int32', [1]).bytes(7, new Uint8Array(12).fill(0x80, 0, 11)), 'ten bytes'],
    ['with 2 for a boolean', head('bool', [1]).bytes(4, Uint8Array.of(2)), '2 is not a boolean'],
  ])('%s', (_, writer, problem) => {
    expect(() => read(writer)).toThrow(problem);
  });
});
