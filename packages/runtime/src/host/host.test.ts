import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../testing/tiny-onnx.ts';
import { cpuQuota, memoryLimit, oomKillCount } from './cgroup.ts';
import { allowedCpus, CorePool, pinned } from './cores.ts';
import { cpuFacts, cpuPlan } from './cpu-plan.ts';
import { hostFacts } from './host-facts.ts';

function root(files: Readonly<Record<string, string>>): string {
  const directory = temporaryDirectory();
  for (const [file, content] of Object.entries(files)) {
    const at = path.join(directory, file);
    mkdirSync(path.dirname(at), { recursive: true });
    writeFileSync(at, `${content}\n`);
  }
  return directory;
}

describe('cgroup', () => {
  test('version 2: the smallest limit of any level counts', () => {
    const files = root({
      'proc/self/cgroup': '0::/pod/container',
      'sys/fs/cgroup/pod/cpu.max': '150000 100000',
      'sys/fs/cgroup/pod/container/cpu.max': 'max 100000',
      'sys/fs/cgroup/pod/memory.max': '1000000',
      'sys/fs/cgroup/pod/container/memory.max': '2000000',
      'sys/fs/cgroup/pod/container/memory.events': 'low 0\noom 3\noom_kill 2',
    });
    expect([cpuQuota(files), memoryLimit(files), oomKillCount(files)]).toEqual([1.5, 1_000_000, 2]);
  });

  test('version 1, with a path of the host that does not exist here', () => {
    const files = root({
      'proc/self/cgroup': '5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc',
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '50000',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '536870912',
      'sys/fs/cgroup/memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1',
    });
    expect([cpuQuota(files), memoryLimit(files), oomKillCount(files)]).toEqual([0.5, 536_870_912, 1]);
  });

  test('no limits, nonsense and nothing at all are no limit', () => {
    const unlimited = root({
      'sys/fs/cgroup/cpu.max': 'max 100000',
      'sys/fs/cgroup/memory.max': 'max',
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712',
    });
    const nonsense = root({ 'sys/fs/cgroup/cpu.max': 'a b', 'sys/fs/cgroup/memory.max': 'lots' });
    for (const files of [unlimited, nonsense, root({})]) {
      expect([cpuQuota(files), memoryLimit(files), oomKillCount(files)]).toEqual([null, null, null]);
    }
  });
});

describe('cpu plan', () => {
  test('reads the affinity mask', () => {
    expect(cpuFacts(root({ 'proc/self/status': 'Name:\tx\nCpus_allowed:\tff,00000003' })).affinity).toBe(10);
    expect(cpuFacts(root({})).affinity).toBeNull();
  });

  test('takes the smallest bound and says which', () => {
    expect(cpuPlan({ parallelism: 64, affinity: 8, quota: 2.5 })).toEqual({
      cores: 2,
      threads: 2,
      runners: 1,
      bound: 'quota',
    });
    expect(cpuPlan({ parallelism: 64, affinity: 8, quota: null })).toMatchObject({ cores: 8, bound: 'affinity' });
    expect(cpuPlan({ parallelism: 4, affinity: null, quota: 0.25 })).toMatchObject({ cores: 1, threads: 1 });
    expect(cpuPlan({ parallelism: 8, affinity: null, quota: null, threads: 2 })).toMatchObject({
      threads: 2,
      runners: 4,
    });
    expect(cpuPlan({ parallelism: 8, affinity: null, quota: null, models: 3 })).toMatchObject({
      threads: 2,
      runners: 1,
    });
  });

  test('never plans more threads than cores', () => {
    const some = fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined });
    const quota = fc.option(fc.double({ min: 0.01, max: 300, noNaN: true }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 256 }), quota, some, some, (parallelism, limit, models = 1, threads) => {
        const plan = cpuPlan({
          parallelism,
          affinity: null,
          quota: limit,
          models,
          ...(threads === undefined ? {} : { threads }),
        });
        expect(plan.threads * plan.runners).toBeLessThanOrEqual(plan.cores);
        expect(plan.cores).toBeLessThanOrEqual(parallelism);
        expect(Math.min(plan.threads, plan.runners)).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

describe('cores', () => {
  test('are those of the affinity mask', () => {
    expect(allowedCpus(root({ 'proc/self/status': 'Cpus_allowed:\tff\nCpus_allowed_list:\t0-2,5,8-9' }))).toEqual([
      0, 1, 2, 5, 8, 9,
    ]);
    expect(allowedCpus(root({})).length).toBeGreaterThan(0);
  });

  test('are shared only when there are too few, and are free again when they are given back', () => {
    const pool = new CorePool([0, 1, 2, 5]);
    const [first, second] = [pool.take(2), pool.take(2)];
    expect([first.cpus, second.cpus]).toEqual([
      [0, 1],
      [2, 5],
    ]);
    expect(pool.take(1).cpus).toEqual([0]);
    second.release();
    second.release();
    expect(pool.take(3).cpus).toEqual([1, 2, 5]);
    expect(pool.take(9).cpus).toEqual([0, 1, 2, 5]);
  });

  test('never have more than one runner more on one than on another', () => {
    const counts = fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), counts, (cores, asked) => {
        const pool = new CorePool(Array.from({ length: cores }, (_, cpu) => cpu));
        const used = new Array<number>(cores).fill(0);
        for (const count of asked) {
          const { cpus } = pool.take(count);
          expect(cpus).toHaveLength(Math.min(count, cores));
          for (const cpu of cpus) used[cpu]!++;
          expect(Math.max(...used) - Math.min(...used)).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test('cannot be taken without taskset, and that is said', () => {
    expect(() => pinned([0], ['node'], '/nowhere')).toThrow(/taskset \(util-linux\)/);
  });
});

test('host facts name what decides the speed', () => {
  const x86 = root({
    'proc/cpuinfo': 'processor : 0\nmodel name : Some CPU\nflags : fpu avx2 avx512f avx512_vnni amx_int8 rdtscp',
    'sys/fs/cgroup/memory.max': '1048576',
  });
  expect(hostFacts(x86)).toMatchObject({
    cpu: 'Some CPU',
    cpuFlags: ['amx_int8', 'avx2', 'avx512_vnni', 'avx512f'],
    memoryBytes: 1_048_576,
  });
  expect(hostFacts(root({ 'proc/cpuinfo': 'processor : 0\nFeatures : fp asimd asimddp i8mm sve' })).cpuFlags).toEqual([
    'asimd',
    'asimddp',
    'i8mm',
    'sve',
  ]);
  expect(hostFacts()).toMatchObject({
    node: process.version,
    engine: expect.stringMatching(/^onnxruntime \d/) as string,
  });
});
