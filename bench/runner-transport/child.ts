/** The other end: reads a request, answers with 4 KB. `process.argv[2]` names the transport. */
import { Socket } from 'node:net';
import { encode, HEAD_BYTES, readAll, reader, writeAll } from './frames.ts';

const transport = process.argv[2];
const answer = new Float32Array(1000);
const reply = (): Buffer => encode(new Uint8Array(answer.buffer), 0);

if (transport === 'ipc') {
  process.on('message', () => process.send?.({ y: answer }));
} else if (transport === 'socket') {
  const socket = new Socket({ fd: 3, readable: true, writable: true });
  socket.on(
    'data',
    reader(() => socket.write(reply())),
  );
  socket.on('end', () => process.exit(0));
} else {
  const head = Buffer.alloc(HEAD_BYTES);
  const payload = new Uint8Array(64 * 1024 * 1024);
  while (readAll(3, head, null)) {
    readAll(3, payload.subarray(0, head.readUInt32LE(0)), null);
    readAll(4, payload.subarray(0, head.readUInt32LE(4)), 0);
    writeAll(3, reply(), null);
  }
}
