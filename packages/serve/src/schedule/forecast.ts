/**
 * When would a request end, if nothing more came? Work is refused by this estimate alone, so it errs on the early side: the
 * shortest costs seen, batches as large as they can get, all runners busy without a gap.
 *
 * What goes before it is played through in order: a job that can still end in time takes its rows' share of a full
 * batch; one that cannot will be given up and takes nothing.
 */
import type { Job } from './job.ts';
import type { Group, JobQueue } from './queue.ts';
import type { Servers } from './servers.ts';

/** An estimate older than this, and than a few batches, is not believed: something must run to renew it. */
const STALE_MS = 1000;
const STALE_BATCHES = 4;

/** Beyond that a request has the benefit of the doubt: to refuse must not cost more than to answer. */
const MOST_LOOKED_AT = 128;

const isFresh = ({ observedAt, cost }: Group, now: number): boolean =>
  now - observedAt <= Math.max(STALE_MS, STALE_BATCHES * cost.of(1));

export interface Situation {
  readonly queue: JobQueue;
  readonly servers: Servers;
  /** Rows of a group that can go as one call. */
  readonly most: (group: Group) => number;
  readonly now: number;
}

/** What is left of `job` takes at least so long once it is its turn, milliseconds; 0 when nothing recent is known. */
export function shortestTime({ servers, most, now }: Situation, job: Job, group: Group): number {
  if (!isFresh(group, now)) return 0;
  const [rows, together] = [job.rows - job.taken, most(group)];
  if (rows <= together) return group.cost.atLeast(rows);
  return Math.max(group.cost.atLeast(together), (rows * group.cost.leastPerRow(together)) / Math.max(1, servers.count));
}

/** When the first runner is free, by the shortest times seen; Infinity when there is none. */
function firstFree({ servers, now }: Situation): number {
  let at = Infinity;
  for (const server of servers) at = Math.min(at, server.freeAtLeast(now));
  return at;
}

/**
 * When `job`, which is not in the queue yet, ends at the earliest. Looks no further than needed to see that it is after
 * `job.deadline`.
 */
export function earliestEnd(situation: Situation, job: Job, own: Group): number {
  const { queue, servers, now, most } = situation;
  const start = firstFree(situation);
  // Without a runner nothing is known: there may be one in a moment.
  if (start === Infinity) return now;
  const shares = new Map<Group, number>();
  const share = (group: Group): number => {
    let value = shares.get(group);
    if (value === undefined) {
      value = isFresh(group, now) ? group.cost.leastPerRow(most(group)) / servers.count : 0;
      shares.set(group, value);
    }
    return value;
  };
  const [alone, ownShare] = [shortestTime(situation, job, own), (job.rows - job.taken) * share(own)];
  const endAfter = (at: number): number => Math.max(at + ownShare, start + alone);
  // If even everything that waits would not make it late, there is nothing to look at.
  let all = start;
  for (const group of queue.groups()) all += group.rows * share(group);
  if (endAfter(all) <= job.deadline) return endAfter(all);
  // Or if nothing of it will be given up, all of it takes its time.
  if (queue.soonestLimit >= all && queue.isLast(job, own)) return endAfter(all);
  let looked = 0;
  let at = start;
  for (const other of queue.before(job, own)) {
    if (other.lane === null) continue;
    const { group } = other.lane;
    if (at < other.queueDeadline && at + shortestTime(situation, other, group) <= other.deadline) {
      at += (other.rows - other.taken) * share(group);
    }
    if (endAfter(at) > job.deadline || ++looked === MOST_LOOKED_AT) break;
  }
  return endAfter(at);
}
