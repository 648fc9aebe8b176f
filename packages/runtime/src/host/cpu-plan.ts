/**
 * How many runners, with how many threads each, this machine carries: threads × runners never exceeds the cores that are ours.
 * Ours is the smallest of what the machine has, the affinity mask allows and the cgroup quota grants; asking only the
 * machine is how servers in containers end up with 64 threads on 2 cores.
 */
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { cpuQuota, readText } from './cgroup.ts';

export interface CpuFacts {
  /** CPUs the cgroup quota allows, fractional; null without one. */
  readonly quota: number | null;
  /** CPUs the affinity mask allows; null when unknown. */
  readonly affinity: number | null;
  /** CPUs of the machine. */
  readonly parallelism: number;
}

export interface CpuPlan {
  /** Whole cores to use, at least 1. */
  readonly cores: number;
  /** Threads of each runner. */
  readonly threads: number;
  /** Runners of each model. */
  readonly runners: number;
  /** What bounds the cores, for people. */
  readonly bound: 'machine' | 'affinity' | 'quota';
}

/** @param root file root, for tests */
export function cpuFacts(root = '/'): CpuFacts {
  const mask = /^Cpus_allowed:\s*([\da-f,]+)$/m.exec(readText(path.join(root, 'proc/self/status')) ?? '')?.[1];
  const affinity = mask === undefined ? null : countBits(mask);
  return { quota: cpuQuota(root), affinity, parallelism: availableParallelism() };
}

function countBits(mask: string): number | null {
  const bits = BigInt(`0x${mask.replaceAll(',', '')}`)
    .toString(2)
    .replaceAll('0', '').length;
  return bits === 0 ? null : bits;
}

/**
 * One runner per model with its share of the cores: within one runner a batch uses them all, and memory is paid once.
 * @param models models that will be busy at the same time
 * @param threads threads per runner, when the user decides; the rest follows from it
 */
export function cpuPlan(
  options: Partial<CpuFacts> & { readonly models?: number; readonly threads?: number } = {},
): CpuPlan {
  const { quota, affinity, parallelism } = { ...cpuFacts(), ...options };
  const limits = [
    { bound: 'machine', cores: parallelism },
    { bound: 'affinity', cores: affinity ?? Infinity },
    // 1.5 CPUs carry one busy thread; rounding up would have it throttled a quarter of the time.
    { bound: 'quota', cores: Math.max(1, Math.floor(quota ?? Infinity)) },
  ] as const;
  const smallest = limits.reduce((best, limit) => (limit.cores < best.cores ? limit : best));
  const cores = Math.max(1, smallest.cores);
  const share = Math.max(1, Math.floor(cores / Math.max(1, options.models ?? 1)));
  const threads = Math.min(Math.max(1, options.threads ?? share), cores);
  return { cores, threads, runners: Math.max(1, Math.floor(share / threads)), bound: smallest.bound };
}

/** What one runner alone may use. */
export function defaultThreads(): number {
  return cpuPlan().threads;
}
