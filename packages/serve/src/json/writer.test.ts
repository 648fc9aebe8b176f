import { float16ToNumber, type Tensor } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonWriter } from './writer.ts';

const write = (tensor: Tensor, style: 'bare' | 'string' = 'bare', base64 = false): string => {
  const writer = new JsonWriter(style);
  writer.nested(tensor, tensor.shape, 0, 0, base64);
  return writer.finish().toString();
};

describe('JSON writer', () => {
  it('writes float32 so that it reads back to the same value', () => {
    const value = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.float({ noNaN: true, min: Math.fround(-1), max: 1 }),
      fc.integer({ min: -(2 ** 24), max: 2 ** 24 }).map((n) => Math.fround(n / 1024)),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 50 }), (values) => {
        const data = Float32Array.from(values);
        const text = write({ dtype: 'float32', shape: [data.length], data });
        const back = JSON.parse(text) as number[];
        data.forEach((expected, i) => expect(Object.is(Math.fround(back[i] ?? NaN), expected)).toBe(true));
      }),
      { numRuns: 3000 },
    );
  });

  it('writes float64 and float16 so that they read back to the same value', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Object.is(JSON.parse(write({ dtype: 'float64', shape: [], data: Float64Array.of(value) })), value)).toBe(
          true,
        );
      }),
    );
    for (let bits = 0; bits < 0x7c00; bits += 7) {
      const text = write({ dtype: 'float16', shape: [], data: Uint16Array.of(bits) });
      expect(Math.fround(JSON.parse(text) as number)).toBe(float16ToNumber(bits));
    }
  });

  it('makes floats look like floats, and integers like integers', () => {
    expect(write({ dtype: 'float32', shape: [6], data: Float32Array.of(2, -3.5, 0, -0, 0.1, 1e10) })).toBe(
      '[2.0,-3.5,0.0,-0.0,0.1,10000000000.0]',
    );
    expect(write({ dtype: 'float64', shape: [2], data: Float64Array.of(1e300, 2) })).toBe('[1e+300,2.0]');
    expect(write({ dtype: 'int64', shape: [2], data: BigInt64Array.of(9007199254740993n, -1n) })).toBe(
      '[9007199254740993,-1]',
    );
    expect(write({ dtype: 'int8', shape: [2, 1], data: Int8Array.of(-128, 7) })).toBe('[[-128],[7]]');
    expect(write({ dtype: 'uint32', shape: [], data: Uint32Array.of(4294967295) })).toBe('4294967295');
    expect(write({ dtype: 'bool', shape: [2], data: Uint8Array.of(0, 1) })).toBe('[false,true]');
  });

  it('writes what JSON cannot say as the protocol wants it', () => {
    const tensor: Tensor = { dtype: 'float32', shape: [3], data: Float32Array.of(NaN, Infinity, -Infinity) };
    expect(write(tensor, 'bare')).toBe('[NaN,Infinity,-Infinity]');
    expect(write(tensor, 'string')).toBe('["NaN","Infinity","-Infinity"]');
  });

  it('writes strings, empty dimensions and large tensors', () => {
    const strings: Tensor = { dtype: 'string', shape: [2], data: ['a"\n', 'é✓'] };
    expect(JSON.parse(write(strings))).toEqual(strings.data);
    expect(write(strings, 'bare', true)).toBe('[{"b64":"YSIK"},{"b64":"w6ninJM="}]');
    expect(write({ dtype: 'float32', shape: [2, 0, 3], data: new Float32Array(0) })).toBe('[[],[]]');
    const data = Float32Array.from({ length: 100_000 }, (_, i) => i / 7);
    expect(JSON.parse(write({ dtype: 'float32', shape: [10, 10_000], data }))).toHaveLength(10);
    const long: Tensor = { dtype: 'string', shape: [1], data: ['x'.repeat(100_000)] };
    expect(JSON.parse(write(long))).toEqual(long.data);
  });
});
