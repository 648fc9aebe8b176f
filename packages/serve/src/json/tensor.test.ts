import { DTYPES, hasCode, tensorFromJson, type TensorSpec } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonParser } from './parse.ts';
import { readTensor } from './tensor.ts';

const parser = new JsonParser({ nonFinite: false });

function outcome(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    expect(hasCode(error, 'TENSOR_INVALID')).toBe(true);
    return (error as Error).message;
  }
}

describe('tensors from JSON', () => {
  it('are what the reference in core makes of the same value, errors included', () => {
    const leaf = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -300, max: 300 }) },
      // Integers that JSON.parse would round are read exactly here (see below) and refused there.
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .filter((value) => !Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) >= 1e21),
      fc.constantFrom(
        70_000,
        2 ** 31,
        -(2 ** 31),
        4_294_967_295,
        1e39,
        65_504,
        65_520,
        2 ** 53 - 1,
        -(2 ** 53) + 1,
        -0,
        0.5,
      ),
    );
    const rectangular = fc
      .tuple(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(leaf, { minLength: 12, maxLength: 12 }),
      )
      .map(([rows, columns, values]) =>
        Array.from({ length: rows }, (_, row) => values.slice(row * columns, (row + 1) * columns)),
      );
    const ragged = fc.array(
      fc.oneof(leaf, fc.array(fc.oneof(leaf, fc.constantFrom(null, true, 'a', '7')), { maxLength: 3 })),
    );
    const shape = fc.constantFrom(null, ['batch', 'n'], ['batch', 2], ['batch'], [2, 3]);
    fc.assert(
      fc.property(fc.oneof(rectangular, ragged), fc.constantFrom(...DTYPES), shape, (value, dtype, dims) => {
        const spec: TensorSpec = { name: 'x', dtype, shape: dims };
        const bytes = Buffer.from(JSON.stringify(value));
        const fast = outcome(() => readTensor(parser.parse(bytes), spec, bytes, 'input "x"'));
        const slow = outcome(() => tensorFromJson(JSON.parse(bytes.toString()), spec, 'input "x"'));
        expect(fast).toEqual(slow);
      }),
      { numRuns: 3000 },
    );
  });

  it('keep 64-bit integers exact', () => {
    const bytes = Buffer.from('[9007199254740993, 1, -9223372036854775808]');
    const spec: TensorSpec = { name: 'x', dtype: 'int64', shape: ['n'] };
    const { data } = readTensor(parser.parse(bytes), spec, bytes, 'x');
    expect(data).toEqual(BigInt64Array.of(9007199254740993n, 1n, -9223372036854775808n));
  });

  it('name the element that does not fit', () => {
    const read = (text: string, dtype: TensorSpec['dtype']): unknown => {
      const bytes = Buffer.from(text);
      return readTensor(parser.parse(bytes), { name: 'x', dtype, shape: null }, bytes, 'input "x"');
    };
    expect(() => read('[[1,2],[3,300]]', 'int8')).toThrow('input "x"[1][1]');
    expect(() => read('[[1,2],[3]]', 'float32')).toThrow('input "x"[1]');
    expect(() => read('[1.5]', 'uint8')).toThrow('1.5 is not a whole number');
    expect(() => read('[1e39]', 'float32')).toThrow('does not fit float32');
  });

  it('decode base64 strings, strictly', () => {
    const decode = (text: string): unknown => {
      const bytes = Buffer.from(text);
      return readTensor(parser.parse(bytes), { name: 'x', dtype: 'string', shape: ['n'] }, bytes, 'x').data;
    };
    expect(decode('[{"b64":"aGk="},"plain",{"b64":"aGk"},{"b64":""}]')).toEqual(['hi', 'plain', 'hi', '']);
    expect(decode('[{"b64":"/9g="}]')).toEqual([Buffer.of(0xff, 0xd8)]);
    for (const wrong of ['not base64!', 'aGk=\\n', '_w==', '=', 'aGk==']) {
      expect(() => decode(`["a",{"b64":"${wrong}"}]`), wrong).toThrow('x[1]: is not base64');
    }
    expect(() => decode('[{"b64":"aGk=","more":1}]')).toThrow('exactly the key');
  });
});
