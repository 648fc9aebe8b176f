/**
 * Messages in a gRPC stream: one byte that says whether the message is compressed, four of length (big-endian), and the
 * message. Chunks arrive cut anywhere; a message that lies within one chunk is a view of it.
 */
import { fail } from '@slipway/core';

export const PREFIX = 5;
/** More parts than this, and small ones, is someone wasting our time. */
const MAX_PARTS = 1 << 16;

export interface Frame {
  readonly compressed: boolean;
  readonly message: Buffer;
}

export class FrameReader {
  readonly #limit: number;
  #parts: Buffer[] = [];
  #size = 0;
  /** Of the message that is being received, its prefix included; 0 while the prefix is not complete. */
  #wanted = 0;

  /** @param limit bytes of one message */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes received that do not yet make a message. */
  get pending(): number {
    return this.#size;
  }

  /** The messages that `chunk` completes. @throws BODY_TOO_LARGE before such a message is received, REQUEST_MALFORMED */
  add(chunk: Buffer): Frame[] {
    this.#size += chunk.length;
    if (this.#parts.push(chunk) > MAX_PARTS && this.#size < this.#parts.length * 64) {
      throw fail('REQUEST_MALFORMED', { problem: 'the message comes in too many tiny frames' });
    }
    const frames: Frame[] = [];
    for (;;) {
      if (this.#wanted === 0) {
        if (this.#size < PREFIX) return frames;
        const start = this.#joined();
        const flag = start[0] as number;
        if (flag > 1) throw fail('REQUEST_MALFORMED', { problem: `a message starts with the flag ${flag}` });
        const length = start.readUInt32BE(1);
        if (length > this.#limit) throw fail('BODY_TOO_LARGE', { limit: this.#limit });
        this.#wanted = PREFIX + length;
      }
      if (this.#size < this.#wanted) return frames;
      const all = this.#joined();
      frames.push({ compressed: all[0] === 1, message: all.subarray(PREFIX, this.#wanted) });
      const rest = all.subarray(this.#wanted);
      this.#parts = rest.length === 0 ? [] : [rest];
      this.#size = rest.length;
      this.#wanted = 0;
    }
  }

  /** What was received, in one piece: copied once, when the message is complete. */
  #joined(): Buffer {
    const [first = Buffer.alloc(0)] = this.#parts;
    if (this.#parts.length === 1) return first;
    const joined = Buffer.concat(this.#parts, this.#size);
    this.#parts = [joined];
    return joined;
  }
}

/** True when `chunk` is one message, not compressed, and nothing else. */
export function isWholeMessage(chunk: Buffer, limit: number): boolean {
  if (chunk.length < PREFIX || chunk[0] !== 0) return false;
  const length = chunk.readUInt32BE(1);
  return length === chunk.length - PREFIX && length <= limit;
}

/** The message behind its prefix, which says that it is compressed. */
export function compressedFrame(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX + message.length);
  framed[0] = 1;
  framed.writeUInt32BE(message.length, 1);
  message.copy(framed, PREFIX);
  return framed;
}

/** `prefixed` holds a message behind `PREFIX` bytes, which this fills. */
export function fillPrefix(prefixed: Buffer): Buffer {
  prefixed[0] = 0;
  prefixed.writeUInt32BE(prefixed.length - PREFIX, 1);
  return prefixed;
}
