/**
 * A few threads that do the transforms of all models: text and images are work, and the thread of the gateway does none. Threads are
 * started when they are needed; without a model that declares transforms there are none.
 *
 * A thread has at most two batches, so that it does not wait for the next one, and a queue holds the rest: bounded, and
 * refused beyond. A thread that ends (out of memory, a pattern that backtracks for ever) is replaced; of a batch that it had begun
 * each task is tried once more by itself, so only a task that ends a thread alone fails.
 */
import { byteLength, type Clock, fail, fromWire, type SlipwayError, type Tensors } from '@slipway/core';
import type { Declared } from '../signature.ts';
import { movable, type Result } from './messages.ts';
import { type Batch, Thread } from './thread.ts';
import type { Settle, Waiting } from './waiting.ts';

export interface PoolOptions {
  /** At most. */
  readonly threads: number;
  readonly clock: Clock;
  /** Bytes of inputs that may wait. Default 256 MiB. */
  readonly maxQueuedBytes?: number;
  /** Tasks that may wait. Default 4096. */
  readonly maxQueuedTasks?: number;
  /** How long a thread may take for one batch, milliseconds. Default 20 000. */
  readonly batchTimeoutMs?: number;
  /** JavaScript memory of a thread, MiB. Default 1024: the largest tokenizers take half of it while they are read. */
  readonly heapMegabytes?: number;
}

/** Of the bytes of a task; larger ones go by themselves. */
const SMALL_BYTES = 4096;
/** Small tasks in one batch: about a millisecond of work. */
const MOST_IN_BATCH = 16;
/** One that is worked on, one that is on its way. */
const BATCHES_PER_THREAD = 2;

interface Program {
  /** For messages. */
  readonly model: string;
  readonly number: number;
  readonly declared: Declared;
  readonly directory: string;
}

/** The transforms of one version, done in the pool. */
export interface PooledProgram {
  /** @returns what cancels it @throws QUEUE_FULL */
  before(inputs: Tensors, settle: Settle): () => void;
  /** @param inputs what the model took @throws QUEUE_FULL */
  after(outputs: Tensors, inputs: Tensors, settle: Settle): () => void;
  close(): void;
}

export class TransformPool {
  readonly #options: Required<PoolOptions>;
  readonly #threads = new Set<Thread>();
  readonly #programs = new Map<number, Program>();
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #next = 0;
  #closed = false;
  #watching = false;

  constructor(options: PoolOptions) {
    this.#options = {
      maxQueuedBytes: 256 * 1024 * 1024,
      maxQueuedTasks: 4096,
      batchTimeoutMs: 20_000,
      heapMegabytes: 1024,
      ...options,
    };
  }

  /** Threads that run. */
  get threads(): number {
    return this.#threads.size;
  }

  /** Tasks that wait for a thread. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Resolves when a thread has compiled it. @throws what `compileTransforms` does */
  async open(model: string, declared: Declared, directory: string): Promise<PooledProgram> {
    const program: Program = { model, number: this.#next++, declared, directory };
    const started = this.#threads.size === 0;
    const [first = this.#start()] = this.#threads;
    this.#programs.set(program.number, program);
    try {
      await Promise.all([...this.#threads].map((thread) => thread.open(program.number, declared, directory)));
    } catch (error) {
      this.#forget(program);
      if (started && this.#programs.size === 0 && first.given === 0) this.#drop(first);
      throw error;
    }
    return {
      before: (inputs, settle) => this.#submit(program, inputs, null, settle),
      after: (outputs, inputs, settle) => this.#submit(program, inputs, outputs, settle),
      close: () => this.#forget(program),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = fail('DRAINING', {});
    for (const waiting of this.#queue.splice(0)) finish(waiting, error, null);
    await Promise.all([...this.#threads].map((thread) => thread.end()));
    this.#threads.clear();
  }

  #submit(program: Program, inputs: Tensors, outputs: Tensors | null, settle: Settle): () => void {
    let bytes = 0;
    for (const tensors of [inputs, outputs ?? {}]) {
      for (const value of Object.values(tensors)) bytes += byteLength(value);
    }
    const { maxQueuedBytes, maxQueuedTasks } = this.#options;
    if (
      this.#queue.length > 0 &&
      (this.#queue.length >= maxQueuedTasks || this.#queuedBytes + bytes > maxQueuedBytes)
    ) {
      throw fail('QUEUE_FULL', { model: program.model, rows: this.#queue.length, retryAfter: 1 });
    }
    const buffers: ArrayBuffer[] = [];
    const task = {
      id: this.#next++,
      program: program.number,
      inputs: movable(inputs, buffers),
      outputs: outputs === null ? null : movable(outputs, buffers),
    };
    // What is small is copied to the thread, and can be sent again when that ends before its turn.
    const moved = bytes > SMALL_BYTES ? buffers : [];
    const waiting: Waiting = { task, buffers: moved, bytes, settle, over: false, alone: false };
    this.#queue.push(waiting);
    this.#queuedBytes += bytes;
    this.#pump();
    return () => {
      waiting.over = true;
    };
  }

  /** Hands out what waits. */
  #pump(): void {
    while (!this.#closed) {
      this.#dropCancelled();
      const [next] = this.#queue;
      if (next === undefined) return;
      const thread = this.#free(isSmall(next) ? BATCHES_PER_THREAD : 1);
      if (thread === null) return;
      thread.run({ tasks: this.#take() });
      this.#watch();
    }
  }

  #dropCancelled(): void {
    while (this.#queue[0]?.over === true) this.#queuedBytes -= this.#queue.shift()?.bytes ?? 0;
  }

  /** An idle thread, a new one, or the one with the least to do, if that is fewer than `most` batches. */
  #free(most: number): Thread | null {
    let least: Thread | null = null;
    for (const thread of this.#threads) if (least === null || thread.given < least.given) least = thread;
    if (least === null || (least.given > 0 && this.#threads.size < this.#options.threads)) return this.#start();
    return least.given < most ? least : null;
  }

  #take(): Waiting[] {
    const tasks: Waiting[] = [];
    for (;;) {
      this.#dropCancelled();
      const [next] = this.#queue;
      const fits = next !== undefined && (tasks.length === 0 || (isSmall(next) && tasks.every(isSmall)));
      if (next === undefined || !fits || tasks.length === MOST_IN_BATCH) return tasks;
      this.#queue.shift();
      this.#queuedBytes -= next.bytes;
      tasks.push(next);
    }
  }

  #start(): Thread {
    const thread = new Thread(this.#options.heapMegabytes, () => this.#options.clock.now(), {
      onDone: (batch, results) => {
        // What waits goes before the answers of this batch are written.
        this.#pump();
        settleAll(batch, results);
      },
      onLost: (lost, batches, why) => this.#lost(lost, batches, why),
    });
    this.#threads.add(thread);
    for (const { number, declared, directory } of this.#programs.values()) {
      // Where it cannot be opened again, its tasks say so.
      thread.open(number, declared, directory).catch(() => undefined);
    }
    return thread;
  }

  #lost(thread: Thread, batches: readonly Batch[], why: SlipwayError): void {
    this.#threads.delete(thread);
    const [begun, ...others] = batches;
    const again: Waiting[] = [];
    for (const waiting of begun?.tasks ?? []) {
      if (begun?.tasks.length === 1 || waiting.alone) finish(waiting, why, null);
      else {
        waiting.alone = true;
        again.push(waiting);
      }
    }
    for (const { tasks } of others) again.push(...tasks);
    const left = again.filter(({ over }) => !over);
    this.#queue = [...left, ...this.#queue];
    for (const { bytes } of left) this.#queuedBytes += bytes;
    this.#pump();
  }

  /** Looks once a second for threads that work on one batch for too long, while any works. */
  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    const { clock, batchTimeoutMs } = this.#options;
    clock.after(Math.min(1000, batchTimeoutMs), () => {
      this.#watching = false;
      const busy = [...this.#threads].filter(({ given }) => given > 0);
      for (const thread of busy) if (thread.working >= batchTimeoutMs) thread.kill();
      if (busy.length > 0) this.#watch();
    });
  }

  #forget(program: Program): void {
    this.#programs.delete(program.number);
    for (const thread of this.#threads) thread.forget(program.number);
  }

  #drop(thread: Thread): void {
    this.#threads.delete(thread);
    void thread.end();
  }
}

const isSmall = ({ bytes, alone }: Waiting): boolean => bytes <= SMALL_BYTES && !alone;

function settleAll({ tasks }: Batch, results: readonly Result[]): void {
  for (const waiting of tasks) {
    const result = results.find(({ id }) => id === waiting.task.id);
    if (result === undefined) finish(waiting, fail('INTERNAL', { problem: 'a transform has no result' }), null);
    else finish(waiting, result.error === null ? null : fromWire(result.error), result.tensors);
  }
}

function finish(waiting: Waiting, error: SlipwayError | null, tensors: Tensors | null): void {
  if (waiting.over) return;
  waiting.over = true;
  waiting.settle(error, tensors);
}
