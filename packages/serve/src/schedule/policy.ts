/**
 * How one model is scheduled: everything `Scheduler` decides by, total and checked. Who wrote it (command line, manifest,
 * `config.pbtxt`, `batching_parameters`) is not known here.
 */
import type { Padding } from './padding.ts';

/** What may wait at one priority level, and for how long. */
export interface QueuePolicy {
  /** Rows that may wait at this level. */
  readonly maxRows: number;
  /** How long a request may wait to be executed, milliseconds; null: as long as its client does. */
  readonly timeoutMs: number | null;
  /** A request may ask for less than `timeoutMs`; never for more. */
  readonly allowOverride: boolean;
  /** When that time is over: answer with an error, or serve it after everything else. */
  readonly onTimeout: 'reject' | 'delay';
}

interface Priorities {
  /** 1: all requests are equal, and what they say of priority is of no effect. */
  readonly levels: number;
  readonly default: number;
  /** Waiting so long is worth one level, milliseconds. */
  readonly ageMs: number;
}

export interface SchedulePolicy {
  /** A request is one call, as it is: never joined with another, never split. */
  readonly whole: boolean;
  /** Rows in one call, at most. */
  readonly maxBatchSize: number;
  /** Milliseconds a batch may take because of batching, by estimate. */
  readonly latencyBudgetMs: number;
  readonly maxQueueRows: number;
  readonly maxQueueBytes: number;
  /** How long the first request of a batch may wait for others although a runner is free, milliseconds. */
  readonly maxDelayMs: number;
  /** Sizes at which a batch goes without waiting for more; ascending. */
  readonly preferredBatchSizes: readonly number[];
  /** Batches are filled up to the next of these rows; ascending; none: they are not. */
  readonly allowedBatchSizes: readonly number[];
  /** A request with more rows than a call may have becomes several calls; otherwise it is refused. */
  readonly splitOversize: boolean;
  /** Answers leave in the order of their requests. */
  readonly preserveOrdering: boolean;
  /** Free dimensions that are filled up; null: none. */
  readonly padding: Padding | null;
  readonly priorities: Priorities;
  /** Of the levels that `queues` does not name. */
  readonly queue: QueuePolicy;
  readonly queues: ReadonlyMap<number, QueuePolicy>;
}

export const DEFAULT_POLICY: SchedulePolicy = {
  whole: false,
  maxBatchSize: 64,
  latencyBudgetMs: 50,
  maxQueueRows: 4096,
  maxQueueBytes: 256 * 1024 * 1024,
  maxDelayMs: 0,
  preferredBatchSizes: [],
  allowedBatchSizes: [],
  splitOversize: true,
  preserveOrdering: false,
  padding: null,
  priorities: { levels: 1, default: 1, ageMs: 1000 },
  queue: { maxRows: Infinity, timeoutMs: null, allowOverride: true, onTimeout: 'reject' },
  queues: new Map(),
};
