/**
 * One request on its way through the scheduler, and the queue it waits in. A job is in exactly one place: a queue,
 * slices handed to runners, or settled; `settled` is the only flag, and is set once.
 */
import type { SlipwayError, Tensors } from '@slipway/core';

/** Times of one request, milliseconds. */
interface JobTimes {
  readonly queueMs: number;
  readonly computeMs: number;
}

export type Settle = (error: SlipwayError | null, outputs: Tensors | null, times: JobTimes) => void;

export class Job {
  readonly inputs: Tensors;
  readonly rows: number;
  readonly bytes: number;
  readonly lane: Lane;
  readonly submittedAt: number;
  readonly deadline: number;
  readonly settle: Settle;
  /** Rows handed to runners so far. */
  taken = 0;
  /** Rows whose outputs have not come back. */
  missing: number;
  /** Outputs of the rows from `start` on. */
  parts: { readonly start: number; readonly outputs: Tensors }[] = [];
  firstDispatchAt = -1;
  computeMs = 0;
  retried = false;
  settled = false;
  previous: Job | null = null;
  next: Job | null = null;

  constructor(
    inputs: Tensors,
    rows: number,
    bytes: number,
    lane: Lane,
    submittedAt: number,
    deadline: number,
    settle: Settle,
  ) {
    this.inputs = inputs;
    this.rows = rows;
    this.missing = rows;
    this.bytes = bytes;
    this.lane = lane;
    this.submittedAt = submittedAt;
    this.deadline = deadline;
    this.settle = settle;
  }
}

/** Rows `start` to `end` of a job, as handed to a runner. */
export interface Slice {
  readonly job: Job;
  readonly start: number;
  readonly end: number;
}

/** Jobs that can be stacked with each other, in order of arrival. Linked, so that a cancelled one leaves at once. */
export class Lane {
  readonly key: string | null;
  head: Job | null = null;
  #tail: Job | null = null;

  constructor(key: string | null) {
    this.key = key;
  }

  push(job: Job): void {
    job.previous = this.#tail;
    if (this.#tail === null) this.head = job;
    else this.#tail.next = job;
    this.#tail = job;
  }

  remove(job: Job): void {
    if (job.previous === null) this.head = job.next;
    else job.previous.next = job.next;
    if (job.next === null) this.#tail = job.previous;
    else job.next.previous = job.previous;
    job.previous = job.next = null;
  }
}
