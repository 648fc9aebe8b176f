import { describe, expect, test } from 'vitest';
import { type ExitFacts, exitReason } from './exit-reason.ts';

const killed: ExitFacts = { code: null, signal: 'SIGKILL', ended: null, oomKills: 0, output: [] };

describe('exit reason', () => {
  const cases: readonly (readonly [string, Partial<ExitFacts>, string, string])[] = [
    ['we stopped it', { code: 0, signal: null, ended: 'stopped' }, 'stopped', 'exit code 0'],
    ['we killed it because it hung', { ended: 'hang' }, 'hang', 'no answer in time, ended with signal SIGKILL'],
    ['we gave up its start', { ended: 'start-failed' }, 'start-failed', 'signal SIGKILL'],
    ['it sent nonsense', { ended: 'nonsense' }, 'crash', 'it sent what makes no sense, ended with signal SIGKILL'],
    ['someone killed it', {}, 'killed', 'signal SIGKILL'],
    ['someone ended it, cgroup unknown', { signal: 'SIGTERM', oomKills: null }, 'killed', 'signal SIGTERM'],
    ['the kernel killed it for memory', { oomKills: 1 }, 'oom', 'out of memory: killed by the kernel (signal SIGKILL)'],
    ['an old kill of another process', { signal: 'SIGSEGV', oomKills: 1 }, 'crash', 'signal SIGSEGV'],
    ['V8 ran out of heap', { signal: 'SIGABRT', output: ['FATAL ERROR: … JavaScript heap out of memory'] }, 'oom', 'out of memory, signal SIGABRT'],
    ['C++ ran out of memory', { signal: 'SIGABRT', output: ["terminate called … 'std::bad_alloc'"] }, 'oom', 'out of memory, signal SIGABRT'],
    ['a native crash', { signal: 'SIGSEGV' }, 'crash', 'signal SIGSEGV'],
    ['an exit code', { code: 3, signal: null }, 'crash', 'exit code 3'],
  ]; // prettier-ignore
  test.each(cases)('%s', (_, facts, reason, detail) => {
    expect(exitReason({ ...killed, ...facts })).toEqual({ reason, detail });
  });
});
