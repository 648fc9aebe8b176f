/**
 * The scheduler of one model version: requests in, calls to its runners out.
 *
 * It batches adaptively and does not wait to batch, unless it is told to: when a runner is free, what has queued goes, as one
 * call, up to what the latency budget and the deadlines allow by the learned cost of a batch. Under light load that is
 * one request at once; under heavy load the queue that forms while the runners are busy is the batch.
 *
 * Invariants: a job settles exactly once; a cancelled or expired job that was not handed to a runner never executes; the
 * queue holds at most `maxQueueRows` rows and `maxQueueBytes` bytes (or one request, if it alone is larger); a request
 * that fails the engine fails alone, because a failing batch is halved and run again; what is refused or given up for want of
 * time could not have made it by the best that was seen lately.
 */
import { asSlipwayError, type Clock, fail, type Signature, type SlipwayError, type Tensors } from '@slipway/core';
import { earliestEnd, shortestTime, type Situation } from './forecast.ts';
import { InOrder } from './in-order.ts';
import { Job, limitOf, type Settle, type Slice } from './job.ts';
import { Padder } from './padding.ts';
import type { QueuePolicy, SchedulePolicy } from './policy.ts';
import { type Group, JobQueue } from './queue.ts';
import { type Executor, type Server, Servers } from './servers.ts';
import { ShapeRules } from './shape.ts';
import { hasRows, joinParts, partsOf, rowsOf } from './stack.ts';

/** What one request asks of the scheduler. */
export interface Asked {
  /** When its client gives up, on the clock. */
  readonly deadline: number;
  /** How long it may wait to be executed, milliseconds. */
  readonly queueTimeoutMs?: number | null | undefined;
  /** 1 is the highest; 0 or absent: the default level of the model. */
  readonly priority?: number | undefined;
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

/** The part of the throughput that is given for latency as long as no more than a batch waits. */
const SLACK = 0.02;

/** Before a deadline, for what is not learned: timers, encoding. Milliseconds. */
const MARGIN_MS = 2;
/** A request that would end so long before its deadline says that those behind it are not late either. */
const ROOMY_MS = 1000;
const ROOMY_REQUESTS = 16;

/** What goes to a runner as one call. */
interface Batch {
  readonly group: Group;
  readonly slices: readonly Slice[];
}

export class Scheduler {
  readonly rules: ShapeRules;
  readonly #options: SchedulerOptions;
  readonly #queue: JobQueue;
  readonly #servers = new Servers();
  readonly #live = new Set<Job>();
  /** Batches that failed and were halved; they go before anything new. */
  readonly #retries: Batch[] = [];
  readonly #padder: Padder | null;
  readonly #inOrder: InOrder | null;
  /** So many requests with no earlier deadline than this are taken without working out when they would end. */
  #roomy = { requests: 0, deadline: 0 };
  #pumpPlanned = false;
  /** For the next time limit, and for the next moment at which a batch may go. */
  readonly #limits: Alarm;
  readonly #wake: Alarm;
  #whenEmpty: (() => void)[] = [];
  /** The model turned out not to keep rows apart, whatever its signature says. */
  #stackable = true;

  constructor(options: SchedulerOptions) {
    const { policy, signature, clock } = options;
    this.#options = options;
    this.rules = new ShapeRules(signature, policy.whole);
    this.#queue = new JobQueue(policy.priorities.ageMs);
    this.#padder = policy.padding === null ? null : new Padder(signature, policy.padding);
    this.#inOrder = policy.preserveOrdering ? new InOrder() : null;
    this.#limits = new Alarm(clock, () => this.#expire());
    this.#wake = new Alarm(clock, () => this.#pump());
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
   * @throws TENSOR_INVALID, QUEUE_FULL, OVERLOADED, DEADLINE_EXCEEDED
   */
  submit(given: Tensors, asked: Asked, settle: Settle): () => void {
    const { clock, policy } = this.#options;
    const checked = this.rules.check(given);
    const padded = this.#padder?.pad(given);
    const inputs = padded?.inputs ?? given;
    const { rows, key } = inputs === given ? checked : this.rules.check(inputs);
    if (!policy.splitOversize && this.rules.sharing === 'stack' && rows > policy.maxBatchSize) {
      const problem = `${rows} rows are more than the ${policy.maxBatchSize} that this model takes at once`;
      throw fail('TENSOR_INVALID', { where: 'the request', problem });
    }
    const level = this.#level(asked.priority);
    const bytes = bytesOf(inputs);
    this.#checkRoom(rows, bytes, level);
    const now = clock.now();
    const job = new Job({
      ...{ inputs, rows, bytes, level },
      submittedAt: now,
      deadline: asked.deadline,
      queueDeadline: now + queueTimeout(this.#queuePolicy(level), asked.queueTimeoutMs ?? null),
      order: this.#queue.orderOf(level, now),
      lengths: padded?.lengths ?? null,
      settle: this.#inOrder?.wrap(settle) ?? settle,
    });
    const group = this.#queue.group(this.#stackable ? key : null);
    this.#checkTime(job, group, now);
    this.#queue.push(job, group);
    this.#live.add(job);
    this.#limits.by(limitOf(job));
    this.#plan();
    return () => {
      if (!job.settled) this.#settle(job, fail('CANCELLED', {}));
    };
  }

  /** @param calls how many it is given at a time; it executes them one after the other */
  attach(executor: Executor, calls: number): void {
    this.#servers.attach(executor, calls);
    this.#pump();
  }

  /** No new calls for this one; what it executes settles as it ends. */
  detach(executor: Executor): void {
    this.#servers.detach(executor);
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
    let backlogMs = 0;
    for (const group of this.#queue.groups()) {
      const most = Math.min(this.#most(group), Math.max(1, group.rows));
      backlogMs += (group.rows * group.cost.of(most)) / most / Math.max(1, this.#servers.count);
    }
    throw fail('QUEUE_FULL', { model, rows: full ? this.#queue.rows : waiting, retryAfter: wholeSeconds(backlogMs) });
  }

  /** Refuses what could not be answered in time even if nothing came in between; where a runner is idle it may try. */
  #checkTime(job: Job, group: Group, now: number): void {
    if (this.#servers.someIdle) return;
    if (this.#roomy.requests > 0 && job.deadline >= this.#roomy.deadline) {
      this.#roomy.requests--;
      return;
    }
    const end = earliestEnd(this.#situation(now), job, group);
    if (end <= job.deadline) {
      // Far from late: the next few are not worked out, and at worst one is taken that cannot be answered in time.
      if (job.deadline - end > ROOMY_MS) this.#roomy = { requests: ROOMY_REQUESTS, deadline: job.deadline };
      return;
    }
    const { model } = this.#options;
    const milliseconds = Math.round(job.deadline - now);
    throw fail('OVERLOADED', { model, milliseconds, retryAfter: wholeSeconds(end - job.deadline) });
  }

  #situation(now: number): Situation {
    return { queue: this.#queue, servers: this.#servers, most: (group) => this.#most(group), now };
  }

  /** Rows of this group that may go as one call, deadlines apart. */
  #most(group: Group): number {
    if (this.rules.sharing === 'rows') return 1;
    if (group.key === null) return Infinity;
    const { maxBatchSize, latencyBudgetMs } = this.#options.policy;
    return Math.max(1, Math.min(maxBatchSize, group.cost.rowsToTry(latencyBudgetMs)));
  }

  /** Rows of the next batch, when `available` of them may go as one. */
  #worthwhile(group: Group, most: number, available: number): number {
    const { maxDelayMs, preferredBatchSizes } = this.#options.policy;
    // Whoever says what batches should be gets those.
    if (available <= 1 || available === Infinity || maxDelayMs > 0 || preferredBatchSizes.length > 0) return most;
    const backlog = group.rows > most;
    const rows = group.cost.worthwhile(available, backlog ? 0 : SLACK);
    return rows === available ? most : rows;
  }

  /** It would end after its deadline even in the shortest time seen: executing it would help nobody. */
  #isHopeless(job: Job, group: Group, server: Server, now: number): boolean {
    return server.freeAtLeast(now) + shortestTime(this.#situation(now), job, group) > job.deadline;
  }

  #plan(): void {
    if (this.#pumpPlanned) return;
    this.#pumpPlanned = true;
    this.#options.defer(() => {
      this.#pumpPlanned = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { clock } = this.#options;
    for (;;) {
      if (this.#queue.rows === 0 && this.#retries.length === 0) return;
      const now = clock.now();
      const server = this.#servers.ready(now, this.#queue.rows);
      if (server === null) {
        this.#wake.by(this.#servers.readyAt(now));
        return;
      }
      const batch = this.#nextRetry(now) ?? this.#form(server, now);
      if (batch === null) return;
      void this.#execute(server, batch);
    }
  }

  #nextRetry(now: number): Batch | null {
    for (;;) {
      const batch = this.#retries.shift();
      if (batch === undefined) return null;
      const slices = batch.slices.filter(({ job }) => !job.settled && !this.#timedOut(job, now));
      if (slices.length > 0) return { ...batch, slices };
    }
  }

  /** The request whose turn it is, and those behind it that fit into the same call. */
  #form(server: Server, now: number): Batch | null {
    for (;;) {
      const group = this.#queue.next((candidate, first) => this.#mayGo(candidate, first, now));
      if (group === null) return null;
      const late: Job[] = [];
      const slices = this.#fill(group, server, now, late);
      // Only now: what hears of it may cancel others.
      for (const job of late) {
        if (!this.#timedOut(job, now) && this.#isHopeless(job, group, server, now)) this.#giveUp(job, job.deadline);
      }
      if (slices.length > 0) return { group, slices };
    }
  }

  /** False when its first request waits for others, as it was told to; it is looked at again when that is over. */
  #mayGo(group: Group, first: Job, now: number): boolean {
    const { maxDelayMs, maxBatchSize, preferredBatchSizes } = this.#options.policy;
    if (maxDelayMs === 0 || group.key === null) return true;
    const until = Math.min(first.submittedAt + maxDelayMs, first.deadline - group.cost.of(group.rows) - MARGIN_MS);
    if (group.rows >= (preferredBatchSizes[0] ?? maxBatchSize) || now >= until) return true;
    this.#wake.by(until);
    return false;
  }

  #fill(group: Group, server: Server, now: number, late: Job[]): Slice[] {
    const slices: Slice[] = [];
    const { preferredBatchSizes: preferred } = this.#options.policy;
    const startAt = server.freeAt(now);
    const most = this.#most(group);
    const available = Math.min(most, group.rows);
    let room = preferred.findLast((size) => size <= available) ?? this.#worthwhile(group, most, available);
    // Spares the common case the question for each.
    const surelyDone = server.freeAtLeast(now) + group.cost.atLeast(most);
    let rows = 0;
    for (const job of group.jobs()) {
      const inTime = job.deadline >= surelyDone && job.rows - job.taken <= most;
      if (limitOf(job) <= now || (!inTime && this.#isHopeless(job, group, server, now))) {
        late.push(job);
        continue;
      }
      const left = job.rows - job.taken;
      // The first goes as it is; what joins it makes nobody late.
      const take = slices.length > 0 ? left : Math.min(left, room);
      room = Math.min(room, Math.max(take, group.cost.rowsWithin(job.deadline - startAt)));
      if (rows + take > room) break;
      slices.push({ job, start: job.taken, end: job.taken + take });
      rows += take;
      if (job.firstDispatchAt === -1) job.firstDispatchAt = now;
      this.#queue.take(job, take);
      if (group.key === null || !this.#stackable || rows >= room) break;
    }
    return slices;
  }

  async #execute(server: Server, { group, slices }: Batch): Promise<void> {
    const { clock, observer, policy } = this.#options;
    let rows = 0;
    for (const { start, end } of slices) rows += end - start;
    const filled = group.key === null ? rows : (policy.allowedBatchSizes.find((size) => size >= rows) ?? rows);
    const given = server.give(group, rows, clock.now());
    let outputs: Tensors | null = null;
    let error: SlipwayError | null = null;
    try {
      outputs = await server.executor.runStacked(partsOf(slices, filled - rows));
    } catch (thrown) {
      error = asSlipwayError(thrown);
    }
    const now = clock.now();
    const elapsed = server.ended(given, now);
    if (outputs !== null) {
      group.cost.observe(rows, elapsed);
      group.observedAt = now;
      observer.batch(rows, elapsed / 1000);
      if ((slices.length > 1 || filled > rows) && !hasRows(outputs, filled)) {
        // The outputs cannot be told apart: these requests, and all later ones, go one by one.
        this.#stackable = false;
        for (const slice of slices) this.#retries.push({ group: this.#queue.group(null), slices: [slice] });
        outputs = null;
      }
    } else if (error !== null) this.#failed(group, slices, error);
    // The runner gets its next batch before the answers of this one are encoded.
    this.#pump();
    if (outputs !== null) this.#distribute(slices, outputs, filled, elapsed);
  }

  #distribute(slices: readonly Slice[], outputs: Tensors, total: number, elapsed: number): void {
    let offset = 0;
    for (const { job, start, end } of slices) {
      const count = end - start;
      if (!job.settled) {
        job.computeMs += elapsed;
        job.parts.push({ start, outputs: count === total ? outputs : rowsOf(outputs, offset, offset + count) });
        job.missing -= count;
        if (job.missing === 0) this.#complete(job);
      }
      offset += count;
    }
  }

  #complete(job: Job): void {
    try {
      const outputs = joinParts(job.parts);
      this.#settle(job, null, job.lengths === null ? outputs : (this.#padder?.cut(outputs, job.lengths) ?? outputs));
    } catch (error) {
      this.#settle(job, asSlipwayError(error));
    }
  }

  #failed(group: Group, slices: readonly Slice[], error: SlipwayError): void {
    if (error.code === 'RUNNER_GONE') {
      // Nothing of it was executed: once more, on the runner that comes next.
      const again = slices.filter(({ job }) => !job.settled && !job.retried);
      for (const { job } of slices) if (job.retried) this.#settle(job, error);
      for (const { job } of again) job.retried = true;
      if (again.length > 0) this.#retries.unshift({ group, slices: again });
      return;
    }
    const lost = error.code === 'RUNNER_LOST';
    if (slices.length === 1 || lost) {
      for (const { job } of slices) this.#settle(job, error);
      return;
    }
    const middle = slices.length >> 1;
    this.#retries.unshift({ group, slices: slices.slice(0, middle) }, { group, slices: slices.slice(middle) });
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
    const limit = limitOf(job);
    if (limit > now) return false;
    if (job.deadline > now && this.#queuePolicy(job.level).onTimeout === 'delay') {
      job.queueDeadline = Infinity;
      this.#queue.postpone(job, now, this.#options.policy.priorities.levels);
      return false;
    }
    this.#giveUp(job, limit);
    return true;
  }

  #giveUp(job: Job, limit: number): void {
    const milliseconds = Math.round(limit - job.submittedAt);
    this.#settle(job, fail('DEADLINE_EXCEEDED', { model: this.#options.model, milliseconds }));
  }

  #expire(): void {
    const now = this.#options.clock.now();
    for (const job of [...this.#live]) {
      if (!job.settled && !this.#timedOut(job, now)) this.#limits.by(limitOf(job));
    }
  }
}

/** One timer for many moments: set to the earliest, and set again by whom it calls. */
class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #timer: { readonly at: number; readonly cancel: () => void } | null = null;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  by(at: number): void {
    if (at === Infinity || (this.#timer !== null && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const cancel = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      this.#timer = null;
      this.#ring();
    });
    this.#timer = { at, cancel };
  }
}

const wholeSeconds = (milliseconds: number): number => Math.max(1, Math.ceil(milliseconds / 1000));

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
