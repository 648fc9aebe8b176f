/**
 * The runner process. It reads a frame, does what it says, answers, and reads the next: nothing else happens here, so reading
 * is synchronous. That spares the event loop (and its 64 KB chunks) on the path of every call, and lets a payload be
 * read straight into the memory the engine computes on.
 *
 * It ends when its socket does, so it cannot outlive its gateway. SIGINT and SIGTERM, which a terminal or an init system
 * sends to the whole group, are for the gateway: it drains first and then closes the socket.
 */
import { readSync, writeSync } from 'node:fs';
import { asSlipwayError, fail, type Tensors } from '@slipway/core/base';
import type { EngineSession } from './engine.ts';
import { openOnnxruntime } from './onnxruntime/engine.ts';
import type { LoadRequest, MeasureRequest, ReadyReply } from './protocol.ts';
import {
  assemble,
  bodyBytes,
  decode,
  describe,
  type Description,
  encode,
  type Frame,
  HEAD_BYTES,
  type Kind,
  KIND,
} from './wire/frame.ts';
import { PIPELINE_DEPTH, readShared, SHARED_FROM_BYTES, slotOffset, writeShared } from './wire/memory.ts';
import { FD } from './wire/descriptors.ts';

/** Receive buffers up to this size are kept for the next call. */
const KEEP_BYTES = 64 * 1024 * 1024;

/** A buffer that grows to what is asked of it, and is used again: calls execute one at a time. */
function scratch(initialBytes: number): (bytes: number) => Buffer {
  let kept = Buffer.from(new ArrayBuffer(initialBytes));
  return (bytes) => {
    if (bytes <= kept.byteLength) return kept;
    const grown = Buffer.from(new ArrayBuffer(bytes));
    if (bytes <= KEEP_BYTES) kept = grown;
    return grown;
  };
}

/** False at the end of the stream. */
function readFully(target: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const count = readSync(FD.socket, target, at, end - at, null);
    if (count === 0) return false;
    at += count;
  }
  return true;
}

function send(frame: Buffer): void {
  for (let at = 0; at < frame.byteLength;) at += writeSync(FD.socket, frame, at, frame.byteLength - at);
}

const reply = (kind: Kind, id: number, description: unknown = null): void => send(encode(kind, id, description));

function sendTensors(id: number, tensors: Tensors, shared: boolean): void {
  const description = describe(tensors);
  if (shared && description.bytes >= SHARED_FROM_BYTES) {
    const at = slotOffset(id % PIPELINE_DEPTH);
    if (writeShared(FD.replies, at, tensors)) {
      reply(KIND.result, id, { ...description, at });
      return;
    }
  }
  send(encode(KIND.result, id, description, tensors, description.bytes));
}

async function load(request: LoadRequest): Promise<{ session: EngineSession; ready: ReadyReply }> {
  const started = performance.now();
  const engine = await openOnnxruntime();
  const opened = performance.now();
  const session = await engine.load(request.file, request.session);
  return {
    session,
    ready: {
      signature: session.signature,
      engine: { name: engine.name, version: engine.version },
      timing: { processMs: started, engineMs: opened - started, modelMs: performance.now() - opened },
    },
  };
}

async function measure(id: number, session: EngineSession, request: MeasureRequest, inputs: Tensors): Promise<Tensors> {
  const times = new Float64Array(request.iterations);
  let alive = performance.now();
  for (let index = -request.warmup; index < request.iterations; index++) {
    const before = performance.now();
    await session.run(inputs);
    const after = performance.now();
    if (index >= 0) times[index] = after - before;
    if (after - alive > request.aliveEveryMs) {
      reply(KIND.alive, id);
      alive = after;
    }
  }
  return { times: { dtype: 'float64', shape: [times.length], data: times } };
}

async function main(): Promise<void> {
  const forGateway = (): void => undefined;
  process.on('SIGINT', forGateway);
  process.on('SIGTERM', forGateway);

  const frameBuffer = scratch(64 * 1024);
  const payloadBuffer = scratch(0);
  let session: EngineSession | null = null;
  let request: LoadRequest | null = null;

  const receive = (): Frame | null => {
    let buffer = frameBuffer(HEAD_BYTES);
    if (!readFully(buffer, 0, HEAD_BYTES)) return null;
    const total = HEAD_BYTES + bodyBytes(buffer);
    if (total > buffer.byteLength) {
      const larger = frameBuffer(total);
      buffer.copy(larger, 0, 0, HEAD_BYTES);
      buffer = larger;
    }
    return readFully(buffer, HEAD_BYTES, total) ? decode(buffer, 0) : null;
  };
  const tensorsOf = (frame: Frame): Tensors => {
    const description = frame.description as Description;
    if (description.at === undefined) return assemble(description, frame.payload);
    const target = payloadBuffer(description.bytes).subarray(0, description.bytes);
    readShared(FD.requests, description.at, target);
    return assemble(description, target);
  };

  for (;;) {
    const frame = receive();
    if (frame === null || frame.kind === KIND.stop) process.exit(0);
    try {
      if (frame.kind === KIND.load) {
        request = frame.description as LoadRequest;
        const loaded = await load(request);
        session = loaded.session;
        reply(KIND.ready, frame.id, loaded.ready);
      } else if (frame.kind === KIND.ping) {
        reply(KIND.alive, frame.id);
      } else if (session === null || request === null) {
        throw fail('INTERNAL', { problem: `frame ${frame.kind} before a model was loaded` });
      } else if (frame.kind === KIND.run) {
        sendTensors(frame.id, await session.run(tensorsOf(frame)), request.shared);
      } else if (frame.kind === KIND.measure) {
        const times = await measure(frame.id, session, frame.description as MeasureRequest, tensorsOf(frame));
        sendTensors(frame.id, times, request.shared);
      } else {
        throw fail('INTERNAL', { problem: `unknown frame ${frame.kind}` });
      }
    } catch (error) {
      const { code, params } = asSlipwayError(error).toWire();
      const model = code === 'INFERENCE_FAILED' && request !== null ? { model: request.model } : {};
      reply(KIND.failure, frame.id, { code, params: { ...params, ...model } });
    }
  }
}

await main();
