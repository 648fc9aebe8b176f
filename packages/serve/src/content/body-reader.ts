/**
 * Bodies to inputs: what is a matter of microseconds at once, the rest in a worker thread. The bytes are copied there, once, and
 * the tensors come back by transfer.
 *
 * `.npy` and raw bytes are viewed where they are, whatever their size. The rest costs time by the byte, and a `.npz` by the
 * bytes it unpacks to (at most a thousand times as many).
 */
import { fail, fromWire, type SlipwayError, type Tensors, type WireError } from '@slipway/core';
import { Worker } from 'node:worker_threads';
import { type BodyTask, readContent } from './body.ts';

/** From here on reading takes about a millisecond. */
const LARGE_BYTES = 64 * 1024;
const LARGE_ARCHIVE_BYTES = 2 * 1024;
/** What reading a body of 64 MiB may take: text becomes objects on the way. Beyond, the worker ends, not the server. */
const WORKER_HEAP_MB = 1024;

export interface ReadTask {
  readonly id: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly task: BodyTask;
}

export interface ReadReply {
  readonly id: number;
  readonly inputs: Tensors;
  readonly error: WireError | null;
}

interface Waiting {
  readonly done: (inputs: Tensors) => void;
  readonly failed: (error: unknown) => void;
}

export class BodyReader {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #next = 0;

  /**
   * @returns whether `done` or `failed` is yet to be called
   * @throws what is wrong with a small body
   */
  read(body: Buffer, task: BodyTask, done: (inputs: Tensors) => void, failed: (error: unknown) => void): boolean {
    if (!isHeavy(body, task)) {
      const inputs = readContent(body, task);
      if (inputs instanceof Promise) inputs.then(done, failed);
      else done(inputs);
      return inputs instanceof Promise;
    }
    this.#worker ??= this.#start();
    const id = this.#next++;
    this.#waiting.set(id, { done, failed });
    const bytes = new Uint8Array(body);
    const message: ReadTask = { id, bytes, task };
    this.#worker.postMessage(message, [bytes.buffer]);
    return true;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./body-main.${extension}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
    });
    worker.unref();
    worker.on('message', ({ id, inputs, error }: ReadReply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === null) waiting?.done(inputs);
      else waiting?.failed(fromWire(error));
    });
    const lost = (reason: SlipwayError): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      const all = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { failed } of all) failed(reason);
    };
    worker.on('error', (error: unknown) =>
      lost(fail('INTERNAL', { problem: `reading the body failed: ${String(error)}` })),
    );
    worker.on('exit', () => lost(fail('INTERNAL', { problem: 'what reads bodies has ended' })));
    return worker;
  }
}

function isHeavy(body: Buffer, { format }: BodyTask): boolean {
  switch (format) {
    case 'raw':
    case 'image':
    case 'text':
      return false;
    case 'npz':
      return body.length > LARGE_ARCHIVE_BYTES;
    case 'npy':
      // Columns first or byte order reversed: every element has to move. The header says it within its first bytes.
      return body.length > LARGE_BYTES && /'fortran_order': True|'descr': '>/.test(body.toString('latin1', 0, 256));
    default:
      return body.length > LARGE_BYTES;
  }
}
