/**
 * Reads a protobuf message field by field. Hand-made because this is the hot path: a message becomes the tensors of a
 * request in one pass, strings and bytes stay views of what was received, and no tree of objects is built in between. It also
 * keeps the server free of a library that reads schemas at start.
 *
 * The bytes are a client's: every length is checked before it is used, and what a handler does not know is skipped.
 * Format: https://protobuf.dev/programming-guides/encoding/
 */
import { isUtf8 } from 'node:buffer';
import { fail, type SlipwayError } from '@slipway/core';

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export class ProtoReader {
  /** Of the field that `next` found. */
  field = 0;
  wire = 0;
  readonly #bytes: Buffer;
  #at = 0;
  /** The halves of the varint read last. */
  #low = 0;
  #high = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Move to the next field; false at the end. Its value must then be read or skipped. */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    this.#varint();
    if (this.#high !== 0 || this.#low >>> 3 === 0) throw malformed('a field has an impossible number');
    this.field = this.#low >>> 3;
    this.wire = this.#low & 7;
    return true;
  }

  skip(): void {
    switch (this.wire) {
      case WIRE.varint:
        this.#varint();
        return;
      case WIRE.bytes:
        this.bytes();
        return;
      case WIRE.fixed64:
        this.#take(8);
        return;
      case WIRE.fixed32:
        this.#take(4);
        return;
      default:
        throw malformed(`field ${this.field} has the wire type ${this.wire}, which is not supported`);
    }
  }

  /** A view. */
  bytes(): Buffer {
    this.#expect(WIRE.bytes);
    this.#varint();
    if (this.#high !== 0) throw this.#truncated();
    return this.#take(this.#low);
  }

  /** @throws REQUEST_MALFORMED when it is not UTF-8, as the format demands */
  string(): string {
    const bytes = this.bytes();
    if (!isUtf8(bytes)) throw malformed(`field ${this.field} is not UTF-8`);
    return bytes.toString('utf8');
  }

  message(): ProtoReader {
    return new ProtoReader(this.bytes());
  }

  bool(): boolean {
    this.#expect(WIRE.varint);
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  /** An int32, uint32 or enum. */
  int32(): number {
    this.#expect(WIRE.varint);
    this.#varint();
    return this.#low | 0;
  }

  /** An int64 as a number; beyond 2^53 it is not exact, which who asks for sizes and times refuses anyway. */
  int64(): number {
    this.#expect(WIRE.varint);
    this.#varint();
    return (this.#high | 0) * 2 ** 32 + this.#low;
  }

  uint64(): number {
    this.#expect(WIRE.varint);
    this.#varint();
    return this.#high * 2 ** 32 + this.#low;
  }

  double(): number {
    this.#expect(WIRE.fixed64);
    return this.#take(8).readDoubleLE(0);
  }

  /**
   * Elements of a repeated numeric field: the payload when packed, the bytes of the one element when not, which are the same
   * encoding. Parsers must take both.
   */
  packed(element: 0 | 1 | 5): Buffer {
    if (this.wire === WIRE.bytes) return this.bytes();
    this.#expect(element);
    const start = this.#at;
    this.skip();
    return this.#bytes.subarray(start, this.#at);
  }

  #expect(wire: number): void {
    if (this.wire !== wire) {
      throw malformed(`field ${this.field} has the wire type ${this.wire}, expected ${wire}`);
    }
  }

  #take(length: number): Buffer {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw this.#truncated();
    this.#at = start + length;
    return this.#bytes.subarray(start, this.#at);
  }

  #varint(): void {
    const bytes = this.#bytes;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[this.#at++];
      if (byte === undefined) throw this.#truncated();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw malformed('a varint is longer than ten bytes');
  }

  #truncated(): SlipwayError {
    return malformed(`it ends in the middle of field ${this.field}`);
  }
}

/** Bytes of one field that may come in parts; a single part stays the view it is. */
export class Gathered {
  bytes: Buffer = Buffer.alloc(0);
  #own: Buffer | null = null;
  #parts = 0;

  add(part: Buffer): void {
    if (this.#parts++ === 0) {
      this.bytes = part;
      return;
    }
    const length = this.bytes.length + part.length;
    if (this.#own === null || this.#own.length < length) {
      // Twice as much each time: one element per part must not cost a copy of all of them each.
      const grown = Buffer.allocUnsafe(length * 2);
      this.bytes.copy(grown);
      this.#own = grown;
    }
    part.copy(this.#own, this.bytes.length);
    this.bytes = this.#own.subarray(0, length);
  }
}

const malformed = (problem: string): SlipwayError =>
  fail('REQUEST_MALFORMED', { problem: `not a valid protobuf message: ${problem}` });
