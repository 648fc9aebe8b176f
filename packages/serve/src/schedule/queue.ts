/**
 * What waits for a runner. Jobs that can be stacked with each other form a group; within it every priority level has a
 * lane, in order of arrival. Lanes are linked lists, so that a cancelled job leaves at once.
 *
 * The order between levels is one number per job, fixed when it arrives: its arrival plus `ageMs` for each level below the
 * highest. So a level goes strictly before the next one, except that a request goes before one of the level above that
 * arrived more than `ageMs` after it. Nothing starves: what can overtake a request is bounded by when it arrived,
 * however much comes later. A number that changed with time would say the same and cost a sort per batch.
 */
import { CostModel } from './cost.ts';
import { type Job, limitOf } from './job.ts';

/** Groups kept when they are empty: their costs are remembered. */
const MOST_GROUPS = 64;

/** Jobs of one group and one level. Their `order` ascends. */
export class Lane {
  readonly group: Group;
  readonly level: number;
  head: Job | null = null;
  #tail: Job | null = null;

  constructor(group: Group, level: number) {
    this.group = group;
    this.level = level;
  }

  get tail(): Job | null {
    return this.#tail;
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

/** Jobs that can be stacked with each other; with the key null, each goes alone. */
export class Group {
  readonly key: string | null;
  readonly lanes: Lane[] = [];
  /** Of its batches: other shapes cost other times. */
  readonly cost: CostModel;
  /** When a batch of it last ended. */
  observedAt = -Infinity;
  /** Rows that wait. */
  rows = 0;

  constructor(key: string | null, prior: CostModel | null) {
    this.key = key;
    this.cost = new CostModel(prior);
  }

  lane(level: number): Lane {
    let lane = this.lanes.find((candidate) => candidate.level === level);
    if (lane === undefined) this.lanes.push((lane = new Lane(this, level)));
    return lane;
  }

  /** The job that goes first; null when there is none. */
  get head(): Job | null {
    let first: Job | null = null;
    for (const { head } of this.lanes) if (head !== null && (first === null || head.order < first.order)) first = head;
    return first;
  }

  /** Its jobs in the order they go. The one last given may be removed, others not. */
  *jobs(): Generator<Job> {
    const cursors = this.lanes.map(({ head }) => head);
    for (;;) {
      const job = earliest(cursors);
      if (job === null) return;
      cursors[cursors.indexOf(job)] = job.next;
      yield job;
    }
  }
}

export class JobQueue {
  readonly #groups = new Map<string | null, Group>();
  readonly #rowsAt = new Map<number, number>();
  readonly #ageMs: number;
  #prior: CostModel | null = null;
  #rows = 0;
  #bytes = 0;
  #soonest = Infinity;

  constructor(ageMs: number) {
    this.#ageMs = ageMs;
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  rowsAt(level: number): number {
    return this.#rowsAt.get(level) ?? 0;
  }

  /** Of requests with this key; null: of those that go alone. */
  group(key: string | null): Group {
    let group = this.#groups.get(key);
    if (group === undefined) {
      this.#makeRoom();
      // A new shape starts from what another costs, rather than from nothing.
      this.#groups.set(key, (group = new Group(key, key === null ? null : this.#prior)));
      if (key !== null) this.#prior ??= group.cost;
    }
    return group;
  }

  /** The place of a request that arrives at `at` with this priority. */
  orderOf(level: number, at: number): number {
    return at + (level - 1) * this.#ageMs;
  }

  push(job: Job, group: Group): void {
    if (this.#rows === 0) this.#soonest = Infinity;
    this.#soonest = Math.min(this.#soonest, limitOf(job));
    this.#rows += job.rows;
    this.#bytes += job.bytes;
    this.#rowsAt.set(job.level, this.rowsAt(job.level) + job.rows);
    group.rows += job.rows;
    this.#place(job, group, job.level, job.order);
  }

  /** Serve it after all levels, as if it had arrived now at one below the lowest. */
  postpone(job: Job, now: number, lowest: number): void {
    if (job.lane === null) return;
    const { group } = job.lane;
    job.lane.remove(job);
    this.#place(job, group, lowest + 1, this.orderOf(lowest + 1, now));
  }

  /** `count` rows of it go to a runner; when they are the last ones, it leaves. */
  take(job: Job, count: number): void {
    job.taken += count;
    this.#less(job, count);
    if (job.taken === job.rows) this.#leave(job);
  }

  /** It leaves with what was not taken. */
  remove(job: Job): void {
    if (job.lane === null) return;
    this.#less(job, job.rows - job.taken);
    this.#leave(job);
  }

  /** The group whose turn it is among those that may go; null when there is none. */
  next(may: (group: Group, first: Job) => boolean): Group | null {
    let best: Group | null = null;
    let order = Infinity;
    for (const group of this.#groups.values()) {
      const { head } = group;
      if (head !== null && head.order < order && may(group, head)) [best, order] = [group, head.order];
    }
    return best;
  }

  /** No job that waits is given up before this; it may be too early by far, never too late. */
  get soonestLimit(): number {
    return this.#rows === 0 ? Infinity : this.#soonest;
  }

  /** True when all that waits is of this group and goes before `job`. */
  isLast(job: Job, own: Group): boolean {
    if (own.rows !== this.#rows) return false;
    return own.lanes.every(({ tail }) => tail === null || tail.order <= job.order);
  }

  /**
   * What certainly goes before `job`, which is not in the queue, in order: those of its group that go first, and those of
   * others that go before the first of its group. Others may be overtaken by it: a batch is filled with what fits.
   */
  *before(job: Job, own: Group): Generator<Job> {
    const others = own.head?.order ?? job.order;
    const cursors: (Job | null)[] = [];
    for (const group of this.#groups.values()) for (const { head } of group.lanes) cursors.push(head);
    for (;;) {
      const next = earliest(cursors);
      if (next === null || next.order > job.order) return;
      cursors[cursors.indexOf(next)] = next.next;
      if (next.lane?.group === own || next.order < others) yield next;
    }
  }

  groups(): Iterable<Group> {
    return this.#groups.values();
  }

  #place(job: Job, group: Group, level: number, order: number): void {
    job.order = order;
    job.lane = group.lane(level);
    job.lane.push(job);
  }

  #less(job: Job, rows: number): void {
    this.#rows -= rows;
    if (job.lane !== null) job.lane.group.rows -= rows;
    this.#rowsAt.set(job.level, this.rowsAt(job.level) - rows);
  }

  #leave(job: Job): void {
    this.#bytes -= job.bytes;
    job.lane?.remove(job);
    job.lane = null;
  }

  #makeRoom(): void {
    if (this.#groups.size < MOST_GROUPS) return;
    for (const [key, { head }] of this.#groups) {
      if (head !== null) continue;
      this.#groups.delete(key);
      return;
    }
  }
}

function earliest(jobs: readonly (Job | null)[]): Job | null {
  let first: Job | null = null;
  for (const job of jobs) if (job !== null && (first === null || job.order < first.order)) first = job;
  return first;
}
