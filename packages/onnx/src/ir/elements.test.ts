import { fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { initializerFromProto, initializerToProto } from '../convert/initializer.ts';
import { TensorProto_DataType, TensorProtoSchema } from '../generated/onnx_pb.ts';
import { ONNX_DTYPES, type OnnxDType, rawByteLength } from './dtype.ts';
import { byteLengthOf, fieldLength, fieldOf, floatsOf, integersOf, rawBytes, toTensor } from './elements.ts';
import { createInitializer, type FieldData, type Initializer, initializerOf } from './initializer.ts';

const field = (dtype: OnnxDType, dims: readonly number[], values: readonly number[] | readonly bigint[]): Initializer =>
  createInitializer('t', dtype, dims, { kind: 'field', field: fieldOf(dtype) as FieldData['field'], values });

describe('the dtype table', () => {
  it('has every type of the schema, with its code', () => {
    const codes = Object.values(TensorProto_DataType).sort((a, b) => a - b);
    expect(
      Object.values(ONNX_DTYPES)
        .map(({ code }) => code)
        .sort((a, b) => a - b),
    ).toEqual(codes);
  });

  it('packs small types', () => {
    expect(rawByteLength('int4', 3)).toBe(2);
    expect(rawByteLength('uint2', 5)).toBe(2);
    expect(rawByteLength('float6e2m3', 4)).toBe(3);
    expect(rawByteLength('complex128', 2)).toBe(32);
    expect(rawByteLength('string', 2)).toBeNaN();
  });
});

describe('rawBytes', () => {
  const CASES: readonly [Initializer, readonly number[]][] = [
    [field('float32', [1], [1]), [0, 0, 0x80, 0x3f]],
    [field('float64', [1], [1]), [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]],
    [field('int8', [2], [-1, 5]), [0xff, 5]],
    [field('uint16', [1], [0x1234]), [0x34, 0x12]],
    [field('bool', [2], [1, 0]), [1, 0]],
    [field('float16', [1], [0x3c00]), [0, 0x3c]],
    [field('bfloat16', [1], [0x3f80]), [0x80, 0x3f]],
    [field('float8e4m3fn', [2], [1, 255]), [1, 255]],
    [field('int4', [3], [0x21, 0x03]), [0x21, 0x03]],
    [field('uint2', [5], [0xe4, 0x01]), [0xe4, 0x01]],
    [field('float6e2m3', [4], [1, 2, 3, 63]), [0x81, 0x30, 0xfc]],
    [field('int64', [1], [-2n]), [0xfe, 255, 255, 255, 255, 255, 255, 255]],
    [field('uint32', [1], [4294967295n]), [255, 255, 255, 255]],
    [field('uint64', [1], [2n ** 64n - 1n]), [255, 255, 255, 255, 255, 255, 255, 255]],
    [field('complex64', [1], [1, 0]), [0, 0, 0x80, 0x3f, 0, 0, 0, 0]],
  ];
  it.each(CASES)('%#', (initializer, expected) => {
    expect([...rawBytes(initializer)]).toEqual(expected);
    expect(byteLengthOf(initializer)).toBe(expected.length);
    // And the same through the file.
    const file = toBinary(TensorProtoSchema, initializerToProto(initializer));
    const read = initializerFromProto(fromBinary(TensorProtoSchema, file), null);
    expect([...rawBytes(read)]).toEqual(expected);
    expect(fieldLength(initializer.dtype, initializer.dims[0] ?? 0)).toBe(
      (initializer.data as FieldData).values.length,
    );
  });

  it('refuses data that does not fit the dims', () => {
    expect(() => rawBytes(createInitializer('t', 'float32', [3], new Uint8Array(4)))).toThrow(
      /holds 4 bytes, float32\[3\] needs 12/,
    );
    expect(() => rawBytes(field('int8', [3], [1]))).toThrow(/holds 1 entries of int32Data, int8\[3\] needs 3/);
    expect(() => rawBytes(createInitializer('t', 'string', [1], { kind: 'strings', values: [] }))).toThrow(
      /holds strings/,
    );
    expect(() => rawBytes(createInitializer('t', 'float32', [-3], new Uint8Array(4)))).toThrow(/dimension -3/);
  });
});

describe('typed readers', () => {
  it('share memory where they can', () => {
    const data = Float32Array.of(1, 2, 3);
    const initializer = initializerOf('w', { dtype: 'float32', shape: [3], data });
    expect((toTensor(initializer).data as Float32Array).buffer).toBe(data.buffer);
    expect(floatsOf(initializer).buffer).toBe(data.buffer);
  });

  it('read integers of every width', () => {
    expect(integersOf(field('int4', [3], [0xf1, 0x08]))).toEqual([1, -1, -8]);
    expect(integersOf(field('uint4', [3], [0xf1, 0x08]))).toEqual([1, 15, 8]);
    expect(integersOf(field('int2', [4], [0xe4]))).toEqual([0, 1, -2, -1]);
    expect(integersOf(field('int64', [2], [2n ** 63n - 1n, -5n]))).toEqual([Number.MAX_SAFE_INTEGER, -5]);
    expect(() => integersOf(field('float32', [1], [1]))).toThrow(/not an integer type/);
  });

  it('read floats of every width', () => {
    expect([...floatsOf(field('float16', [2], [0x3c00, 0xc000]))]).toEqual([1, -2]);
    expect([...floatsOf(field('bfloat16', [2], [0x3f80, 0xc000]))]).toEqual([1, -2]);
    expect([...floatsOf(field('float64', [1], [0.5]))]).toEqual([0.5]);
    expect(() => floatsOf(field('int8', [1], [1]))).toThrow(/not a float type/);
  });

  it('read strings', () => {
    const initializer = initializerOf('s', { dtype: 'string', shape: [2], data: ['a', 'ü'] });
    expect(toTensor(initializer)).toEqual({ dtype: 'string', shape: [2], data: ['a', 'ü'] });
    expect(byteLengthOf(initializer)).toBe(3);
  });

  it('read what was written from unaligned bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true })), fc.integer({ min: 0, max: 7 }), (values, shift) => {
        const bytes = new Uint8Array(values.length * 4 + shift);
        bytes.set(new Uint8Array(Float32Array.from(values).buffer), shift);
        const initializer = createInitializer('w', 'float32', [values.length], bytes.subarray(shift));
        expect([...floatsOf(initializer)]).toEqual([...Float32Array.from(values)]);
      }),
    );
  });
});
