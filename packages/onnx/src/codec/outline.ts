/**
 * The outline of a model file: everything but the bytes of its large weights, as a smaller file of the same form in which
 * each of those is empty, and where they are. Decoding the outline costs the memory of the structure, however large the file.
 *
 * Only where large weights stand in the format is looked for them (initializers and Constant nodes of the main graph);
 * all other fields are copied as they are. Nothing is judged here: a file with anything odd in it has no outline, is
 * read as a whole, and then refused by `prescan.ts` with the place.
 */
import { readSync } from 'node:fs';
import type { DescMessage } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
} from '../generated/onnx_pb.ts';

export interface Outline {
  readonly bytes: Uint8Array;
  /** Position of an empty field in `bytes` → the range of the file that belongs there. */
  readonly ranges: ReadonlyMap<number, FileRange>;
}

interface FileRange {
  readonly offset: number;
  readonly length: number;
}

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;

/** Which fields hold messages that can hold weights. */
const INSIDE = new Map<DescMessage, ReadonlyMap<number, DescMessage>>([
  [ModelProtoSchema, new Map([[ModelProtoSchema.field.graph.number, GraphProtoSchema]])],
  [
    GraphProtoSchema,
    new Map<number, DescMessage>([
      [GraphProtoSchema.field.initializer.number, TensorProtoSchema],
      [GraphProtoSchema.field.node.number, NodeProtoSchema],
    ]),
  ],
  [NodeProtoSchema, new Map([[NodeProtoSchema.field.attribute.number, AttributeProtoSchema]])],
  [AttributeProtoSchema, new Map([[AttributeProtoSchema.field.t.number, TensorProtoSchema]])],
  [TensorProtoSchema, new Map()],
]);

const RAW_DATA = TensorProtoSchema.field.rawData.number;

type Piece = Uint8Array | FileRange;

/**
 * @param size of the file
 * @param smallest weights of fewer bytes stay in the outline
 * @returns undefined when the file is not laid out as it should be
 */
export function outlineOf(descriptor: number, size: number, smallest: number): Outline | undefined {
  const pieces = new Reader(descriptor, smallest).message(ModelProtoSchema, 0, size);
  if (pieces === undefined) return undefined;
  const bytes = new Uint8Array(lengthOf(pieces));
  const ranges = new Map<number, FileRange>();
  let at = 0;
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) {
      bytes.set(piece, at);
      at += piece.length;
    } else ranges.set(at, piece);
  }
  return { bytes, ranges };
}

const lengthOf = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, piece) => sum + (piece instanceof Uint8Array ? piece.length : 0), 0);

/** Headers of fields are read through a window that moves along the file. */
const WINDOW = 64 * 1024;

class Reader {
  readonly #descriptor: number;
  readonly #smallest: number;
  readonly #window = new Uint8Array(WINDOW);
  #from = 0;
  #count = 0;
  /** Where the next number is. */
  #at = 0;

  constructor(descriptor: number, smallest: number) {
    this.#descriptor = descriptor;
    this.#smallest = smallest;
  }

  /** The fields of a message in [start, end), large weights replaced by their ranges. */
  message(type: DescMessage, start: number, end: number): Piece[] | undefined {
    const inside = INSIDE.get(type);
    const pieces: Piece[] = [];
    // Fields are copied together, up to the next one that is not copied.
    let copied = start;
    const copyTo = (to: number): boolean => {
      const bytes = this.#copy(copied, to);
      if (bytes !== undefined) pieces.push(bytes);
      return bytes !== undefined;
    };
    this.#at = start;
    while (this.#at < end) {
      const field = this.#at;
      const tag = this.#number();
      if (tag === undefined) return undefined;
      const wire = tag % 8;
      const length = wire === DELIMITED ? this.#number() : undefined;
      if (length === undefined) {
        if (!this.#skip(wire)) return undefined;
        continue;
      }
      const body = this.#at;
      const next = body + length;
      if (next > end) return undefined;
      const number = Math.floor(tag / 8);
      const inner = inside?.get(number);
      if (length >= this.#smallest && (inner !== undefined || (type === TensorProtoSchema && number === RAW_DATA))) {
        const content = inner === undefined ? [{ offset: body, length }] : this.message(inner, body, next);
        if (content === undefined || !copyTo(field)) return undefined;
        pieces.push(new BinaryWriter().uint32(tag).uint32(lengthOf(content)).finish(), ...content);
        copied = next;
      }
      this.#at = next;
    }
    return this.#at === end && copyTo(end) ? pieces : undefined;
  }

  #skip(wire: number): boolean {
    if (wire === VARINT) return this.#number() !== undefined;
    if (wire !== FIXED64 && wire !== FIXED32) return false;
    this.#at += wire === FIXED64 ? 8 : 4;
    return true;
  }

  /** A varint: exact up to 2^53, more than any length. */
  #number(): number | undefined {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  #byte(): number | undefined {
    if (this.#at < this.#from || this.#at >= this.#from + this.#count) {
      this.#from = this.#at;
      this.#count = readSync(this.#descriptor, this.#window, 0, WINDOW, this.#at);
      if (this.#count === 0) return undefined;
    }
    return this.#window[this.#at++ - this.#from];
  }

  #copy(from: number, to: number): Uint8Array | undefined {
    const bytes = new Uint8Array(to - from);
    for (let done = 0; done < bytes.length;) {
      const count = readSync(this.#descriptor, bytes, done, bytes.length - done, from + done);
      if (count === 0) return undefined;
      done += count;
    }
    return bytes;
  }
}
