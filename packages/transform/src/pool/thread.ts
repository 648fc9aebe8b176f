/**
 * One transforming thread as the pool sees it: batches of tasks go in, results come out, and it ends. The first batch that was given is
 * the one it works on.
 */
import { fail, fromWire, type SlipwayError } from '@slipway/core';
import { Worker } from 'node:worker_threads';
import type { Declared } from '../signature.ts';
import type { Order, Report, Result } from './messages.ts';
import type { Waiting } from './waiting.ts';

export interface Batch {
  readonly tasks: readonly Waiting[];
}

interface ThreadEvents {
  readonly onDone: (batch: Batch, results: readonly Result[]) => void;
  /** It has gone; `batches` are those it did not answer, the first of which it may have begun. */
  readonly onLost: (thread: Thread, batches: readonly Batch[], why: SlipwayError) => void;
}

export class Thread {
  readonly #worker: Worker;
  readonly #batches: Batch[] = [];
  readonly #opening = new Map<number, (error: SlipwayError | null) => void>();
  #gone = false;
  #killed = false;
  readonly #now: () => number;
  #since = 0;

  constructor(heapMegabytes: number, now: () => number, events: ThreadEvents) {
    this.#now = now;
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./worker-main.${extension}`, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
    });
    this.#worker = worker;
    worker.unref();
    worker.on('message', (report: Report) => {
      if (report.kind === 'opened') {
        this.#opening.get(report.program)?.(report.error === null ? null : fromWire(report.error));
        this.#opening.delete(report.program);
        this.#since = now();
        return;
      }
      const batch = this.#batches.shift();
      this.#since = now();
      if (batch !== undefined) events.onDone(batch, report.results);
    });
    const lost = (problem: string): void => {
      if (this.#gone) return;
      this.#gone = true;
      const why = fail('TRANSFORM_FAILED', { problem });
      for (const settle of this.#opening.values()) settle(why);
      this.#opening.clear();
      events.onLost(this, this.#batches.splice(0), why);
    };
    worker.on('error', (error: unknown) => lost(describe(error)));
    worker.on('exit', () => lost(this.#killed ? 'they took too long' : 'the thread ended'));
  }

  /** Batches not yet answered. */
  get given(): number {
    return this.#batches.length;
  }

  /** How long it has worked on one batch, milliseconds; to start and to read tokenizers is not counted. */
  get working(): number {
    return this.#batches.length === 0 || this.#opening.size > 0 ? 0 : this.#now() - this.#since;
  }

  open(program: number, declared: Declared, directory: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#opening.set(program, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
      this.#post({ kind: 'open', program, declared, directory }, []);
    });
  }

  forget(program: number): void {
    this.#post({ kind: 'close', program }, []);
  }

  run(batch: Batch): void {
    if (this.#batches.length === 0) this.#since = this.#now();
    this.#batches.push(batch);
    this.#post(
      { kind: 'run', tasks: batch.tasks.map(({ task }) => task) },
      batch.tasks.flatMap(({ buffers }) => buffers),
    );
  }

  async end(): Promise<void> {
    this.#gone = true;
    await this.#worker.terminate();
  }

  /** Ends it as if it had failed by itself: a task takes too long, and nothing else stops it. */
  kill(): void {
    this.#killed = true;
    void this.#worker.terminate();
  }

  #post(order: Order, transfer: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(order, transfer);
  }
}

function describe(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return 'they took more memory than they may';
  return error instanceof Error ? error.message : String(error);
}
