/**
 * Constants in 16 bits. Rounding is half to even. What float16 cannot hold is brought to the nearest thing it can: values beyond
 * ±65504 to ±65504, because an infinity in a mask or a bound turns into NaN; values that would become zero to the smallest
 * half, because what is added to a variance before a division is there to keep it from being zero. Infinities and NaN stay.
 */
import { FLOAT16_MAX, numbersToFloat16 } from '@slipway/core';
import { createInitializer, type Initializer } from '@slipway/onnx';
import { readFloat32 } from '../weights.ts';

/** 2^-24, the smallest half above zero. */
const SMALLEST = 2 ** -24;

export interface Narrowed {
  readonly initializer: Initializer;
  /** Values that were too large. */
  readonly large: number;
  /** Values other than zero that were too small. */
  readonly small: number;
}

/** A float32 initializer as float16, of the same name. */
export function narrowed(initializer: Initializer): Narrowed {
  const values = readFloat32(initializer).slice();
  let large = 0;
  let small = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const magnitude = Math.abs(value);
    if (magnitude > FLOAT16_MAX && magnitude !== Infinity) {
      values[i] = Math.sign(value) * FLOAT16_MAX;
      large++;
    } else if (magnitude !== 0 && magnitude < SMALLEST) {
      values[i] = Math.sign(value) * SMALLEST;
      small++;
    }
  }
  const { name, dims } = initializer;
  const bytes = new Uint8Array(numbersToFloat16(values).buffer);
  return { initializer: createInitializer(name, 'float16', dims, bytes), large, small };
}

const INFINITY = 0x7f800000;

/** A float32 initializer as bfloat16, of the same name: the upper half of its bits, rounded half to even. NaN stays NaN. */
export function truncated(initializer: Initializer): Initializer {
  const values = readFloat32(initializer);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] ?? 0;
    const magnitude = word & 0x7fffffff;
    // Half a step above the largest bfloat16 rounds to infinity; what was finite stays so.
    if (magnitude >= 0x7f7f8000 && magnitude < INFINITY) halves[i] = ((word >>> 16) & 0x8000) | 0x7f7f;
    else if (magnitude > INFINITY) halves[i] = (word >>> 16) | 0x40;
    else halves[i] = (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return createInitializer(initializer.name, 'bfloat16', initializer.dims, new Uint8Array(halves.buffer));
}
