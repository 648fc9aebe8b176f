import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { argmaxRows, classAxis } from './classes.ts';

describe('class axis', () => {
  it.each([
    [[4, 10], 4, 10],
    [[4, 1000, 1, 1], 4, 1000],
    [[10], 1, 10],
    [[1, 10], 1, 10],
    [[4], 4, null],
    [[4, 1], 4, null],
    [[4, 3, 8, 8], 4, null],
    [[5, 10], 4, null],
  ])('of %j with %i rows is %j', (shape, rows, classes) => {
    expect(classAxis(shape, rows)).toBe(classes);
  });

  it('takes the first of equal largest values, and never NaN', () => {
    const value = tensor('float32', [3, 3], Float32Array.of(1, 5, 5, NaN, -1, -2, 7, 0, 7));
    expect([...argmaxRows(value, 3)]).toEqual([1, 1, 0]);
    const nothing = tensor('float32', [2, 2], Float32Array.of(NaN, NaN, -Infinity, -Infinity));
    expect([...argmaxRows(nothing, 2)]).toEqual([-1, 0]);
  });
});
