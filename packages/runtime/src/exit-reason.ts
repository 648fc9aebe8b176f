/**
 * Why a process ended. The kernel tells only a code or a signal; what killed it is put together from what we did ourselves, the
 * cgroup's count of out-of-memory kills, and what the process printed last.
 */
import type { RunnerExit } from './runner.ts';

export interface ExitFacts {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** What we ended it for, if it was us. */
  readonly ended: 'stopped' | 'hang' | 'start-failed' | 'nonsense' | null;
  /** Out-of-memory kills in its cgroup during its life; null when that cannot be known. */
  readonly oomKills: number | null;
  /** The last lines it printed. */
  readonly output: readonly string[];
}

/** What Node, the C++ runtime and ONNX Runtime print when memory runs out. */
const OUT_OF_MEMORY = /heap out of memory|bad_alloc|[Ff]ailed to allocate memory|Cannot allocate memory/;
const CRASH_SIGNALS: ReadonlySet<string> = new Set([
  'SIGSEGV',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGABRT',
  'SIGTRAP',
  'SIGSYS',
]);

export function exitReason(facts: ExitFacts): RunnerExit {
  const { code, signal, ended } = facts;
  const how = signal === null ? `exit code ${code ?? '?'}` : `signal ${signal}`;
  if (ended === 'stopped') return { reason: 'stopped', detail: how };
  if (ended === 'hang') return { reason: 'hang', detail: `no answer in time, ended with ${how}` };
  if (ended === 'nonsense') return { reason: 'crash', detail: `it sent what makes no sense, ended with ${how}` };
  if (facts.output.some((line) => OUT_OF_MEMORY.test(line))) return { reason: 'oom', detail: `out of memory, ${how}` };
  if (signal === 'SIGKILL' && (facts.oomKills ?? 0) > 0) {
    return { reason: 'oom', detail: `out of memory: killed by the kernel (${how})` };
  }
  if (ended === 'start-failed') return { reason: 'start-failed', detail: how };
  return { reason: signal !== null && !CRASH_SIGNALS.has(signal) ? 'killed' : 'crash', detail: how };
}
