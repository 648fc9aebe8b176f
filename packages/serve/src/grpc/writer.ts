/**
 * Writes a protobuf message. Small fields go into one buffer; large ones are kept as the views they are until `finish`
 * copies everything once. Fields with the default value are the caller's to leave out, where that matters.
 */
import type { StringElement } from '@slipway/core';

/** From this size on bytes are referred to, not copied. */
const LARGE = 512;

export class ProtoWriter {
  length = 0;
  readonly #parts: Uint8Array[] = [];
  #small: Buffer = Buffer.allocUnsafe(128);
  /** Of `#small`: where what is not yet in `#parts` starts and ends. */
  #from = 0;
  #at = 0;

  /** An int32, int64, uint32, enum or bool. Whole; negative numbers take ten bytes, as the format has it. */
  int(field: number, value: number): this {
    this.#tag(field, 0);
    this.#varint(value);
    return this;
  }

  bool(field: number, value: boolean): this {
    return this.int(field, value ? 1 : 0);
  }

  float(field: number, value: number): this {
    this.#tag(field, 5);
    this.#room(4);
    this.#small.writeFloatLE(value, this.#at);
    this.#move(4);
    return this;
  }

  string(field: number, value: string): this {
    const length = Buffer.byteLength(value);
    this.#tag(field, 2);
    this.#varint(length);
    this.#room(length);
    this.#small.write(value, this.#at, length, 'utf8');
    this.#move(length);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, 2);
    this.#varint(value.length);
    if (value.length >= LARGE) {
      this.#flush();
      this.#parts.push(value);
      this.length += value.length;
    } else {
      this.#room(value.length);
      this.#small.set(value, this.#at);
      this.#move(value.length);
    }
    return this;
  }

  /** A string of a tensor, in a field of type bytes. */
  element(field: number, value: StringElement): this {
    return typeof value === 'string' ? this.string(field, value) : this.bytes(field, value);
  }

  message(field: number, message: ProtoWriter): this {
    this.#tag(field, 2);
    this.#varint(message.length);
    message.#flush();
    for (const part of message.#parts) {
      if (part.length < LARGE) {
        this.#room(part.length);
        this.#small.set(part, this.#at);
        this.#move(part.length);
      } else {
        this.#flush();
        this.#parts.push(part);
        this.length += part.length;
      }
    }
    return this;
  }

  /** A repeated integer field, packed. */
  packed(field: number, values: Iterable<number>): this {
    const inner = new ProtoWriter();
    for (const value of values) inner.#varint(value);
    if (inner.length === 0) return this;
    return this.message(field, inner);
  }

  /** A repeated 64-bit field, packed; signed values in two's complement. */
  packed64(field: number, values: Iterable<bigint>): this {
    const inner = new ProtoWriter();
    for (const value of values) inner.#varint64(BigInt.asUintN(64, value));
    if (inner.length === 0) return this;
    return this.message(field, inner);
  }

  /** The message behind `prefix` bytes that the caller fills. */
  finish(prefix: number): Buffer {
    this.#flush();
    const whole = Buffer.allocUnsafe(prefix + this.length);
    let at = prefix;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  #tag(field: number, wire: number): void {
    this.#varint(field * 8 + wire);
  }

  #varint(value: number): void {
    if (value < 0 || value > 0xffffffff) {
      this.#varint64(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    this.#room(5);
    let at = this.#at;
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#small[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#small[at++] = rest;
    this.#move(at - this.#at);
  }

  #varint64(value: bigint): void {
    this.#room(10);
    let at = this.#at;
    let rest = value;
    while (rest > 0x7fn) {
      this.#small[at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#small[at++] = Number(rest);
    this.#move(at - this.#at);
  }

  #move(count: number): void {
    this.#at += count;
    this.length += count;
  }

  #room(count: number): void {
    if (this.#at + count <= this.#small.length) return;
    const pending = this.#small.subarray(this.#from, this.#at);
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#small.length, pending.length + count));
    grown.set(pending);
    this.#small = grown;
    this.#at = pending.length;
    this.#from = 0;
  }

  #flush(): void {
    if (this.#at > this.#from) this.#parts.push(this.#small.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }
}
