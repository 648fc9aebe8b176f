/**
 * Writes JSON responses as bytes. Floats are written so that they read back to the same value and always look like
 * floats (`2.0`), which is what TensorFlow Serving and Triton send.
 *
 * float32 is printed with the 7, 8 or 9 digits that identify it, not the 17 of the float64 it would be widened to:
 * half the bytes and half the time of `String(value)`.
 */
import { float16ToNumber, type StringElement, type Tensor } from '@slipway/core';

import { POWERS_OF_TEN } from './numbers.ts';

/** How NaN and infinities are written: bare as TensorFlow Serving does, or as strings, which every JSON parser takes. */
export type NonFinite = 'bare' | 'string';

const DOT = 0x2e;
const ZERO = 0x30;
const MINUS = 0x2d;
const COMMA = 0x2c;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const LONGEST_NUMBER = 32;

export class JsonWriter {
  #bytes = Buffer.allocUnsafeSlow(16 * 1024);
  #at = 0;
  readonly #nonFinite: NonFinite;

  constructor(nonFinite: NonFinite) {
    this.#nonFinite = nonFinite;
  }

  /** An object: of each member its name, and then what `write` writes. */
  object<T>(members: readonly T[], nameOf: (member: T) => string, write: (member: T) => void): this {
    this.raw('{');
    members.forEach((member, index) => {
      if (index > 0) this.raw(',');
      this.string(nameOf(member)).raw(':');
      write(member);
    });
    return this.raw('}');
  }

  /** What was written, as a buffer of its own; the writer is empty again. */
  finish(): Buffer {
    const result = Buffer.allocUnsafe(this.#at);
    this.#bytes.copy(result, 0, 0, this.#at);
    this.#at = 0;
    return result;
  }

  /** Forget what was written, after a failure half-way. */
  reset(): void {
    this.#at = 0;
  }

  #reserve(more: number): void {
    if (this.#at + more <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + more));
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }

  /** Text as it is. */
  raw(text: string): this {
    if (text.length > 64) {
      const size = Buffer.byteLength(text);
      this.#reserve(size);
      this.#at += this.#bytes.write(text, this.#at);
      return this;
    }
    this.#reserve(text.length * 3);
    const start = this.#at;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        this.#at = start + this.#bytes.write(text, start);
        return this;
      }
      this.#bytes[this.#at++] = code;
    }
    return this;
  }

  string(text: string): this {
    return this.raw(JSON.stringify(text));
  }

  /** An element of a string tensor; bytes that are no text have no other form in JSON than base64. */
  element(value: StringElement, asBase64: boolean): this {
    if (typeof value === 'string' && !asBase64) return this.string(value);
    return this.raw(`{"b64":"${Buffer.from(value as string).toString('base64')}"}`);
  }

  /** One number, rounded to float32. */
  float32(value: number): this {
    this.#reserve(LONGEST_NUMBER);
    this.#float32(Math.fround(value));
    return this;
  }

  /** Nested arrays of the elements from `start` on, shaped as `shape` from `axis` on. A scalar is one element. */
  nested(tensor: Tensor, shape: readonly number[], axis: number, start: number, bytesAsBase64: boolean): void {
    if (axis === shape.length) {
      this.#reserve(LONGEST_NUMBER);
      this.#element(tensor, start, bytesAsBase64);
      return;
    }
    const size = shape[axis] ?? 0;
    let stride = 1;
    for (let inner = axis + 1; inner < shape.length; inner++) stride *= shape[inner] ?? 0;
    if (stride === 1 && axis === shape.length - 1) {
      this.flat(tensor, start, start + size, bytesAsBase64);
      return;
    }
    this.#reserve(2);
    this.#bytes[this.#at++] = OPEN;
    for (let i = 0; i < size; i++) {
      this.#reserve(2);
      if (i > 0) this.#bytes[this.#at++] = COMMA;
      this.nested(tensor, shape, axis + 1, start + i * stride, bytesAsBase64);
    }
    this.#reserve(1);
    this.#bytes[this.#at++] = CLOSE;
  }

  /** The elements `start` to `end` as one array. */
  flat(tensor: Tensor, start: number, end: number, bytesAsBase64: boolean): void {
    this.#reserve((end - start) * LONGEST_NUMBER + 2);
    this.#bytes[this.#at++] = OPEN;
    if (tensor.dtype === 'float32') {
      const { data } = tensor;
      for (let i = start; i < end; i++) {
        if (i > start) this.#bytes[this.#at++] = COMMA;
        this.#float32(data[i] as number);
      }
    } else {
      for (let i = start; i < end; i++) {
        this.#reserve(LONGEST_NUMBER);
        if (i > start) this.#bytes[this.#at++] = COMMA;
        this.#element(tensor, i, bytesAsBase64);
      }
    }
    this.#reserve(1);
    this.#bytes[this.#at++] = CLOSE;
  }

  #element(tensor: Tensor, index: number, bytesAsBase64: boolean): void {
    switch (tensor.dtype) {
      case 'float32': {
        this.#float32(tensor.data[index] as number);
        return;
      }
      case 'float64': {
        this.#float(tensor.data[index] as number);
        return;
      }
      case 'float16': {
        this.#float32(float16ToNumber(tensor.data[index] as number));
        return;
      }
      case 'bool': {
        this.#ascii(tensor.data[index] === 0 ? 'false' : 'true');
        return;
      }
      case 'string': {
        this.element(tensor.data[index] as StringElement, bytesAsBase64);
        return;
      }
      case 'int64':
      case 'uint64': {
        this.#ascii(String(tensor.data[index]));
        return;
      }
      default: {
        this.#integer(tensor.data[index] as number);
        return;
      }
    }
  }

  #ascii(text: string): void {
    for (let i = 0; i < text.length; i++) this.#bytes[this.#at++] = text.charCodeAt(i);
  }

  #integer(value: number): void {
    if (value < 0) {
      this.#bytes[this.#at++] = MINUS;
      value = -value;
    }
    this.#digits(value);
  }

  /** A whole number from 0 to 2^32 - 1. */
  #digits(value: number): void {
    const bytes = this.#bytes;
    let length = 1;
    while (length < 10 && value >= (POWERS_OF_TEN[length] as number)) length++;
    let at = this.#at + length;
    this.#at = at;
    do {
      const quotient = Math.floor(value / 10);
      bytes[--at] = ZERO + value - quotient * 10;
      value = quotient;
    } while (length-- > 1);
  }

  #float(value: number): void {
    if (!Number.isFinite(value)) this.#ascii(this.#nonFinite === 'bare' ? String(value) : `"${value}"`);
    else {
      const text = Object.is(value, -0) ? '-0' : String(value);
      this.#ascii(text);
      if (Number.isInteger(value) && !text.includes('e')) this.#ascii('.0');
    }
  }

  /** `value` is a float32. */
  #float32(value: number): void {
    const magnitude = Math.abs(value);
    if (Number.isInteger(value) && magnitude < 4294967296 && !Object.is(value, -0)) {
      this.#integer(value);
      this.#ascii('.0');
      return;
    }
    // Beyond these the exponent form is shorter, or the products below would not be exact.
    if (!(magnitude >= 1e-5 && magnitude < 1e8)) {
      this.#shortest(value);
      return;
    }
    let whole = 0;
    while (magnitude >= (POWERS_OF_TEN[whole] as number)) whole++;
    // Digits after the first non-zero one count: below 1, leading zeros are free.
    let leading = 0;
    if (whole === 0) while (magnitude * (POWERS_OF_TEN[leading + 1] as number) < 1) leading++;
    for (let digits = 7; digits <= 9; digits++) {
      const decimals = digits - whole + leading;
      if (decimals < 1) continue;
      const power = POWERS_OF_TEN[decimals] as number;
      const scaled = Math.round(magnitude * power);
      if (Math.fround(scaled / power) !== magnitude) continue;
      if (value < 0) this.#bytes[this.#at++] = MINUS;
      const integer = Math.floor(scaled / power);
      this.#digits(integer);
      this.#bytes[this.#at++] = DOT;
      this.#fraction(scaled - integer * power, decimals);
      return;
    }
    this.#shortest(value);
  }

  /** `digits` digits of `value` (below 2^31), without trailing zeros but for one. */
  #fraction(value: number, digits: number): void {
    const bytes = this.#bytes;
    const start = this.#at;
    for (let at = start + digits - 1; at >= start; at--) {
      const quotient = (value / 10) | 0;
      bytes[at] = ZERO + value - quotient * 10;
      value = quotient;
    }
    let end = start + digits;
    while (end > start + 1 && bytes[end - 1] === ZERO) end--;
    this.#at = end;
  }

  /** Rare magnitudes: up to nine significant digits, tried in turn. */
  #shortest(value: number): void {
    if (Number.isFinite(value) && value !== 0) {
      for (let digits = 6; digits <= 9; digits++) {
        const candidate = Number(value.toPrecision(digits));
        if (Math.fround(candidate) === value) {
          this.#float(candidate);
          return;
        }
      }
    }
    this.#float(value);
  }
}
