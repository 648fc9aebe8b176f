/**
 * JSON bodies to values: small ones at once, large ones in a worker thread. The bytes go there and come back by transfer, and
 * so do the numbers; what is left on the event loop is proportional to the structure, not to the elements.
 */
import { fail, fromWire, type SlipwayError, type WireError } from '@slipway/core';
import { Worker } from 'node:worker_threads';
import { Numbers } from './numbers.ts';
import { isObject, type JsonObject, JsonParser, type JsonValue } from './parse.ts';

/** From here on parsing takes longer than handing over: about 2 ms. */
const LARGE_BYTES = 1024 * 1024;

export interface ParseTask {
  readonly id: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly nonFinite: boolean;
}

export interface ParseReply {
  readonly id: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly value: Packed;
  readonly error: WireError | null;
}

/** The bytes are those to use from now on: the ones given may have been moved away. */
export type OnParsed = (value: JsonValue, bytes: Buffer) => void;

interface Waiting {
  readonly done: OnParsed;
  readonly failed: (error: SlipwayError) => void;
}

export class JsonReader {
  readonly #parsers = { strict: new JsonParser({ nonFinite: false }), lenient: new JsonParser({ nonFinite: true }) };
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #next = 0;

  /** @throws REQUEST_MALFORMED when the body is small; of a large one `failed` is told */
  read(bytes: Buffer, nonFinite: boolean, done: OnParsed, failed: (error: SlipwayError) => void): void {
    if (bytes.length < LARGE_BYTES) {
      done((nonFinite ? this.#parsers.lenient : this.#parsers.strict).parse(bytes), bytes);
      return;
    }
    this.#worker ??= this.#start();
    const id = this.#next++;
    this.#waiting.set(id, { done, failed });
    // Only a buffer that is all ours can be moved.
    const own = bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength === bytes.length;
    const moved = own ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes);
    const task: ParseTask = { id, bytes: moved, nonFinite };
    this.#worker.postMessage(task, [moved.buffer]);
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./parse-main.${extension}`, import.meta.url));
    worker.unref();
    worker.on('message', ({ id, bytes, value, error }: ParseReply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error !== null) waiting?.failed(fromWire(error));
      else waiting?.done(unpack(value), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    });
    const lost = (problem: string): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      const all = [...this.#waiting.values()];
      this.#waiting.clear();
      for (const { failed } of all) failed(fail('INTERNAL', { problem }));
    };
    worker.on('error', (error: unknown) => lost(`the JSON worker failed: ${String(error)}`));
    worker.on('exit', () => lost('the JSON worker ended'));
    return worker;
  }
}

/** Classes do not survive the way between threads, so what is not a scalar travels as a tuple that says what it is. */
type Packed =
  | Exclude<JsonValue, Numbers | object>
  | readonly ['numbers', readonly number[], Float64Array, boolean, number, number]
  | readonly ['array', readonly Packed[]]
  | readonly ['object', readonly string[], readonly Packed[]];

export function pack(value: JsonValue, transfer: ArrayBuffer[]): Packed {
  if (value instanceof Numbers) {
    const values = value.values.slice();
    transfer.push(values.buffer);
    return ['numbers', value.shape, values, value.exact, value.start, value.end];
  }
  if (Array.isArray(value)) return ['array', value.map((element) => pack(element, transfer))];
  if (isObject(value)) {
    return ['object', Object.keys(value), Object.values(value).map((member) => pack(member, transfer))];
  }
  return value;
}

function unpack(packed: Packed): JsonValue {
  if (!Array.isArray(packed)) return packed as JsonValue;
  const of = packed as Exclude<Packed, Exclude<JsonValue, object>>;
  if (of[0] === 'numbers') return new Numbers(of[1], of[2], of[3], of[4], of[5]);
  if (of[0] === 'array') return of[1].map(unpack);
  const object = Object.create(null) as JsonObject;
  of[1].forEach((key, index) => (object[key] = unpack(of[2][index] ?? null)));
  return object;
}
