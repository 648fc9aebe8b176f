import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  affineOf,
  biasScaleFloor,
  dequantizeArray,
  QUANTIZED,
  quantizeArray,
  quantizeBias,
  quantizeValue,
  roundHalfEven,
} from './affine.ts';

const dtype = fc.constantFrom(...(Object.keys(QUANTIZED) as (keyof typeof QUANTIZED)[]));
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
const ordinary = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 });

describe('roundHalfEven', () => {
  it('rounds ties to the even neighbour, unlike Math.round', () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999999999999994].map(roundHalfEven)).toEqual([0, 2, 2, 0, -2, -2, 0]);
  });
  it('is never more than a half away', () => {
    fc.assert(fc.property(ordinary, (x) => Math.abs(roundHalfEven(x) - x) <= 0.5));
  });
});

describe('affineOf', () => {
  it('represents zero exactly, with a scale that float32 can store, whatever the range', () => {
    fc.assert(
      fc.property(finite, finite, dtype, fc.boolean(), fc.boolean(), (a, b, type, symmetric, reduced) => {
        const affine = affineOf(Math.min(a, b), Math.max(a, b), type, symmetric, reduced);
        expect(affine.scale).toBe(Math.fround(affine.scale));
        expect(affine.scale).toBeGreaterThan(0);
        expect(Number.isFinite(affine.scale)).toBe(true);
        const { min, max } = QUANTIZED[type];
        expect(affine.zeroPoint).toBeGreaterThanOrEqual(min);
        expect(affine.zeroPoint).toBeLessThanOrEqual(max);
        expect(quantizeValue(0, affine, type)).toBe(affine.zeroPoint);
      }),
    );
  });

  it('gives the figures of the specification', () => {
    expect(affineOf(0, 255, 'uint8', false)).toEqual({ scale: 1, zeroPoint: 0 });
    // 127.5 in exact arithmetic; the float32 scale is a little larger than 2/255.
    expect(affineOf(-1, 1, 'uint8', false)).toEqual({ scale: Math.fround(2 / 255), zeroPoint: 127 });
    expect(affineOf(-128, 127, 'int8', false)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(affineOf(-2, 1, 'int8', true)).toEqual({ scale: Math.fround(2 / 127), zeroPoint: 0 });
    expect(affineOf(-2, 1, 'uint8', true)).toEqual({ scale: Math.fround(2 / 127), zeroPoint: 128 });
    expect(affineOf(-2, 1, 'int8', true, true)).toEqual({ scale: Math.fround(2 / 64), zeroPoint: 0 });
    expect(affineOf(0, 127, 'uint8', false, true)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(affineOf(-32767, 1, 'int16', true)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(affineOf(0, 65535, 'uint16', false)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(affineOf(-15, 15, 'int4', true)).toEqual({ scale: 2, zeroPoint: 0 });
    expect(affineOf(-15, 0, 'uint4', false)).toEqual({ scale: 1, zeroPoint: 15 });
  });

  it('keeps zero in the range when all values are on one side of it', () => {
    expect(affineOf(10, 20, 'uint8', false)).toEqual({ scale: Math.fround(20 / 255), zeroPoint: 0 });
    expect(affineOf(-20, -10, 'uint8', false)).toEqual({ scale: Math.fround(20 / 255), zeroPoint: 255 });
  });

  it('takes scale 1 for a tensor that is zero, or as good as', () => {
    expect(affineOf(0, 0, 'uint8', false)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(affineOf(0, 1e-40, 'int8', true)).toEqual({ scale: 1, zeroPoint: 0 });
  });
});

describe('quantizeArray', () => {
  const values = fc.array(ordinary, { minLength: 1, maxLength: 60 });

  it('brings every value back within half a scale, and zero exactly', () => {
    fc.assert(
      fc.property(values, dtype, fc.boolean(), fc.boolean(), (list, type, perChannel, reduceRange) => {
        const array = Float32Array.from([...list, 0, 0]);
        const dims = [array.length, 1];
        const quantized = quantizeArray(array, dims, perChannel ? 0 : null, type, { reduceRange });
        const back = dequantizeArray(quantized, dims);
        for (let i = 0; i < array.length; i++) {
          const scale = quantized.scales[perChannel ? i : 0]!;
          // Up to 32,767 steps of a scale that was itself rounded to float32.
          expect(Math.abs(back[i]! - array[i]!)).toBeLessThanOrEqual(scale * 0.505);
        }
        expect(back.at(-1)).toBe(0);
      }),
    );
  });

  it('uses one scale per channel along any axis', () => {
    const array = Float32Array.from([1, 10, 2, 20, 4, 40]);
    const rows = quantizeArray(array, [3, 2], 0, 'int8');
    expect([...rows.scales]).toEqual([10, 20, 40].map((x) => Math.fround(x / 127)));
    const columns = quantizeArray(array, [3, 2], 1, 'int8');
    expect([...columns.scales]).toEqual([4, 40].map((x) => Math.fround(x / 127)));
    expect([...columns.data]).toEqual([32, 32, 64, 64, 127, 127]);
  });

  it('uses 7 bits when told to, so that two products fit 16 bits', () => {
    fc.assert(
      fc.property(values, fc.constantFrom('int8' as const, 'uint8' as const), (list, type) => {
        const { data } = quantizeArray(Float32Array.from(list), [list.length], null, type, { reduceRange: true });
        return data.every(
          (value) => Math.abs(value) <= 127 && 2 * 255 * Math.abs(value - (type === 'uint8' ? 64 : 0)) < 2 ** 15,
        );
      }),
    );
  });

  it('gives all channels the same zero point, dead channels included', () => {
    const quantized = quantizeArray(Float32Array.from([0, 0, -1, 3]), [2, 2], 0, 'uint8');
    expect([...quantized.zeroPoints]).toEqual([128, 128]);
    expect([...quantized.data]).toEqual([128, 128, 86, 255]);
  });
});

describe('bias', () => {
  it('fits 32 bits with the raised scale, and saturates without', () => {
    fc.assert(
      fc.property(
        fc.float({ min: 1, max: Math.fround(1e15), noNaN: true }),
        fc.float({ min: Math.fround(1e-10), max: 1, noNaN: true }),
        (bias, inputScale) => {
          const floor = biasScaleFloor(Float32Array.of(bias), inputScale, 1);
          const weight = quantizeArray(Float32Array.of(1e-9), [1], null, 'int8', { atLeast: floor });
          const { data } = quantizeBias(Float32Array.of(bias), inputScale, weight.scales);
          const back = data[0]! * inputScale * weight.scales[0]!;
          return (
            Math.abs(data[0]!) <= 2 ** 31 - 1 && Math.abs(back - bias) <= 0.500001 * inputScale * weight.scales[0]!
          );
        },
      ),
    );
    expect(quantizeBias(Float32Array.of(1e10), 1, Float32Array.of(1e-9)).data[0]).toBe(2 ** 31 - 1);
  });
});
