/** A worker thread that parses large JSON bodies, so that the event loop of the gateway does not. See reader.ts. */
import { asSlipwayError } from '@slipway/core';
import { parentPort } from 'node:worker_threads';
import { JsonParser } from './parse.ts';
import { pack, type ParseReply, type ParseTask } from './reader.ts';

const strict = new JsonParser({ nonFinite: false });
const lenient = new JsonParser({ nonFinite: true });

parentPort?.on('message', ({ id, bytes, nonFinite }: ParseTask) => {
  const transfer: ArrayBuffer[] = [bytes.buffer];
  let reply: ParseReply;
  try {
    const value = (nonFinite ? lenient : strict).parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    reply = { id, bytes, value: pack(value, transfer), error: null };
  } catch (error) {
    reply = { id, bytes, value: null, error: asSlipwayError(error).toWire() };
  }
  parentPort?.postMessage(reply, transfer);
});
