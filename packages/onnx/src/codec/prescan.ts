/**
 * Walks the wire format of a model file once before anything is decoded, allocating nothing per field, so that a file
 * that is truncated, damaged or made to harm is refused with the place where it went wrong.
 *
 * Checked: every length lies inside its parent; varints have at most 10 bytes; nesting, nodes and the memory that
 * decoding will take are bounded; wire types fit the schema; text is UTF-8; no groups. Fields the schema does not know
 * are skipped, not refused: a newer format survives. Rejected alternative: catching what the decoder throws, because
 * it allocates first and names no place.
 */
import { isUtf8 } from 'node:buffer';
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { fail, LIMITS } from '@slipway/core';
import { GraphProtoSchema, ModelProtoSchema, NodeProtoSchema } from '../generated/onnx_pb.ts';

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
const WIRE_NAMES = ['varint', 'fixed64', 'length-delimited', 'group start', 'group end', 'fixed32'];

interface Frame {
  readonly type: DescMessage;
  /** Fields by number: looked up for every field of the file, so kept at hand. */
  readonly fields: ReadonlyMap<number, DescField>;
  readonly end: number;
}

/** Bytes of memory that decoding one of these takes, roughly: an object, a bigint in an array, a number in a growing array. */
const COST = { message: 160, text: 48, bigint: 32, number: 12 } as const;

/**
 * @throws MODEL_FORMAT with the offset, MODEL_LIMIT
 */
export function prescan(bytes: Uint8Array, path: string): void {
  new Scanner(bytes, path).run();
}

class Scanner {
  readonly #bytes: Uint8Array;
  readonly #path: string;
  #at = 0;
  #cost = 0;
  #nodes = 0;
  #graphs = 0;
  readonly #tables = new Map<DescMessage, ReadonlyMap<number, DescField>>();

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#path = path;
  }

  run(): void {
    const { length } = this.#bytes;
    if (length > LIMITS.maxProtobufBytes) throw this.#limit(`${length} bytes`, LIMITS.maxProtobufBytes);
    const stack: Frame[] = [this.#frame(ModelProtoSchema, length)];
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      if (this.#at === frame.end) {
        stack.pop();
        continue;
      }
      const inner = this.#field(frame);
      if (inner === undefined) continue;
      if (stack.length >= LIMITS.maxProtobufDepth) {
        throw this.#limit(`messages nested ${stack.length + 1} deep at byte ${this.#at}`, LIMITS.maxProtobufDepth);
      }
      stack.push(inner);
    }
    if (this.#graphs === 0) {
      throw this.#broken(0, 'it is a protobuf message without a graph (a tensor, or a model of another format?)');
    }
  }

  /** Reads one field; the frame of the message it holds, if it holds one. */
  #field(parent: Frame): Frame | undefined {
    const start = this.#at;
    const tag = this.#varint(parent.end, 'a field tag');
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number === 0 || number > 0x1fffffff) throw this.#broken(start, `field number ${number} in ${parent.type.name}`);
    const field = parent.fields.get(number);
    const name = field === undefined ? `field ${number} of ${parent.type.name}` : `${parent.type.name}.${field.name}`;
    if (field !== undefined && !fits(field, wire)) {
      throw this.#broken(start, `${name} is stored as ${WIRE_NAMES[wire] ?? `wire type ${wire}`}`);
    }
    switch (wire) {
      case VARINT:
        this.#varint(parent.end, name);
        this.#spend(field === undefined ? COST.message : COST.bigint);
        return undefined;
      case FIXED32:
      case FIXED64:
        this.#skip(wire === FIXED32 ? 4 : 8, parent.end, name);
        this.#spend(field === undefined ? COST.message : COST.number);
        return undefined;
      case DELIMITED:
        return this.#delimited(field, name, parent.end);
      default:
        throw this.#broken(
          start,
          `${name} is stored as ${WIRE_NAMES[wire] ?? `wire type ${wire}`}, which ONNX does not use`,
        );
    }
  }

  #delimited(field: DescField | undefined, name: string, limit: number): Frame | undefined {
    const start = this.#at;
    const length = this.#varint(limit, `the length of ${name}`);
    if (length > limit - this.#at) {
      const left = limit - this.#at;
      throw this.#broken(
        start,
        `${name} says it has ${length} bytes where ${left} are left: the file is truncated or damaged`,
      );
    }
    const end = this.#at + length;
    const message = field?.message;
    if (message !== undefined) {
      this.#spend(COST.message);
      if (message === NodeProtoSchema && ++this.#nodes > LIMITS.maxNodes) {
        throw this.#limit('too many nodes', LIMITS.maxNodes);
      }
      if (message === GraphProtoSchema) this.#graphs++;
      return this.#frame(message, end);
    }
    if (field?.fieldKind === 'list' && isPackable(field)) this.#packed(field, name, end);
    else {
      if (field?.scalar === ScalarType.STRING && !isUtf8(this.#bytes.subarray(this.#at, end))) {
        throw this.#broken(start, `${name} is not valid UTF-8 text`);
      }
      this.#spend(field === undefined ? COST.message : COST.text + (field.scalar === ScalarType.STRING ? length : 0));
    }
    this.#at = end;
    return undefined;
  }

  /** Packed numbers: each must end inside, and each costs memory. */
  #packed(field: DescField, name: string, end: number): void {
    const wire = wireOf(field.scalar);
    const length = end - this.#at;
    if (wire !== VARINT) {
      const size = wire === FIXED32 ? 4 : 8;
      if (length % size !== 0) throw this.#broken(this.#at, `${name} has ${length} bytes, not a multiple of ${size}`);
      this.#spend((length / size) * COST.number);
      return;
    }
    let count = 0;
    while (this.#at < end) {
      this.#varint(end, name);
      count++;
    }
    this.#spend(count * (field.scalar === ScalarType.INT32 ? COST.number : COST.bigint));
  }

  #frame(type: DescMessage, end: number): Frame {
    let fields = this.#tables.get(type);
    if (fields === undefined) {
      fields = new Map(type.fields.map((field) => [field.number, field]));
      this.#tables.set(type, fields);
    }
    return { type, fields, end };
  }

  /** The value matters for tags and lengths only, and is exact up to 2^53, more than any offset. */
  #varint(limit: number, name: string): number {
    const start = this.#at;
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= limit) throw this.#broken(start, `${name} is cut off: the file is truncated or damaged`);
      const byte = this.#bytes[this.#at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw this.#broken(start, `${name} is a number of more than 10 bytes`);
  }

  #skip(count: number, limit: number, name: string): void {
    if (count > limit - this.#at) throw this.#broken(this.#at, `${name} is cut off: the file is truncated or damaged`);
    this.#at += count;
  }

  #spend(bytes: number): void {
    this.#cost += bytes;
    if (this.#cost > LIMITS.maxModelObjectBytes) {
      throw this.#limit(
        `decoding needs more memory for structure than is allowed (at byte ${this.#at})`,
        LIMITS.maxModelObjectBytes,
      );
    }
  }

  #broken(offset: number, problem: string): Error {
    return fail('MODEL_FORMAT', { path: this.#path, problem: `at byte ${offset}: ${problem}` });
  }

  #limit(problem: string, limit: number): Error {
    return fail('MODEL_LIMIT', { path: this.#path, problem, limit });
  }
}

function wireOf(scalar: ScalarType | undefined): number {
  switch (scalar) {
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return DELIMITED;
    default:
      return VARINT;
  }
}

function isPackable(field: DescField): boolean {
  return wireOf(field.scalar) !== DELIMITED;
}

function fits(field: DescField, wire: number): boolean {
  if (field.message !== undefined) return wire === DELIMITED;
  // Enums have no scalar and are varints, as `wireOf` says. Repeated numbers may come packed or one by one.
  return wire === wireOf(field.scalar) || (wire === DELIMITED && field.fieldKind === 'list' && isPackable(field));
}
