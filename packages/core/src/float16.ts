/// <reference lib="esnext.float16" />
/**
 * Half precision: numbers to and from the 16 bits a `float16` tensor holds. The conversion is the language's own
 * (IEEE 754 binary16, round half to even, straight from double, so nothing is rounded twice); this file only
 * moves between its values and the bits, because the engine and the file formats speak bits.
 */

/** The largest finite half. Anything from 65520 up rounds to infinity. */
export const FLOAT16_MAX = 65504;

/** The value of 16 bits. */
export function float16ToNumber(bits: number): number {
  return new Float16Array(Uint16Array.of(bits).buffer)[0] ?? 0;
}

/** The 16 bits nearest to `value`; beyond the range that is an infinity, never an error. */
export function numberToFloat16(value: number): number {
  return new Uint16Array(Float16Array.of(value).buffer)[0] ?? 0;
}

/** The values of many halves, exactly. */
export function float16ToFloat32(bits: Uint16Array): Float32Array {
  return new Float32Array(new Float16Array(bits.buffer as ArrayBuffer, bits.byteOffset, bits.length));
}

/** Many numbers to the nearest halves. */
export function numbersToFloat16(values: ArrayLike<number>): Uint16Array {
  return new Uint16Array(new Float16Array(values).buffer);
}
