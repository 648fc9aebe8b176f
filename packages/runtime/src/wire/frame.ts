/**
 * What gateway and runner say to each other: length-prefixed binary frames over a socket pair, both directions.
 *
 *     16 bytes  head: kind, call id, bytes of the description, bytes of the payload (uint32 each, little-endian)
 *     …         description: JSON, padded with spaces to a multiple of 8
 *     …         payload: tensors, each padded to a multiple of 8, so that every one can be viewed where it lies
 *
 * A large payload does not travel in the frame but through a shared file (`memory.ts`); the frame then says where.
 * Strings have no fixed size and travel in the description. Both ends are our own processes of the same version: a frame
 * that makes no sense is a defect, not an attack, and ends the connection.
 */
import { bytesOf, fromBytes, type NumericData, type Tensor, type Tensors, textsOf } from '@slipway/core/base';

export const HEAD_BYTES = 16;

/** Requests are below 16, answers above. */
export const KIND = {
  load: 1,
  run: 2,
  measure: 3,
  ping: 4,
  stop: 5,
  ready: 16,
  result: 17,
  failure: 18,
  alive: 19,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** `[name, dtype, shape, bytes]`, or the strings themselves in place of the bytes. */
type Entry = readonly [string, Tensor['dtype'], readonly number[], number | readonly string[]];

/** How tensors are described; `at` is where the payload lies in the shared file, absent when it is in the frame. */
export interface Description {
  readonly tensors: readonly Entry[];
  readonly bytes: number;
  readonly at?: number;
}

export interface Frame {
  readonly kind: number;
  readonly id: number;
  readonly description: unknown;
  /** A view; empty when there is none. */
  readonly payload: Uint8Array;
}

const padded = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/**
 * The tensors of one call: of one request, or of several whose rows go one after the other. They are stacked by writing them
 * behind each other, not by making one tensor of them first.
 */
export type Stacked = Tensors | readonly Tensors[];

const listOf = (stacked: Stacked): readonly Tensors[] => (Array.isArray(stacked) ? stacked : [stacked]) as Tensors[];

/** Total payload of `stacked` and how to find each tensor in it. */
export function describe(stacked: Stacked): Description {
  const list = listOf(stacked);
  const [first] = list;
  const entries: Entry[] = [];
  let bytes = 0;
  for (const name of Object.keys(first ?? {})) {
    const { dtype, shape: alone } = first?.[name] as Tensor;
    let shape = alone;
    if (list.length > 1) {
      let rows = 0;
      for (const tensors of list) rows += tensors[name]?.shape[0] ?? 0;
      shape = [rows, ...alone.slice(1)];
    }
    if (dtype === 'string') {
      entries.push([
        name,
        dtype,
        shape,
        list.flatMap((tensors) => textsOf(tensors[name] as Extract<Tensor, { dtype: 'string' }>, name)),
      ]);
    } else {
      let size = 0;
      for (const tensors of list) size += (tensors[name]?.data as NumericData).byteLength;
      entries.push([name, dtype, shape, size]);
      bytes += padded(size);
    }
  }
  return { tensors: entries, bytes };
}

/** The bytes of each numeric tensor, in payload order, with their offset there. */
export function* parts(stacked: Stacked): Generator<{ offset: number; bytes: Uint8Array }> {
  const list = listOf(stacked);
  let offset = 0;
  for (const name of Object.keys(list[0] ?? {})) {
    if (list[0]?.[name]?.dtype === 'string') continue;
    let size = 0;
    for (const tensors of list) {
      const bytes = bytesOf(tensors[name]?.data as NumericData);
      yield { offset: offset + size, bytes };
      size += bytes.byteLength;
    }
    offset += padded(size);
  }
}

/** The tensors over a payload, as views. */
export function assemble(description: Description, payload: Uint8Array): Tensors {
  const tensors: Record<string, Tensor> = {};
  let offset = 0;
  for (const [name, dtype, shape, content] of description.tensors) {
    if (dtype === 'string' || typeof content !== 'number') {
      tensors[name] = { dtype: 'string', shape, data: content as string[] };
      continue;
    }
    tensors[name] = fromBytes(dtype, shape, payload.subarray(offset, offset + content));
    offset += padded(content);
  }
  return tensors;
}

/** One frame in one buffer; `tensors` are copied into it. */
export function encode(kind: Kind, id: number, description: unknown, tensors?: Stacked, payloadBytes = 0): Buffer {
  const text = JSON.stringify(description ?? null);
  const length = Buffer.byteLength(text);
  const start = HEAD_BYTES + padded(length);
  const frame = Buffer.allocUnsafe(start + payloadBytes);
  frame.writeUInt32LE(kind, 0);
  frame.writeUInt32LE(id, 4);
  frame.writeUInt32LE(start - HEAD_BYTES, 8);
  frame.writeUInt32LE(payloadBytes, 12);
  frame.write(text, HEAD_BYTES, 'utf8');
  frame.fill(0x20, HEAD_BYTES + length, start);
  if (tensors !== undefined) for (const { offset, bytes } of parts(tensors)) frame.set(bytes, start + offset);
  return frame;
}

/** The bytes that follow a head. */
export function bodyBytes(head: Buffer, at = 0): number {
  return head.readUInt32LE(at + 8) + head.readUInt32LE(at + 12);
}

/** The frame whose head is at `at`; the buffer must hold all of it. */
export function decode(buffer: Buffer, at: number): Frame {
  const text = at + HEAD_BYTES;
  const payload = text + buffer.readUInt32LE(at + 8);
  return {
    kind: buffer.readUInt32LE(at),
    id: buffer.readUInt32LE(at + 4),
    description: JSON.parse(buffer.toString('utf8', text, payload)) as unknown,
    payload: buffer.subarray(payload, payload + buffer.readUInt32LE(at + 12)),
  };
}
