import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { castTensor } from './cast.ts';
import { DTYPES, type DType } from './dtype.ts';
import { float16ToNumber, numbersToFloat16 } from './float16.ts';
import { type Tensor, tensor } from './tensor.ts';
import { anyTensor } from './testing/arbitrary.ts';

const numbers = (value: Tensor): (number | bigint | string)[] =>
  value.dtype === 'float16'
    ? Array.from(value.data, float16ToNumber)
    : Array.from<number | bigint | string>(value.data as ArrayLike<number | bigint | string>);

describe('castTensor', () => {
  it('keeps every value, or refuses; only floats may round, and never to an infinity', () => {
    fc.assert(
      fc.property(anyTensor, fc.constantFrom(...DTYPES), (value, dtype) => {
        let result: Tensor;
        try {
          result = castTensor(value, dtype, 'x');
        } catch (error) {
          expect(error).toMatchObject({ code: 'TENSOR_INVALID' });
          return;
        }
        expect(result.dtype).toBe(dtype);
        expect(result.shape).toEqual(value.shape);
        const [from, to] = [numbers(value), numbers(result)];
        from.forEach((element, index) => {
          const other = to[index]!;
          if (value.dtype.startsWith('float') && dtype.startsWith('float')) {
            expect(Number.isFinite(element)).toBe(Number.isFinite(other));
            expect(
              Math.abs(Number(other) - Number(element)) <= Math.abs(Number(element)) * 2 ** -10 + 2 ** -24 ||
                !Number.isFinite(element),
            ).toBe(true);
          } else if (typeof element === 'string') expect(other).toBe(element);
          else expect(BigInt(other)).toBe(BigInt(element));
        });
      }),
      { numRuns: 1000 },
    );
  });

  it.each<[Tensor, DType, (number | bigint)[]]>([
    [tensor('uint8', [2], Uint8Array.of(0, 255)), 'float32', [0, 255]],
    [tensor('int32', [1], Int32Array.of(-5)), 'int64', [-5n]],
    [tensor('float64', [1], Float64Array.of(0.1)), 'float32', [Math.fround(0.1)]],
    [tensor('float64', [1], Float64Array.of(3)), 'int64', [3n]],
    [tensor('float64', [2], Float64Array.of(NaN, Infinity)), 'float32', [NaN, Infinity]],
    [tensor('int64', [1], BigInt64Array.of(255n)), 'uint8', [255]],
    [tensor('float16', [2], numbersToFloat16([1.5, -2])), 'float32', [1.5, -2]],
    [tensor('uint8', [2], Uint8Array.of(0, 1)), 'bool', [0, 1]],
  ])('casts %o to %s', (value, dtype, expected) => expect(numbers(castTensor(value, dtype, 'x'))).toEqual(expected));

  it.each<[Tensor, DType, string]>([
    [tensor('int32', [2], Int32Array.of(1, 256)), 'uint8', 'element 1 is 256, which uint8 cannot hold'],
    [tensor('int8', [1], Int8Array.of(-1)), 'uint64', 'element 0 is -1'],
    [tensor('float32', [1], Float32Array.of(1.5)), 'int32', 'element 0 is 1.5'],
    [tensor('float32', [1], Float32Array.of(NaN)), 'int32', 'element 0 is NaN'],
    [tensor('float64', [1], Float64Array.of(1e39)), 'float32', 'element 0 is 1e+39'],
    [tensor('float32', [1], Float32Array.of(70000)), 'float16', 'element 0 is 70000'],
    [tensor('int32', [1], Int32Array.of(2 ** 24 + 1)), 'float32', 'element 0 is 16777217'],
    [tensor('int64', [1], BigInt64Array.of(2n ** 53n + 1n)), 'float64', 'element 0 is 9007199254740993'],
    [tensor('uint8', [1], Uint8Array.of(2)), 'bool', 'element 0 is 2'],
    [tensor('string', [1], ['1']), 'float32', 'dtype is string, expected float32'],
    [tensor('uint8', [1], Uint8Array.of(1)), 'string', 'dtype is uint8, expected string'],
  ])('refuses to cast %o to %s', (value, dtype, problem) =>
    expect(() => castTensor(value, dtype, 'x')).toThrow(problem),
  );
});
