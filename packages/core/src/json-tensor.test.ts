import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DTYPES, type DType } from './dtype.ts';
import { numbersToFloat16 } from './float16.ts';
import { tensorFromJson, tensorToJson } from './json-tensor.ts';
import type { Dim } from './signature.ts';
import { tensor } from './tensor.ts';
import { anyTensor } from './testing/arbitrary.ts';

const read = (value: unknown, dtype: DType, shape: readonly Dim[] | null = null) =>
  tensorFromJson(value, { name: 'x', dtype, shape }, 'input "x"');

/** What JSON can carry, among it things that look like numbers. */
const element = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom<unknown>(
    null,
    'NaN',
    'Infinity',
    '',
    '1',
    '-0',
    '12345678901234567890',
    1e308,
    -0,
    2 ** 53,
    65520,
    3.5e38,
  ),
  fc.string(),
);

describe('tensorFromJson', () => {
  it('reads back what tensorToJson wrote, through JSON text', () => {
    fc.assert(
      fc.property(anyTensor, (value) => {
        const text = JSON.stringify(tensorToJson(value));
        const again = read(JSON.parse(text), value.dtype, value.shape);
        expect(again.shape).toEqual(value.shape);
        // JSON.stringify has no -0.
        expect(JSON.stringify(tensorToJson(again))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('answers anything with a tensor that fits the spec or TENSOR_INVALID', () => {
    const anything = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        element,
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.string(), element, { maxKeys: 1 }),
      ),
    })).value;
    const shape = fc.option(fc.array(fc.oneof(fc.nat(3), fc.constantFrom('n', 'm', '?')), { maxLength: 3 }), {
      nil: null,
    });
    fc.assert(
      fc.property(anything, fc.constantFrom(...DTYPES), shape, (value, dtype, dims) => {
        try {
          const result = read(value, dtype, dims);
          expect(result.data.length).toBe(result.shape.reduce((product, dim) => product * dim, 1));
          dims?.forEach((dim, axis) => typeof dim === 'number' && expect(result.shape[axis]).toBe(dim));
        } catch (error) {
          expect(error).toMatchObject({ code: 'TENSOR_INVALID' });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each<[unknown, DType, readonly Dim[] | null, ReturnType<typeof tensor>]>([
    [5, 'float32', [], tensor('float32', [], Float32Array.of(5))],
    [
      [
        [1, 2],
        [3, 4],
      ],
      'int8',
      ['n', 2],
      tensor('int8', [2, 2], Int8Array.of(1, 2, 3, 4)),
    ],
    [
      ['NaN', 'Infinity', '-Infinity', 1.5],
      'float16',
      null,
      tensor('float16', [4], numbersToFloat16([NaN, Infinity, -Infinity, 1.5])),
    ],
    [[1e39, 1e-320], 'float64', null, tensor('float64', [2], Float64Array.of(1e39, 1e-320))],
    [[1e-60, -0], 'float32', null, tensor('float32', [2], Float32Array.of(0, -0))],
    [[3.0, -0], 'uint8', null, tensor('uint8', [2], Uint8Array.of(3, 0))],
    [
      [1, '-9223372036854775808', 9223372036854775807n],
      'int64',
      null,
      tensor('int64', [3], BigInt64Array.of(1n, -(2n ** 63n), 2n ** 63n - 1n)),
    ],
    [['18446744073709551615'], 'uint64', null, tensor('uint64', [1], BigUint64Array.of(2n ** 64n - 1n))],
    [[true, false], 'bool', null, tensor('bool', [2], Uint8Array.of(1, 0))],
    [['NaN', ''], 'string', null, tensor('string', [2], ['NaN', ''])],
    [[], 'float32', ['n', 784], tensor('float32', [0, 784], new Float32Array())],
    [[[], []], 'float32', ['n', 'm', 3], tensor('float32', [2, 0, 3], new Float32Array())],
    [[], 'float32', null, tensor('float32', [0], new Float32Array())],
  ])('reads %o as %s %o', (value, dtype, shape, expected) => expect(read(value, dtype, shape)).toEqual(expected));

  it.each<[string, unknown, DType, readonly Dim[] | null, string]>([
    [
      'a wrong fixed dimension',
      [[1, 2]],
      'float32',
      ['n', 3],
      'input "x"[0]: has 2 elements, expected 3 (shape [n, 3])',
    ],
    ['too few levels', [1, 2], 'float32', ['n', 2], 'input "x"[0]: is 1, expected an array (rank 2 is expected)'],
    ['too many levels', [[[1]]], 'float32', ['n', 1], 'input "x"[0][0]: is an array, expected a number'],
    ['a scalar for an array', 1, 'float32', ['n'], 'input "x": is 1, expected an array'],
    ['nothing', undefined, 'float32', ['n'], 'input "x": is missing'],
    ['ragged rows', [[1, 2], [3]], 'float32', ['n', 'm'], 'input "x"[1]: has 1 elements where its neighbours have 2'],
    ['a number among arrays', [[1], 2], 'float32', null, 'input "x"[1]: is 2, expected an array of 1 elements'],
    ['null', [1, null], 'float32', null, 'input "x"[1]: is null, expected a number'],
    ['an object', [{}], 'int32', null, 'input "x"[0]: is an object, expected a whole number'],
    [
      'text for a float',
      [[1], [1], [1], ['1.5']],
      'float32',
      null,
      'input "x"[3][0]: is the string "1.5", expected a number',
    ],
    ['text for an int32', ['1'], 'int32', null, 'is the string "1", expected a whole number'],
    ['a bool for a number', [true], 'float32', null, 'is true, expected a number'],
    ['a number for a bool', [1], 'bool', null, 'is 1, expected true or false'],
    ['a number for a string', [1], 'string', null, 'is 1, expected a string'],
    ['a fraction', [1.7], 'uint8', null, '1.7 is not a whole number, as uint8 needs'],
    ['too large an integer', [300], 'int8', null, '300 does not fit int8 (-128 to 127)'],
    ['a negative for unsigned', [-1], 'uint32', null, '-1 does not fit uint32 (0 to 4294967295)'],
    ['overflow to infinity in float32', [1e39], 'float32', null, '1e+39 does not fit float32'],
    ['overflow to infinity in float16', [65520], 'float16', null, '65520 does not fit float16'],
    ['a number beyond doubles', JSON.parse('[1e999]'), 'float64', null, 'Infinity does not fit float64'],
    ['a bigint for a float', [1n], 'float32', null, 'is the bigint 1, expected a number'],
    ['an unsafe integer', [2 ** 53], 'int64', null, '9007199254740992 is beyond 2^53'],
    ['a fraction for int64', [0.5], 'int64', null, '0.5 is not a whole number'],
    ['2^63 for int64', ['9223372036854775808'], 'int64', null, '9223372036854775808 does not fit int64'],
    ['a negative for uint64', ['-1'], 'uint64', null, '-1 does not fit uint64'],
    ['a leading zero', ['01'], 'int64', null, 'is the string "01", expected a whole number or one as a decimal string'],
    ['a plus sign', ['+1'], 'int64', null, 'is the string "+1"'],
    ['hexadecimal', ['0x10'], 'int64', null, 'is the string "0x10"'],
    ['a million digits', ['9'.repeat(1e6)], 'int64', null, 'is the string "999999999999999999999999…"'],
  ])('refuses %s', (_, value, dtype, shape, message) => {
    expect(() => read(value, dtype, shape)).toThrow(expect.objectContaining({ code: 'TENSOR_INVALID' }) as Error);
    expect(() => read(value, dtype, shape)).toThrow(message);
  });

  it('bounds the depth', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = [deep];
    expect(() => read(deep, 'float32')).toThrow('is nested deeper than 64 levels');
    expect(() => read(deep, 'float32', ['n'])).toThrow('input "x"[0]: is an array, expected a number');
  });

  it('allocates nothing for a shape whose elements are not there', () => {
    const first = new Array<number>(1e5).fill(0);
    const rows = [first, ...new Array<number[]>(1e5).fill([])];
    expect(() => read(rows, 'float64', ['n', 'm'])).toThrow('ragged');
  });
});

describe('tensorToJson', () => {
  it('writes what JSON cannot say as strings', () => {
    expect(tensorToJson(tensor('float32', [2, 2], Float32Array.of(NaN, Infinity, -Infinity, 0.5)))).toEqual([
      ['NaN', 'Infinity'],
      ['-Infinity', 0.5],
    ]);
    const wide = BigInt64Array.of(2n ** 53n - 1n, 2n ** 53n, -(2n ** 63n));
    expect(tensorToJson(tensor('int64', [3], wide))).toEqual([2 ** 53 - 1, '9007199254740992', '-9223372036854775808']);
    expect(tensorToJson(tensor('bool', [2], Uint8Array.of(0, 1)))).toEqual([false, true]);
    expect(tensorToJson(tensor('string', [], ['x']))).toBe('x');
    expect(tensorToJson(tensor('float32', [2, 0], new Float32Array()))).toEqual([[], []]);
  });
});
