/** Resident memory of a process and all its descendants, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export function treeRssBytes(root: number): number {
  const parentOf = new Map<number, number>();
  const rss = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      parentOf.set(pid, Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]));
      rss.set(pid, Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024);
    } catch {
      // It ended while we looked.
    }
  }
  const belongs = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (pid === root || belongs(parentOf.get(pid)));
  let total = 0;
  for (const [pid, bytes] of rss) if (belongs(pid)) total += bytes;
  return total;
}
