/**
 * Frames out of a byte stream that arrives in arbitrary chunks. Joins chunks once per frame, when all of it is there,
 * so that a large frame costs one copy and not one per chunk.
 */
import { bodyBytes, decode, type Frame, HEAD_BYTES } from './frame.ts';

export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** What must be there before it is worth joining. */
  #needed = HEAD_BYTES;

  /** The frames that `chunk` completes. */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes < this.#needed) return;
    const buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#bytes);
    let at = 0;
    for (;;) {
      const left = buffer.byteLength - at;
      this.#needed = left < HEAD_BYTES ? HEAD_BYTES : HEAD_BYTES + bodyBytes(buffer, at);
      if (left < this.#needed) break;
      const frame = decode(buffer, at);
      at += this.#needed;
      yield frame;
    }
    this.#bytes = buffer.byteLength - at;
    this.#chunks = this.#bytes === 0 ? [] : [buffer.subarray(at)];
  }
}
