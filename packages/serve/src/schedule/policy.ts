/**
 * How one model is scheduled: everything `Scheduler` decides by, total and checked. Who wrote it (command line, manifest,
 * `config.pbtxt`, `batching_parameters`) is not known here.
 */

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

export interface Priorities {
  /** 1: all requests are equal, and what they say of priority is of no effect. */
  readonly levels: number;
  readonly default: number;
  /** Waiting so long is worth one level, milliseconds. */
  readonly ageMs: number;
}

export interface SchedulePolicy {
  /** Rows in one call, at most. */
  readonly maxBatchSize: number;
  /** Milliseconds a batch may take because of batching, by estimate. */
  readonly latencyBudgetMs: number;
  readonly maxQueueRows: number;
  readonly maxQueueBytes: number;
  readonly priorities: Priorities;
  /** Of the levels that `queues` does not name. */
  readonly queue: QueuePolicy;
  readonly queues: ReadonlyMap<number, QueuePolicy>;
}

export const DEFAULT_POLICY: SchedulePolicy = {
  maxBatchSize: 64,
  latencyBudgetMs: 50,
  maxQueueRows: 4096,
  maxQueueBytes: 256 * 1024 * 1024,
  priorities: { levels: 1, default: 1, ageMs: 1000 },
  queue: { maxRows: Infinity, timeoutMs: null, allowOverride: true, onTimeout: 'reject' },
  queues: new Map(),
};
