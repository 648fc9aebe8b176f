import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FLOAT16_MAX, float16ToFloat32, float16ToNumber, numbersToFloat16, numberToFloat16 } from './float16.ts';

/** IEEE 754-2019 §3.4, written from the definition: sign, five bits of exponent (bias 15), ten of fraction. */
function decode(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('float16', () => {
  it('decodes all 65536 patterns as the standard defines them', () => {
    for (let bits = 0; bits <= 0xffff; bits++) expect(Object.is(float16ToNumber(bits), decode(bits))).toBe(true);
  });

  it('encodes every value it can decode to the same bits', () => {
    for (let bits = 0; bits <= 0xffff; bits++) {
      if (!Number.isNaN(decode(bits))) expect(numberToFloat16(decode(bits))).toBe(bits);
    }
    expect(float16ToNumber(numberToFloat16(NaN))).toBeNaN();
  });

  it('rounds to the nearest half, to even when halfway', () => {
    fc.assert(
      fc.property(fc.double({ min: -70000, max: 70000, noNaN: true }), (value) => {
        const bits = numberToFloat16(value);
        const rounded = decode(bits);
        if (Math.abs(value) >= 65520) return rounded === Math.sign(value) * Infinity;
        const neighbours = [bits - 1, bits + 1].filter((each) => (each & 0x7c00) !== 0x7c00 && each >= 0);
        return neighbours.every((other) => {
          const distance = Math.abs(decode(other) - value) - Math.abs(rounded - value);
          return distance > 0 || (distance === 0 && bits % 2 === 0) || (value === 0 && rounded === 0);
        });
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    // Twice rounded (by way of float32) it would become 1 + 2^-10.
    [1 + 2 ** -11 - 2 ** -40, 1],
    [1 + 2 ** -11 + 2 ** -40, 1 + 2 ** -10],
    [2 ** -25, 0],
    [2 ** -25 * 1.0000001, 2 ** -24],
    [65519.999, FLOAT16_MAX],
    [65520, Infinity],
    [-1e300, -Infinity],
  ])('rounds %d to %d', (value, expected) => expect(float16ToNumber(numberToFloat16(value))).toBe(expected));

  it('converts arrays element by element, also from the middle of a buffer', () => {
    const bits = numbersToFloat16([0, 1, -2.5, 65504, Infinity]);
    expect([...float16ToFloat32(bits)]).toEqual([0, 1, -2.5, 65504, Infinity]);
    expect([...float16ToFloat32(bits.subarray(2, 4))]).toEqual([-2.5, 65504]);
  });
});
