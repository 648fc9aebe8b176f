/**
 * One request on its way through the scheduler. A job is in exactly one place: a lane of the queue, slices handed to
 * runners, or settled; `settled` is the only flag, and is set once.
 */
import type { SlipwayError, Tensors } from '@slipway/core';
import type { Lengths } from './padding.ts';
import type { Lane } from './queue.ts';

/** Times of one request, milliseconds. */
export interface JobTimes {
  readonly queueMs: number;
  readonly computeMs: number;
}

export type Settle = (error: SlipwayError | null, outputs: Tensors | null, times: JobTimes) => void;

/** What a job is made of. Times are on the clock. */
interface JobFacts {
  readonly inputs: Tensors;
  readonly rows: number;
  readonly bytes: number;
  /** 1 is the highest. */
  readonly level: number;
  readonly submittedAt: number;
  readonly deadline: number;
  /** When it must have begun. */
  readonly queueDeadline: number;
  /** Its place in the queue: the least goes first. */
  readonly order: number;
  /** What its outputs are cut back to, because its inputs were filled up. */
  readonly lengths: Lengths | null;
  readonly settle: Settle;
}

export class Job {
  readonly inputs: Tensors;
  readonly rows: number;
  readonly bytes: number;
  readonly level: number;
  readonly submittedAt: number;
  readonly deadline: number;
  readonly lengths: Lengths | null;
  readonly settle: Settle;
  queueDeadline: number;
  order: number;
  /** Where it waits; null when all of it was taken. */
  lane: Lane | null = null;
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

  constructor(facts: JobFacts) {
    this.inputs = facts.inputs;
    this.rows = facts.rows;
    this.missing = facts.rows;
    this.bytes = facts.bytes;
    this.level = facts.level;
    this.submittedAt = facts.submittedAt;
    this.deadline = facts.deadline;
    this.queueDeadline = facts.queueDeadline;
    this.order = facts.order;
    this.lengths = facts.lengths;
    this.settle = facts.settle;
  }
}

/** Rows `start` to `end` of a job, as handed to a runner. */
export interface Slice {
  readonly job: Job;
  readonly start: number;
  readonly end: number;
}

/** When it is given up by itself: not begun in time, or not answered in time. */
export function limitOf({ deadline, queueDeadline, firstDispatchAt }: Job): number {
  return firstDispatchAt === -1 ? Math.min(deadline, queueDeadline) : deadline;
}
