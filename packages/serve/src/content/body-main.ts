/** A worker thread that reads large bodies, so that the event loop of the gateway does not. See body-reader.ts. */
import { asSlipwayError, type Tensors } from '@slipway/core';
import { parentPort } from 'node:worker_threads';
import { readContent } from './body.ts';
import type { ReadReply, ReadTask } from './body-reader.ts';

parentPort?.on('message', ({ id, bytes, task }: ReadTask) => {
  void (async () => {
    let reply: ReadReply;
    const transfer: ArrayBuffer[] = [];
    try {
      const inputs = await readContent(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), task);
      reply = { id, inputs, error: null };
      transfer.push(...buffersOf(inputs));
    } catch (error) {
      reply = { id, inputs: {}, error: asSlipwayError(error).toWire() };
    }
    parentPort?.postMessage(reply, transfer);
  })();
});

/** Each buffer once: several tensors may be views of the same. */
function buffersOf(inputs: Tensors): Set<ArrayBuffer> {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of Object.values(inputs)) {
    if (!Array.isArray(data) && data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
  }
  return buffers;
}
