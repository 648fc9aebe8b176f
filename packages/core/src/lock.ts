/**
 * A lock between processes: a file that exists while somebody holds it and says who. It appears complete (a hard link
 * to a finished file) and is exclusive (a link to an existing name fails).
 *
 * A lock whose process is gone is taken over. A process is its id, its start time and the boot and process namespace it
 * lives in, so that a reused id is not mistaken for the holder. Of a process that cannot be seen from here (another
 * machine or container) nothing is assumed: its lock is respected.
 *
 * Taking over must not remove a lock that somebody else has just taken instead. So the right to remove the lock with
 * token T is itself such a lock, named by T, and T is compared again under it.
 */
import { randomUUID } from 'node:crypto';
import { link, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { fail, fromSystemError } from './errors.ts';

export interface LockOptions {
  /** How long to wait for another holder before STORE_LOCKED, ms. */
  readonly waitMs?: number;
  readonly pollMs?: number;
}

const holderSchema = z.object({
  token: z.string(),
  pid: z.int().positive(),
  host: z.string(),
  boot: z.string(),
  namespace: z.string(),
  /** Start time of the process in clock ticks since boot; '' where the system does not tell. */
  started: z.string(),
  since: z.string(),
});

type Holder = z.infer<typeof holderSchema>;

/** A lock file whose content makes no sense was cut by a power failure, once it is older than any write takes. */
const UNREADABLE_STALE_MS = 10_000;

/**
 * Run `action` while holding the lock `file`.
 * @throws STORE_LOCKED after `waitMs`, naming the holder; DISK_FULL, READ_ONLY
 */
export async function withLock<T>(file: string, action: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  const token = await acquire(file, options);
  try {
    return await action();
  } finally {
    await release(file, token);
  }
}

async function acquire(file: string, options: LockOptions): Promise<string> {
  const me = await describeSelf();
  const deadline = performance.now() + (options.waitMs ?? 60_000);
  for (;;) {
    const holder = await readHolder(file);
    if (holder === null) {
      if (await tryTake(file, me)) return me.token;
      continue;
    }
    if (await isGone(holder, me)) {
      await withLock(`${file}.${holder.token}`, () => release(file, holder.token), options);
      continue;
    }
    if (performance.now() >= deadline) {
      throw fail('STORE_LOCKED', { path: file, pid: holder.pid, host: holder.host, since: holder.since });
    }
    await sleep(options.pollMs ?? 50);
  }
}

async function tryTake(file: string, me: Holder): Promise<boolean> {
  const complete = `${file}.${me.token}.new`;
  try {
    await writeFile(complete, JSON.stringify({ ...me, since: new Date().toISOString() }), { flag: 'wx' });
    await link(complete, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw fromSystemError(error, file, 'taking the lock');
  } finally {
    await rm(complete, { force: true }).catch(() => undefined);
  }
}

async function release(file: string, token: string): Promise<void> {
  if ((await readHolder(file))?.token === token) await rm(file, { force: true });
}

/** null when nobody holds the lock. */
async function readHolder(file: string): Promise<Holder | null> {
  let text: string;
  let changed: { ino: number; mtimeMs: number };
  try {
    changed = await stat(file);
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fromSystemError(error, file, 'reading the lock');
  }
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    const stale = Date.now() - changed.mtimeMs > UNREADABLE_STALE_MS;
    const since = new Date(changed.mtimeMs).toISOString();
    // A host that is ours and a boot that is not: gone. An unknown host: respected.
    return {
      token: `unreadable-${changed.ino}`,
      pid: 1,
      host: stale ? hostname() : '?',
      boot: '',
      namespace: '',
      started: '',
      since,
    };
  }
}

async function describeSelf(): Promise<Holder> {
  return {
    token: randomUUID(),
    pid: process.pid,
    host: hostname(),
    boot: await readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
      (id) => id.trim(),
      () => 'unknown',
    ),
    namespace: await readlink('/proc/self/ns/pid').catch(() => 'unknown'),
    started: (await startTime(process.pid)) ?? '',
    since: '',
  };
}

async function isGone(holder: Holder, me: Holder): Promise<boolean> {
  if (holder.host !== me.host) return false;
  if (holder.boot !== me.boot) return true;
  if (holder.namespace !== me.namespace) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it is there and not ours.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return true;
  }
  const started = await startTime(holder.pid);
  return started !== null && holder.started !== '' && started !== holder.started;
}

/** Field 22 of /proc/PID/stat; null where there is none. The second field is a name and may hold anything but `)` at its end. */
async function startTime(pid: number): Promise<string | null> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return line?.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}
