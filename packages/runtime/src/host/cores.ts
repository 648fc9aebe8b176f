/**
 * Cores of their own for runners: a runner that is pinned keeps its caches and is not moved by the load of its neighbours. The
 * pool gives each the cores that fewest others have, so that runners share cores only when there are more threads than cores.
 *
 * Node cannot set the affinity of a process; `taskset` of util-linux can, and replaces itself by the runner. Where it is
 * missing, a runner that is to be pinned does not start: half of a fleet unpinned is worse than an error.
 */
import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { readText } from './cgroup.ts';

/** The numbers of the CPUs the affinity mask allows. @param root file root, for tests */
export function allowedCpus(root = '/'): readonly number[] {
  const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(readText(path.join(root, 'proc/self/status')) ?? '')?.[1];
  if (list === undefined) return Array.from({ length: availableParallelism() }, (_, cpu) => cpu);
  return list.split(',').flatMap((range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}

export interface Cores {
  readonly cpus: readonly number[];
  /** Give them back; once. */
  readonly release: () => void;
}

export class CorePool {
  /** Runners on each CPU. */
  readonly #used: Map<number, number>;

  constructor(cpus: readonly number[]) {
    this.#used = new Map(cpus.map((cpu) => [cpu, 0]));
  }

  /** `count` cores, or all when there are fewer: the least used, neighbours first. */
  take(count: number): Cores {
    const cpus = [...this.#used]
      .sort(([a, usedA], [b, usedB]) => usedA - usedB || a - b)
      .slice(0, Math.max(1, count))
      .map(([cpu]) => cpu)
      .sort((a, b) => a - b);
    const add = (by: number): void => {
      for (const cpu of cpus) this.#used.set(cpu, (this.#used.get(cpu) ?? 0) + by);
    };
    add(1);
    let held = true;
    return {
      cpus,
      release: () => {
        if (held) add(-1);
        held = false;
      },
    };
  }
}

/** The program and arguments that run `command` on these CPUs only. @throws Error without `taskset` */
export function pinned(cpus: readonly number[], command: readonly string[], searched = process.env.PATH): string[] {
  const found = (searched ?? '')
    .split(path.delimiter)
    .map((directory) => path.join(directory, 'taskset'))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  if (found === undefined) throw new Error('pinning needs the program taskset (util-linux), which is not in the PATH');
  return [found, '--cpu-list', cpus.join(','), ...command];
}
