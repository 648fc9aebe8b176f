/**
 * The scheduler of one model version: requests in, calls to its runners out.
 *
 * It batches adaptively and never waits to batch: when a runner is free, what has queued goes, as one call, up to what
 * the latency budget and the deadlines allow by the learned cost of a batch. Under light load that is one request at
 * once; under heavy load the queue that forms while the runners are busy is the batch.
 *
 * Invariants: a job settles exactly once; a cancelled or expired job that was not handed to a runner never executes; the
 * queue holds at most `maxQueueRows` rows and `maxQueueBytes` bytes (or one request, if it alone is larger); a request
 * that fails the engine fails alone, because a failing batch is halved and run again.
 */
import { asSlipwayError, type Clock, fail, type Signature, type SlipwayError, type Tensors } from '@slipway/core';
import { CostModel } from './cost.ts';
import { Job, type Settle, type Slice } from './job.ts';
import type { QueuePolicy, SchedulePolicy } from './policy.ts';
import { type Group, JobQueue } from './queue.ts';
import { ShapeRules } from './shape.ts';
import { hasRows, joinParts, outputRows, stackInputs } from './stack.ts';

/** What executes calls; a runner. */
export interface Executor {
  run(inputs: Tensors): Promise<Tensors>;
}

/** What one request asks of the scheduler. */
export interface Asked {
  /** When its client gives up, on the clock. */
  readonly deadline: number;
  /** How long it may wait to be executed, milliseconds. */
  readonly queueTimeoutMs?: number | null;
  /** 1 is the highest; 0 or absent: the default level of the model. */
  readonly priority?: number;
}

interface SchedulerObserver {
  batch(rows: number, seconds: number): void;
}

export interface SchedulerOptions {
  /** For messages. */
  readonly model: string;
  readonly signature: Signature;
  readonly policy: SchedulePolicy;
  readonly clock: Clock;
  /** Runs a callback when the requests that are already here have been read: then they share the first batch. */
  readonly defer: (callback: () => void) => void;
  readonly observer: SchedulerObserver;
}

interface Attached {
  readonly executor: Executor;
  lastEndAt: number;
}

export class Scheduler {
  readonly rules: ShapeRules;
  readonly #options: SchedulerOptions;
  readonly #cost = new CostModel();
  readonly #queue: JobQueue;
  readonly #live = new Set<Job>();
  readonly #idle: Attached[] = [];
  readonly #attached = new Map<Executor, Attached>();
  /** Batches that failed and were halved; they go before anything new. */
  readonly #retries: Slice[][] = [];
  #pumpPlanned = false;
  #timer: { readonly at: number; readonly cancel: () => void } | null = null;
  #whenEmpty: (() => void)[] = [];
  /** The model turned out not to keep rows apart, whatever its signature says. */
  #stackable = true;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.rules = new ShapeRules(options.signature);
    this.#queue = new JobQueue(options.policy.priorities.ageMs);
  }

  /** Requests not yet answered. */
  get pending(): number {
    return this.#live.size;
  }

  get queuedRows(): number {
    return this.#queue.rows;
  }

  /**
   * @returns what cancels the request
   * @throws TENSOR_INVALID, QUEUE_FULL
   */
  submit(inputs: Tensors, asked: Asked, settle: Settle): () => void {
    const { clock } = this.#options;
    const { rows, key } = this.rules.check(inputs);
    const level = this.#level(asked.priority);
    const bytes = bytesOf(inputs);
    this.#checkRoom(rows, bytes, level);
    const now = clock.now();
    const wait = queueTimeout(this.#queuePolicy(level), asked.queueTimeoutMs ?? null);
    const { deadline } = asked;
    const job = new Job({ inputs, rows, bytes, level, submittedAt: now, deadline, queueDeadline: now + wait, settle });
    this.#queue.push(job, this.#stackable ? key : null);
    this.#live.add(job);
    this.#arm(Math.min(deadline, job.queueDeadline));
    if (this.#idle.length > 0 && !this.#pumpPlanned) {
      this.#pumpPlanned = true;
      this.#options.defer(() => {
        this.#pumpPlanned = false;
        this.#pump();
      });
    }
    return () => {
      if (!job.settled) this.#settle(job, fail('CANCELLED', {}));
    };
  }

  /** A level the model does not have is its default, as Triton has it. */
  #level(asked = 0): number {
    const { levels, default: standard } = this.#options.policy.priorities;
    return asked >= 1 && asked <= levels ? asked : standard;
  }

  #queuePolicy(level: number): QueuePolicy {
    const { queues, queue } = this.#options.policy;
    return queues.get(level) ?? queue;
  }

  /** One request is taken whatever its size: a bound smaller than a request would refuse it for ever. */
  #checkRoom(rows: number, bytes: number, level: number): void {
    const { policy, model } = this.#options;
    const waiting = this.#queue.rowsAt(level);
    const full =
      this.#queue.rows > 0 &&
      (this.#queue.rows + rows > policy.maxQueueRows || this.#queue.bytes + bytes > policy.maxQueueBytes);
    if (!full && (waiting === 0 || waiting + rows <= this.#queuePolicy(level).maxRows)) return;
    const retryAfter = Math.max(1, Math.ceil((this.#cost.of(1) * this.#queue.rows) / 1000));
    throw fail('QUEUE_FULL', { model, rows: full ? this.#queue.rows : waiting, retryAfter });
  }

  /** @param calls how many it is given at a time; it executes them one after the other */
  attach(executor: Executor, calls: number): void {
    const attached = { executor, lastEndAt: -Infinity };
    this.#attached.set(executor, attached);
    for (let i = 0; i < calls; i++) this.#idle.push(attached);
    this.#pump();
  }

  /** No new calls for this one; what it executes settles as it ends. */
  detach(executor: Executor): void {
    this.#attached.delete(executor);
    for (let i = this.#idle.length - 1; i >= 0; i--) if (this.#idle[i]?.executor === executor) this.#idle.splice(i, 1);
  }

  /** Give up on everything that waits. */
  abort(error: SlipwayError): void {
    for (const job of [...this.#live]) this.#settle(job, error);
  }

  /** Resolves when nothing is queued or executing for a client. */
  drained(): Promise<void> {
    if (this.#live.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  #pump(): void {
    while (this.#idle.length > 0) {
      const slices = this.#nextRetry() ?? this.#form();
      if (slices === null) return;
      const attached = this.#idle.pop();
      if (attached !== undefined) void this.#execute(attached, slices);
    }
  }

  #nextRetry(): Slice[] | null {
    for (;;) {
      const group = this.#retries.shift();
      if (group === undefined) return null;
      const now = this.#options.clock.now();
      const wanted = group.filter(({ job }) => !job.settled && !this.#timedOut(job, now));
      if (wanted.length > 0) return wanted;
    }
  }

  /** The request whose turn it is, and those behind it that fit into the same call. */
  #form(): Slice[] | null {
    const now = this.#options.clock.now();
    for (;;) {
      const group = this.#queue.next();
      if (group === null) return null;
      const late: Job[] = [];
      const slices = this.#fill(group, now, late);
      // Only now: what hears of it may cancel others.
      for (const job of late) this.#timedOut(job, now);
      if (slices.length > 0) return slices;
    }
  }

  #fill(group: Group, now: number, late: Job[]): Slice[] {
    const slices: Slice[] = [];
    let rows = 0;
    let room = Infinity;
    for (const job of group.jobs()) {
      if (isLate(job, now)) {
        late.push(job);
        continue;
      }
      const left = job.rows - job.taken;
      if (group.key !== null) room = Math.min(room, this.#room(job, now));
      if (slices.length > 0 && rows + left > room) break;
      const take = Math.min(left, room);
      slices.push({ job, start: job.taken, end: job.taken + take });
      rows += take;
      if (job.firstDispatchAt === -1) job.firstDispatchAt = now;
      this.#queue.take(job, take);
      if (group.key === null || rows >= room) break;
    }
    return slices;
  }

  /** Rows a batch with this job may have. */
  #room(job: Job, now: number): number {
    if (this.rules.sharing !== 'stack') return 1;
    const { maxBatchSize, latencyBudgetMs } = this.#options.policy;
    const within = this.#cost.rowsWithin(Math.min(latencyBudgetMs, job.deadline - now));
    return Math.max(1, Math.min(maxBatchSize, within));
  }

  async #execute(attached: Attached, slices: Slice[]): Promise<void> {
    const { clock, observer } = this.#options;
    const { executor } = attached;
    const givenAt = clock.now();
    let total = 0;
    for (const { start, end } of slices) total += end - start;
    let outputs: Tensors | null = null;
    let error: SlipwayError | null = null;
    try {
      outputs = await executor.run(stackInputs(slices));
    } catch (thrown) {
      error = asSlipwayError(thrown);
    }
    // A call given while another executed began when that one ended.
    const endAt = clock.now();
    const elapsed = endAt - Math.max(givenAt, attached.lastEndAt);
    attached.lastEndAt = endAt;
    if (outputs !== null) {
      this.#cost.observe(total, elapsed);
      observer.batch(total, elapsed / 1000);
      if (slices.length > 1 && !hasRows(outputs, total)) {
        // The outputs cannot be told apart: these requests, and all later ones, go one by one.
        this.#stackable = false;
        for (const slice of slices) this.#retries.push([slice]);
        outputs = null;
      }
    } else if (error !== null) this.#failed(slices, error);
    // The runner gets its next batch before the answers of this one are encoded.
    if (this.#attached.get(executor) === attached) this.#idle.push(attached);
    this.#pump();
    if (outputs !== null) this.#distribute(slices, outputs, total, elapsed);
  }

  #distribute(slices: readonly Slice[], outputs: Tensors, total: number, elapsed: number): void {
    let offset = 0;
    for (const { job, start, end } of slices) {
      const count = end - start;
      if (!job.settled) {
        job.computeMs += elapsed;
        job.parts.push({ start, outputs: count === total ? outputs : outputRows(outputs, offset, offset + count) });
        job.missing -= count;
        if (job.missing === 0) this.#complete(job);
      }
      offset += count;
    }
  }

  #complete(job: Job): void {
    try {
      const outputs = joinParts(job.parts);
      this.#settle(job, null, outputs);
    } catch (error) {
      this.#settle(job, asSlipwayError(error));
    }
  }

  #failed(slices: Slice[], error: SlipwayError): void {
    if (error.code === 'RUNNER_GONE') {
      // Nothing of it was executed: once more, on the runner that comes next.
      const again = slices.filter(({ job }) => !job.settled && !job.retried);
      for (const { job } of slices) if (job.retried) this.#settle(job, error);
      for (const { job } of again) job.retried = true;
      if (again.length > 0) this.#retries.unshift(again);
      return;
    }
    const lost = error.code === 'RUNNER_LOST';
    if (slices.length === 1 || lost) {
      for (const { job } of slices) this.#settle(job, error);
      return;
    }
    const middle = slices.length >> 1;
    this.#retries.unshift(slices.slice(0, middle), slices.slice(middle));
  }

  #settle(job: Job, error: SlipwayError | null, outputs: Tensors | null = null): void {
    if (job.settled) return;
    job.settled = true;
    this.#live.delete(job);
    this.#queue.remove(job);
    const dispatched = job.firstDispatchAt === -1 ? this.#options.clock.now() : job.firstDispatchAt;
    job.settle(error, outputs, { queueMs: dispatched - job.submittedAt, computeMs: job.computeMs });
    if (this.#live.size === 0 && this.#whenEmpty.length > 0) {
      for (const resolve of this.#whenEmpty.splice(0)) resolve();
    }
  }

  /** True when its time is up: it is settled then. One that only waited too long may be postponed instead. */
  #timedOut(job: Job, now: number): boolean {
    if (!isLate(job, now)) return false;
    if (job.deadline > now && this.#queuePolicy(job.level).onTimeout === 'delay') {
      job.queueDeadline = Infinity;
      this.#queue.postpone(job, now, this.#options.policy.priorities.levels);
      return false;
    }
    const until = Math.min(job.deadline, job.firstDispatchAt === -1 ? job.queueDeadline : Infinity);
    const milliseconds = Math.round(until - job.submittedAt);
    this.#settle(job, fail('DEADLINE_EXCEEDED', { model: this.#options.model, milliseconds }));
    return true;
  }

  /** One timer for all deadlines: set to the earliest, and set again when it fires. */
  #arm(deadline: number): void {
    if (this.#timer !== null && this.#timer.at <= deadline) return;
    this.#timer?.cancel();
    const wait = Math.max(0, deadline - this.#options.clock.now());
    this.#timer = { at: deadline, cancel: this.#options.clock.after(wait, () => this.#expire()) };
  }

  #expire(): void {
    this.#timer = null;
    const now = this.#options.clock.now();
    let earliest = Infinity;
    for (const job of [...this.#live]) {
      if (!job.settled && !this.#timedOut(job, now)) earliest = Math.min(earliest, nextLimit(job));
    }
    if (earliest < Infinity) this.#arm(earliest);
  }
}

/** When something happens to it by itself. */
function nextLimit({ deadline, queueDeadline, firstDispatchAt }: Job): number {
  return firstDispatchAt === -1 ? Math.min(deadline, queueDeadline) : deadline;
}

const isLate = (job: Job, now: number): boolean => nextLimit(job) <= now;

/** How long a request may wait, milliseconds. */
function queueTimeout({ timeoutMs, allowOverride }: QueuePolicy, asked: number | null): number {
  return Math.min(timeoutMs ?? Infinity, allowOverride ? (asked ?? Infinity) : Infinity);
}

/** Of the tensors of a request. Strings have no size of their own; each is counted as what it costs to keep. */
function bytesOf(inputs: Tensors): number {
  let bytes = 0;
  for (const name in inputs) {
    const data = inputs[name]?.data;
    bytes += data === undefined ? 0 : Array.isArray(data) ? data.length * 64 : data.byteLength;
  }
  return bytes;
}
