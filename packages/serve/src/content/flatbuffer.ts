/**
 * Reads FlatBuffers tables, as far as Arrow's metadata needs. Every access is checked against the bytes there are (a DataView
 * does that), every count against the room its elements would take, before anything is made of it.
 *
 * Format: https://flatbuffers.dev/internals/
 */
import { malformed } from './fit.ts';

/** One table: fields by their position in the schema. */
export class FlatTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #vtable: number;
  readonly #vtableSize: number;

  /** @throws RangeError when the table lies outside the bytes, REQUEST_MALFORMED */
  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#vtable = at - view.getInt32(at, true);
    this.#vtableSize = view.getUint16(this.#vtable, true);
  }

  static root(view: DataView): FlatTable {
    return new FlatTable(view, view.getUint32(0, true));
  }

  /** Where the field is; 0 when it has its default. */
  #field(index: number): number {
    const slot = 4 + 2 * index;
    if (slot + 2 > this.#vtableSize) return 0;
    const offset = this.#view.getUint16(this.#vtable + slot, true);
    return offset === 0 ? 0 : this.#at + offset;
  }

  uint8(index: number, fallback = 0): number {
    const at = this.#field(index);
    return at === 0 ? fallback : this.#view.getUint8(at);
  }

  int16(index: number, fallback = 0): number {
    const at = this.#field(index);
    return at === 0 ? fallback : this.#view.getInt16(at, true);
  }

  int32(index: number, fallback = 0): number {
    const at = this.#field(index);
    return at === 0 ? fallback : this.#view.getInt32(at, true);
  }

  /** @throws REQUEST_MALFORMED when it is not a size */
  size(index: number): number {
    const at = this.#field(index);
    return at === 0 ? 0 : safeSize(this.#view.getBigInt64(at, true));
  }

  table(index: number): FlatTable | null {
    const at = this.#field(index);
    return at === 0 ? null : new FlatTable(this.#view, at + this.#view.getUint32(at, true));
  }

  string(index: number): string {
    const at = this.#field(index);
    if (at === 0) return '';
    const start = at + this.#view.getUint32(at, true);
    const length = this.#view.getUint32(start, true);
    const { buffer, byteOffset, byteLength } = this.#view;
    if (start + 4 + length > byteLength) throw new RangeError('a string goes past the end');
    return Buffer.from(buffer, byteOffset + start + 4, length).toString();
  }

  /** Structs of `bytes` bytes each: whatever `read` makes of each. */
  structs<T>(index: number, bytes: number, read: (view: DataView, at: number) => T): T[] {
    const { start, length } = this.#vector(index, bytes);
    return Array.from({ length }, (_, i) => read(this.#view, start + i * bytes));
  }

  tables(index: number): FlatTable[] {
    return this.structs(index, 4, (view, at) => new FlatTable(view, at + view.getUint32(at, true)));
  }

  #vector(index: number, bytes: number): { start: number; length: number } {
    const at = this.#field(index);
    if (at === 0) return { start: 0, length: 0 };
    const vector = at + this.#view.getUint32(at, true);
    const length = this.#view.getUint32(vector, true);
    if (vector + 4 + length * bytes > this.#view.byteLength) throw new RangeError('a vector goes past the end');
    return { start: vector + 4, length };
  }
}

/** @throws REQUEST_MALFORMED */
export function safeSize(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`the Arrow data has the size ${value}`);
  return Number(value);
}
