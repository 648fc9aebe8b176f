/** The runtime's framing reduced to what decides its speed: a head, an inline payload, or the size of a shared one. */
import { openSync, readSync, unlinkSync, writeSync } from 'node:fs';

export const HEAD_BYTES = 8;

export function encode(payload: Uint8Array, sharedBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + payload.byteLength);
  frame.writeUInt32LE(payload.byteLength, 0);
  frame.writeUInt32LE(sharedBytes, 4);
  frame.set(payload, HEAD_BYTES);
  return frame;
}

/** Collects chunks; calls back with the payload of every complete frame, joined once. */
export function reader(onFrame: (payload: Buffer) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let needed = HEAD_BYTES;
  return (chunk) => {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes < needed) return;
    let buffer = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    for (;;) {
      needed = buffer.byteLength < HEAD_BYTES ? HEAD_BYTES : HEAD_BYTES + buffer.readUInt32LE(0);
      if (buffer.byteLength < needed) break;
      onFrame(buffer.subarray(HEAD_BYTES, needed));
      buffer = buffer.subarray(needed);
    }
    chunks = buffer.byteLength === 0 ? [] : [buffer];
    bytes = buffer.byteLength;
  };
}

export function openShared(): number {
  const path = `/dev/shm/slipway-bench-${process.pid}-${performance.now()}`;
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return fd;
}

export function writeAll(fd: number, bytes: Uint8Array, position: number | null): void {
  for (let at = 0; at < bytes.byteLength;) {
    at += writeSync(fd, bytes, at, bytes.byteLength - at, position === null ? null : position + at);
  }
}

/** False at the end of the stream. */
export function readAll(fd: number, target: Uint8Array, position: number | null): boolean {
  for (let at = 0; at < target.byteLength;) {
    const count = readSync(fd, target, at, target.byteLength - at, position === null ? null : position + at);
    if (count === 0) return false;
    at += count;
  }
  return true;
}
