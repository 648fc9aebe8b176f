/** The other end: reads a request, answers with 4 KB. `process.argv[2]` names the transport. */
import { readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { FrameReader } from '../../packages/runtime/src/wire/frame-reader.ts';
import {
  assemble,
  bodyBytes,
  decode,
  type Description,
  encode,
  HEAD_BYTES,
  KIND,
} from '../../packages/runtime/src/wire/frame.ts';
import { readShared } from '../../packages/runtime/src/wire/memory.ts';

const transport = process.argv[2];
const answer = { y: { dtype: 'float32', shape: [1, 1000], data: new Float32Array(1000) } } as const;
const reply = (): Buffer =>
  encode(KIND.result, 0, { tensors: [['y', 'float32', [1, 1000], 4000]], bytes: 4000 }, answer, 4000);

if (transport === 'ipc') {
  process.on('message', () => process.send?.(answer));
} else if (transport === 'socket') {
  const socket = new Socket({ fd: 3, readable: true, writable: true });
  const reader = new FrameReader();
  socket.on('data', (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) {
      assemble(frame.description as Description, frame.payload);
      socket.write(reply());
    }
  });
  socket.on('end', () => process.exit(0));
} else {
  const buffer = Buffer.from(new ArrayBuffer(64 * 1024 * 1024));
  const payload = new Uint8Array(64 * 1024 * 1024);
  const fill = (start: number, end: number): void => {
    for (let at = start; at < end;) {
      const count = readSync(3, buffer, at, end - at, null);
      if (count === 0) process.exit(0);
      at += count;
    }
  };
  for (;;) {
    fill(0, HEAD_BYTES);
    fill(HEAD_BYTES, HEAD_BYTES + bodyBytes(buffer));
    const frame = decode(buffer, 0);
    const description = frame.description as Description;
    if (description.at !== undefined) readShared(4, description.at, payload.subarray(0, description.bytes));
    writeSync(3, reply());
  }
}
