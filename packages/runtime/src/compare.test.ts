import { describe, expect, test } from 'vitest';
import { numbersToFloat16, tensor } from '@slipway/core';
import { compareTensors } from './compare.ts';

const exact = { absolute: 0, relative: 0 };
const floats = (...values: number[]) => tensor('float32', [values.length], Float32Array.from(values));

describe('compareTensors', () => {
  test('takes equal tensors as equal, NaN and infinities included', () => {
    const odd = floats(NaN, Infinity, -Infinity, -0);
    expect(compareTensors(odd, floats(NaN, Infinity, -Infinity, 0), exact)).toBeNull();
  });

  test('applies absolute and relative tolerance to what was expected', () => {
    expect(compareTensors(floats(100.5), floats(100), { absolute: 0, relative: 0.01 })).toBeNull();
    expect(compareTensors(floats(0.5), floats(0), { absolute: 0.4, relative: 10 })?.problem).toBe(
      'element 0 is 0.5, expected 0 ± 0.400',
    );
  });

  test.each([
    ['NaN for a number', floats(NaN), floats(1)],
    ['a number for NaN', floats(1), floats(NaN)],
    ['the other infinity', floats(-Infinity), floats(Infinity)],
    ['a number for an infinity', floats(1), floats(Infinity)],
  ])('never accepts %s', (_, actual, expected) => {
    expect(compareTensors(actual, expected, { absolute: 1e30, relative: 1e30 })).not.toBeNull();
  });

  test('names the row of the first difference', () => {
    const of = (last: number) => tensor('float32', [3, 2], Float32Array.of(0, 0, 0, 0, 0, last));
    expect(compareTensors(of(1), of(2), exact)).toEqual({ row: 2, problem: 'element 5 is 1, expected 2 ± 0.00' });
  });

  test('compares halves by value, integers and strings', () => {
    const half = (value: number) => tensor('float16', [1], numbersToFloat16([value]));
    expect(compareTensors(half(1), half(1.01), { absolute: 0.02, relative: 0 })).toBeNull();
    expect(compareTensors(half(1), half(1.01), exact)).not.toBeNull();
    const long = (value: bigint) => tensor('int64', [1], BigInt64Array.of(value));
    expect(compareTensors(long(2n ** 60n), long(2n ** 60n + 1n), exact)).not.toBeNull();
    const text = (value: string) => tensor('string', [1], [value]);
    expect(compareTensors(text('a'), text('a'), exact)).toBeNull();
    expect(compareTensors(text('1'), text('1.0'), { absolute: 1, relative: 1 })).not.toBeNull();
  });

  test('refuses another dtype or shape', () => {
    expect(compareTensors(floats(1), floats(1, 2), exact)?.problem).toBe('is float32[1], expected float32[2]');
    expect(compareTensors(floats(1), tensor('float64', [1], Float64Array.of(1)), exact)).not.toBeNull();
  });
});
