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
import { Job, Lane, type Settle, type Slice } from './job.ts';
import { ShapeRules } from './shape.ts';
import { hasRows, joinParts, outputRows, stackInputs } from './stack.ts';

/** What executes calls; a runner. */
export interface Executor {
  run(inputs: Tensors): Promise<Tensors>;
}

export interface BatchingLimits {
  /** Rows in one call, at most. */
  readonly maxBatchSize: number;
  /** Milliseconds a batch may take because of batching, by estimate. */
  readonly latencyBudgetMs: number;
  readonly maxQueueRows: number;
  readonly maxQueueBytes: number;
}

interface SchedulerObserver {
  batch(rows: number, seconds: number): void;
}

export interface SchedulerOptions {
  /** For messages. */
  readonly model: string;
  readonly signature: Signature;
  readonly limits: BatchingLimits;
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
  readonly #lanes = new Map<string | null, Lane>();
  readonly #live = new Set<Job>();
  readonly #idle: Attached[] = [];
  readonly #attached = new Map<Executor, Attached>();
  /** Batches that failed and were halved; they go before anything new. */
  readonly #retries: Slice[][] = [];
  #queuedRows = 0;
  #queuedBytes = 0;
  #pumpPlanned = false;
  #timer: { readonly at: number; readonly cancel: () => void } | null = null;
  #whenEmpty: (() => void)[] = [];
  /** The model turned out not to keep rows apart, whatever its signature says. */
  #stackable = true;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.rules = new ShapeRules(options.signature);
  }

  /** Requests not yet answered. */
  get pending(): number {
    return this.#live.size;
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  /**
   * @param deadline on the clock
   * @returns what cancels the request
   * @throws TENSOR_INVALID, QUEUE_FULL
   */
  submit(inputs: Tensors, deadline: number, settle: Settle): () => void {
    const { limits, clock, model } = this.#options;
    const { rows, key } = this.rules.check(inputs);
    let bytes = 0;
    for (const name in inputs) {
      const data = inputs[name]?.data;
      bytes += data === undefined ? 0 : Array.isArray(data) ? data.length * 64 : data.byteLength;
    }
    const full = this.#queuedRows + rows > limits.maxQueueRows || this.#queuedBytes + bytes > limits.maxQueueBytes;
    if (full && this.#queuedRows > 0) {
      const retryAfter = Math.max(1, Math.ceil((this.#cost.of(1) * this.#queuedRows) / 1000));
      throw fail('QUEUE_FULL', { model, rows: this.#queuedRows, retryAfter });
    }
    const stackKey = this.#stackable ? key : null;
    let lane = this.#lanes.get(stackKey);
    if (lane === undefined) this.#lanes.set(stackKey, (lane = new Lane(stackKey)));
    const job = new Job(inputs, rows, bytes, lane, clock.now(), deadline, settle);
    lane.push(job);
    this.#live.add(job);
    this.#queuedRows += rows;
    this.#queuedBytes += bytes;
    this.#arm(deadline);
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
      const wanted = group.filter(({ job }) => !job.settled && !this.#expired(job, now));
      if (wanted.length > 0) return wanted;
    }
  }

  /** The oldest request, and those behind it that fit into the same call. */
  #form(): Slice[] | null {
    const now = this.#options.clock.now();
    let first: Job | null = null;
    for (const lane of this.#lanes.values()) {
      while (lane.head !== null && this.#expired(lane.head, now));
      if (lane.head === null) {
        if (this.#lanes.size > 8) this.#lanes.delete(lane.key);
      } else if (first === null || lane.head.submittedAt < first.submittedAt) first = lane.head;
    }
    if (first === null) return null;
    const { lane } = first;
    const room = lane.key === null ? Infinity : this.#room(first, now);
    const slices: Slice[] = [];
    let rows = 0;
    for (let job: Job | null = first; job !== null;) {
      const following: Job | null = job.next;
      if (this.#expired(job, now)) {
        job = following;
        continue;
      }
      const left = job.rows - job.taken;
      const fits = slices.length === 0 || rows + left <= Math.min(room, this.#room(job, now));
      if (!fits) break;
      const take = Math.min(left, room);
      slices.push({ job, start: job.taken, end: job.taken + take });
      rows += take;
      this.#take(job, take, now);
      if (lane.key === null || rows >= room) break;
      job = following;
    }
    return slices;
  }

  /** Rows a batch with this job may have. */
  #room(job: Job, now: number): number {
    if (this.rules.sharing !== 'stack') return 1;
    const { maxBatchSize, latencyBudgetMs } = this.#options.limits;
    const within = this.#cost.rowsWithin(Math.min(latencyBudgetMs, job.deadline - now));
    return Math.max(1, Math.min(maxBatchSize, within));
  }

  #take(job: Job, count: number, now: number): void {
    if (job.firstDispatchAt === -1) job.firstDispatchAt = now;
    job.taken += count;
    this.#queuedRows -= count;
    if (job.taken === job.rows) {
      this.#queuedBytes -= job.bytes;
      job.lane.remove(job);
    }
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
    if (job.taken < job.rows) {
      this.#queuedRows -= job.rows - job.taken;
      this.#queuedBytes -= job.bytes;
      job.lane.remove(job);
    }
    const dispatched = job.firstDispatchAt === -1 ? this.#options.clock.now() : job.firstDispatchAt;
    job.settle(error, outputs, { queueMs: dispatched - job.submittedAt, computeMs: job.computeMs });
    if (this.#live.size === 0 && this.#whenEmpty.length > 0) {
      for (const resolve of this.#whenEmpty.splice(0)) resolve();
    }
  }

  /** Settles a job whose time is up, and says so. */
  #expired(job: Job, now: number): boolean {
    if (job.deadline > now) return false;
    const milliseconds = Math.round(job.deadline - job.submittedAt);
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
      if (!this.#expired(job, now) && job.deadline < earliest) earliest = job.deadline;
    }
    if (earliest < Infinity) this.#arm(earliest);
  }
}
