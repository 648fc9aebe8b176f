/**
 * A JSON parser for request bodies: strict RFC 8259, plus what requests need that `JSON.parse` does not give.
 *
 * - A rectangular array of numbers becomes a `Numbers` (typed array and shape), in one pass over the bytes.
 * - Integers beyond 2^53 become `bigint`, so that int64 tensors are exact.
 * - Depth is bounded, so that no later step can overflow the stack.
 * - Objects have no prototype: `__proto__` is a key like any other. A key that comes twice is an error: a tensor given twice has no
 *   meaning, and two readers of such a text need not agree on it.
 * - `NaN`, `Infinity` and `-Infinity` are accepted only where the protocol says so.
 *
 * An array that turns out not to be rectangular or not all numbers is read again element by element: slower, and only
 * on the way to an error message or for strings and booleans.
 */
import { fail, LIMITS, type SlipwayError } from '@slipway/core';
import { isUtf8 } from 'node:buffer';
import { HEAD_LIMIT, longDecimal } from './decimal.ts';
import { Numbers, POWERS_OF_TEN } from './numbers.ts';

export interface JsonObject {
  [key: string]: JsonValue;
}
export type JsonValue = null | boolean | number | bigint | string | Numbers | JsonObject | JsonValue[];

export interface ParseOptions {
  /** Accept the tokens NaN, Infinity and -Infinity. */
  readonly nonFinite: boolean;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Numbers);
}

const NOTHING = Buffer.alloc(0);
/** The scratch array is kept between requests up to this many elements. */
const KEPT_SCRATCH = 1 << 16;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** A parser to be reused: one per protocol, because what it allocates would cost more than a small request. */
export class JsonParser {
  readonly #nonFinite: boolean;
  #bytes: Buffer = NOTHING;
  #at = 0;
  #depth = 0;
  /** Where elements of an array of numbers are collected before their count is known. */
  #scratch = new Float64Array(1024);
  #count = 0;
  /** The last number read was an integer that float64 cannot hold. */
  #lossy = false;
  /** Bytes read in vain as numbers. Bounded, so that arrays nested to fail late do not cost their depth times over. */
  #wasted = 0;

  constructor(options: ParseOptions) {
    this.#nonFinite = options.nonFinite;
  }

  /** @throws REQUEST_MALFORMED with the position */
  parse(bytes: Buffer): JsonValue {
    if (!isUtf8(bytes)) throw fail('REQUEST_MALFORMED', { problem: 'the body is not valid UTF-8' });
    this.#bytes = bytes;
    this.#at = this.#depth = this.#count = this.#wasted = 0;
    try {
      this.#space();
      const value = this.#value();
      this.#space();
      if (this.#at < bytes.length) throw this.#unexpected();
      return value;
    } finally {
      this.#bytes = NOTHING;
      if (this.#scratch.length > KEPT_SCRATCH) this.#scratch = new Float64Array(1024);
    }
  }

  #peek(): number {
    return this.#bytes[this.#at] ?? -1;
  }

  #space(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (;;) {
      const byte = bytes[at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
      at++;
    }
    this.#at = at;
  }

  #unexpected(): SlipwayError {
    const byte = this.#peek();
    if (byte === -1) return fail('REQUEST_MALFORMED', { problem: 'invalid JSON: it ends in the middle of a value' });
    const character =
      byte < 0x20 || byte > 0x7e ? `byte 0x${byte.toString(16).padStart(2, '0')}` : `'${String.fromCharCode(byte)}'`;
    return fail('REQUEST_MALFORMED', { problem: `invalid JSON: unexpected ${character} at byte ${this.#at}` });
  }

  #value(): JsonValue {
    const byte = this.#peek();
    switch (byte) {
      case OPEN_OBJECT:
        return this.#object();
      case OPEN_ARRAY:
        return this.#numbers() ?? this.#array();
      case QUOTE:
        return this.#string();
      case 0x74:
        return this.#word('true', true);
      case 0x66:
        return this.#word('false', false);
      case 0x6e:
        return this.#word('null', null);
      default: {
        const start = this.#at;
        const number = this.#number();
        return this.#lossy ? BigInt(this.#bytes.toString('latin1', start, this.#at)) : number;
      }
    }
  }

  #word<T>(word: string, value: T): T {
    for (let i = 0; i < word.length; i++, this.#at++) if (this.#peek() !== word.charCodeAt(i)) throw this.#unexpected();
    return value;
  }

  #enter(): void {
    if (++this.#depth > LIMITS.maxJsonDepth) {
      throw fail('REQUEST_MALFORMED', { problem: `the JSON is nested deeper than ${LIMITS.maxJsonDepth} levels` });
    }
    this.#at++;
    this.#space();
  }

  #object(): JsonObject {
    this.#enter();
    const object = Object.create(null) as JsonObject;
    if (this.#peek() === CLOSE_OBJECT) this.#at++;
    else {
      for (;;) {
        if (this.#peek() !== QUOTE) throw this.#unexpected();
        const start = this.#at;
        const key = this.#string();
        if (Object.hasOwn(object, key)) {
          const shown = JSON.stringify(key.slice(0, 100));
          throw fail('REQUEST_MALFORMED', { problem: `the key ${shown} is given twice in one object (byte ${start})` });
        }
        this.#space();
        if (this.#peek() !== COLON) throw this.#unexpected();
        this.#at++;
        this.#space();
        object[key] = this.#value();
        this.#space();
        const byte = this.#peek();
        if (byte !== COMMA && byte !== CLOSE_OBJECT) throw this.#unexpected();
        this.#at++;
        if (byte === CLOSE_OBJECT) break;
        this.#space();
      }
    }
    this.#depth--;
    return object;
  }

  #array(): JsonValue[] {
    this.#enter();
    const array: JsonValue[] = [];
    if (this.#peek() === CLOSE_ARRAY) this.#at++;
    else {
      for (;;) {
        array.push(this.#value());
        this.#space();
        const byte = this.#peek();
        if (byte !== COMMA && byte !== CLOSE_ARRAY) throw this.#unexpected();
        this.#at++;
        if (byte === CLOSE_ARRAY) break;
        this.#space();
      }
    }
    this.#depth--;
    return array;
  }

  #string(): string {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    let at = start;
    let plain = true;
    for (;;) {
      const byte = bytes[at];
      if (byte === QUOTE) break;
      if (byte === undefined || byte < 0x20) {
        this.#at = at;
        throw this.#unexpected();
      }
      if (byte === BACKSLASH) {
        plain = false;
        at++;
      }
      at++;
    }
    this.#at = at + 1;
    if (plain) return bytes.toString('utf8', start, at);
    try {
      return JSON.parse(bytes.toString('utf8', start - 1, at + 1)) as string;
    } catch {
      throw fail('REQUEST_MALFORMED', { problem: `invalid JSON: bad escape in the string at byte ${start - 1}` });
    }
  }

  /** Read an array of numbers, of any rank; null (and no progress) when it is anything else. */
  #numbers(): Numbers | null {
    const bytes = this.#bytes;
    const start = this.#at;
    // Cheap refusal: what follows the brackets must start a number.
    let probe = start;
    while (bytes[probe] === OPEN_ARRAY || bytes[probe] === 0x20 || bytes[probe] === 0x0a) probe++;
    const first = bytes[probe] ?? -1;
    if (!isDigit(first) && first !== MINUS && !(this.#nonFinite && (first === 0x4e || first === 0x49))) return null;
    if (this.#wasted > 4 * bytes.length) return null;

    const base = this.#count;
    /** Elements counted so far at each level, and how many the first array of that level had (-1: not known yet). */
    const counts: number[] = [0];
    const sizes: number[] = [-1];
    let level = 0;
    let exact = true;
    /** Level at which numbers stand; every number must stand there. */
    let leaf = -1;
    const give = (): null => {
      this.#wasted += this.#at - start;
      this.#at = start;
      this.#count = base;
      return null;
    };
    this.#at++;
    for (;;) {
      this.#space();
      let byte = this.#peek();
      if (byte === OPEN_ARRAY) {
        if (leaf !== -1 && level >= leaf) return give();
        if (this.#depth + level + 2 > LIMITS.maxJsonDepth) return give();
        level++;
        counts[level] = 0;
        if (sizes.length === level) sizes.push(-1);
        this.#at++;
        continue;
      }
      if (isDigit(byte) || byte === MINUS || (this.#nonFinite && (byte === 0x4e || byte === 0x49))) {
        if (leaf === -1) leaf = level;
        else if (leaf !== level) return give();
        const before = this.#count;
        if (!this.#run()) exact = false;
        counts[level] = (counts[level] ?? 0) + this.#count - before - 1;
      } else return give();
      // After an element: a comma, or the end of this array and perhaps of those around it.
      for (;;) {
        counts[level] = (counts[level] ?? 0) + 1;
        this.#space();
        byte = this.#peek();
        if (byte === COMMA) {
          this.#at++;
          break;
        }
        if (byte !== CLOSE_ARRAY) return give();
        this.#at++;
        const size = counts[level] ?? 0;
        if (sizes[level] === -1) sizes[level] = size;
        else if (sizes[level] !== size) return give();
        if (level === 0) {
          const values = this.#scratch.subarray(base, this.#count);
          return new Numbers(sizes, values, exact, start, this.#at);
        }
        level--;
      }
    }
  }

  /**
   * Numbers separated by commas, up to what is neither: the hot loop of the server. Only plain decimals are read here
   * (a sign, digits, a point, digits); `#number` does the rest. False when an integer lost digits.
   */
  #run(): boolean {
    const bytes = this.#bytes;
    let scratch = this.#scratch;
    let count = this.#count;
    let at = this.#at;
    let exact = true;
    for (;;) {
      const start = at;
      let byte = bytes[at] as number;
      const negative = byte === MINUS;
      if (negative) byte = bytes[++at] as number;
      let value = byte - ZERO;
      let plainDecimal = value >= 0 && value <= 9;
      if (plainDecimal) {
        const first = at++;
        for (byte = bytes[at] as number; byte >= 0x30 && byte <= 0x39; byte = bytes[++at] as number) {
          value = value * 10 + (byte - ZERO);
        }
        // A leading zero must stand alone.
        if (bytes[first] === ZERO && at > first + 1) plainDecimal = false;
        if (value > Number.MAX_SAFE_INTEGER) plainDecimal = false;
        if (byte === DOT) {
          const point = ++at;
          let tail = 0;
          let tailDigits = 0;
          for (byte = bytes[at] as number; byte >= 0x30 && byte <= 0x39; byte = bytes[++at] as number) {
            if (value < HEAD_LIMIT) value = value * 10 + (byte - ZERO);
            else {
              tail = tail * 10 + (byte - ZERO);
              tailDigits++;
            }
          }
          const decimals = at - point;
          if (decimals === 0 || decimals > 22) plainDecimal = false;
          else if (tailDigits === 0) value /= POWERS_OF_TEN[decimals] as number;
          else {
            value = longDecimal(value, tail, tailDigits, decimals);
            if (Number.isNaN(value)) plainDecimal = false;
          }
        }
        if (byte === 0x65 || byte === 0x45) plainDecimal = false;
      }
      if (plainDecimal) {
        if (negative) value = -value;
      } else {
        this.#at = start;
        value = this.#number();
        at = this.#at;
        byte = bytes[at] as number;
        if (this.#lossy) exact = false;
      }
      if (count === scratch.length) scratch = this.#grow();
      scratch[count++] = value;
      while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++at] as number;
      const end = at;
      if (byte === COMMA) {
        do byte = bytes[++at] as number;
        while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
        if (isDigit(byte) || byte === MINUS) continue;
      }
      this.#at = end;
      this.#count = count;
      return exact;
    }
  }

  #grow(): Float64Array<ArrayBuffer> {
    const grown = new Float64Array(this.#scratch.length * 4);
    grown.set(this.#scratch);
    this.#scratch = grown;
    return grown;
  }

  #number(): number {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    let mantissa = 0;
    let exponent = 0;
    let integer = true;
    this.#lossy = false;
    const negative = bytes[at] === MINUS;
    if (negative) at++;
    let byte = bytes[at] ?? -1;
    if (!isDigit(byte)) {
      this.#at = at;
      return this.#wordNumber(negative);
    }
    if (byte === ZERO) {
      byte = bytes[++at] ?? -1;
      if (isDigit(byte)) {
        this.#at = at;
        throw this.#unexpected();
      }
    } else {
      do {
        mantissa = mantissa * 10 + (byte - ZERO);
        byte = bytes[++at] ?? -1;
      } while (byte >= 0x30 && byte <= 0x39);
    }
    if (byte === DOT) {
      integer = false;
      const point = ++at;
      byte = bytes[at] ?? -1;
      while (byte >= 0x30 && byte <= 0x39) {
        mantissa = mantissa * 10 + (byte - ZERO);
        byte = bytes[++at] ?? -1;
      }
      exponent = point - at;
      if (at === point) {
        this.#at = at;
        throw this.#unexpected();
      }
    }
    if (byte === 0x65 || byte === 0x45) {
      integer = false;
      byte = bytes[++at] ?? -1;
      const down = byte === MINUS;
      if (down || byte === 0x2b) byte = bytes[++at] ?? -1;
      if (!isDigit(byte)) {
        this.#at = at;
        throw this.#unexpected();
      }
      let power = 0;
      do {
        if (power < 100_000) power = power * 10 + (byte - ZERO);
        byte = bytes[++at] ?? -1;
      } while (byte >= 0x30 && byte <= 0x39);
      exponent += down ? -power : power;
    }
    this.#at = at;
    // A float64 operation on two exact operands rounds once, correctly (Clinger's fast path).
    if (mantissa <= Number.MAX_SAFE_INTEGER && exponent >= -22 && exponent <= 22) {
      const power = POWERS_OF_TEN[exponent < 0 ? -exponent : exponent] ?? 1;
      const value = exponent < 0 ? mantissa / power : mantissa * power;
      return negative ? -value : value;
    }
    const value = Number(bytes.toString('latin1', start, at));
    if (!Number.isFinite(value)) {
      throw fail('REQUEST_MALFORMED', { problem: `the number at byte ${start} is out of range` });
    }
    this.#lossy = integer;
    return value;
  }

  #wordNumber(negative: boolean): number {
    if (!this.#nonFinite) {
      const byte = this.#peek();
      if (byte === 0x4e || byte === 0x49) {
        throw fail('REQUEST_MALFORMED', {
          problem: `invalid JSON: NaN and Infinity are not JSON (byte ${this.#at}); write them as strings, or send binary tensors`,
        });
      }
      throw this.#unexpected();
    }
    if (this.#peek() === 0x4e && !negative) return this.#word('NaN', NaN);
    return this.#word('Infinity', negative ? -Infinity : Infinity);
  }
}
