/**
 * What the control group of this process allows: CPU quota, memory, and how many of its processes the kernel killed for want of
 * memory. Both versions of cgroups; the file root is a parameter, so that tests bring their own.
 *
 * A limit counts wherever it is set between our group and the root, so all levels are read and the smallest wins.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** Absent, unreadable and empty are one thing here: not known. */
export function readText(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return null;
  }
}

/** The directories of our cgroup from the innermost to the mount, of the unified hierarchy or of one v1 controller. */
function levels(root: string, controller: 'cpu' | 'memory', version: 1 | 2): string[] {
  const mount = path.join(root, version === 2 ? 'sys/fs/cgroup' : `sys/fs/cgroup/${controller}`);
  let own = '/';
  for (const line of (readText(path.join(root, 'proc/self/cgroup')) ?? '').split('\n')) {
    const [, controllers = '', group = '/'] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (version === 2 ? controllers === '' : controllers.split(',').includes(controller)) own = group;
  }
  const found: string[] = [];
  // Inside a container the path may be that of the host and not exist here: the mount itself is always the last level.
  const safe = own.split('/').filter((segment) => segment !== '' && segment !== '..');
  for (let depth = safe.length; depth >= 0; depth--) found.push(path.join(mount, ...safe.slice(0, depth)));
  return found;
}

function smallest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value): value is number => value !== null && Number.isFinite(value) && value > 0);
  return known.length === 0 ? null : Math.min(...known);
}

/** CPUs the quota allows, fractional; null without a quota. */
export function cpuQuota(root = '/'): number | null {
  const v2 = levels(root, 'cpu', 2).map((directory) => {
    const [quota = 'max', period = '100000'] = (readText(path.join(directory, 'cpu.max')) ?? 'max').split(' ');
    return quota === 'max' ? null : Number(quota) / Number(period);
  });
  const v1 = levels(root, 'cpu', 1).map((directory) => {
    const quota = Number(readText(path.join(directory, 'cpu.cfs_quota_us')) ?? -1);
    const period = Number(readText(path.join(directory, 'cpu.cfs_period_us')) ?? 100_000);
    return quota > 0 ? quota / period : null;
  });
  return smallest([...v2, ...v1]);
}

/** v1 writes "no limit" as a number close to 2^63. */
const NO_LIMIT = 2 ** 60;

/** Bytes the memory limit allows; null without one. */
export function memoryLimit(root = '/'): number | null {
  const read = (version: 1 | 2, file: string) =>
    levels(root, 'memory', version).map((directory) => {
      const text = readText(path.join(directory, file));
      const bytes = text === null || text === 'max' ? NaN : Number(text);
      return bytes < NO_LIMIT ? bytes : null;
    });
  return smallest([...read(2, 'memory.max'), ...read(1, 'memory.limit_in_bytes')]);
}

/** Processes of our cgroup that were killed for want of memory since it exists; null when it does not say. */
export function oomKillCount(root = '/'): number | null {
  const files = [
    ...levels(root, 'memory', 2).map((directory) => path.join(directory, 'memory.events')),
    ...levels(root, 'memory', 1).map((directory) => path.join(directory, 'memory.oom_control')),
  ];
  for (const file of files) {
    const count = /^oom_kill (\d+)$/m.exec(readText(file) ?? '')?.[1];
    if (count !== undefined) return Number(count);
  }
  return null;
}
