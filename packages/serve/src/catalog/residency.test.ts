/** Models that do not all fit into the memory: who goes, who comes back, and who waits for it. */
import { hasCode } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { LATEST } from '../protocols/gateway.ts';
import { candidate, fakeCatalog, type FakeOptions, listed, MIB } from '../testing/fake-catalog.ts';
import { MemoryLedger } from './memory.ts';

/** Models a, b, c … of one version each, 100 MiB each as soon as they were loaded once; room for two. */
async function crowd(names: string, options: FakeOptions = {}) {
  const fake = fakeCatalog({ instant: true, budgetMib: 250, sizeMib: 100, ...options });
  for (const name of names) fake.shown.set(name, listed(name, [1]));
  void fake.catalog.start();
  await fake.settle();
  const resident = (): string =>
    [...fake.open]
      .map(({ model }) => model)
      .sort()
      .join('');
  const use = async (name: string): Promise<string> => {
    await fake.clock.advance(10);
    await fake.catalog.wake(name);
    await fake.settle();
    try {
      return `${fake.catalog.find(name, LATEST).model} answers`;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  return { ...fake, resident, use };
}

describe('more models than memory', () => {
  it('loads what fits, and the others when they are asked for, in place of the one not used for longest', async () => {
    const { catalog, resident, use } = await crowd('abc');
    expect(resident()).toBe('ab');
    expect(catalog.status('c', LATEST)).toMatchObject([{ state: 'failed' }]);
    expect(catalog.ready).toBe(true);
    expect(await use('a')).toBe('a answers');
    expect(await use('c')).toBe('c answers');
    expect(resident()).toBe('ac');
    expect(catalog.status('b', LATEST)).toEqual([
      { version: 1, state: 'gone', reason: 'unloaded for want of memory; a request for it loads it' },
    ]);
    expect(await use('b')).toBe('b answers');
    expect(resident()).toBe('bc');
    expect(catalog.residency.evictions).toEqual({ unloaded: 2, loaded: 2 });
  });

  it('loads once, however many wait', async () => {
    const { catalog, loads, settle, resident } = await crowd('abc', { instant: false });
    for (const load of [...loads]) load.succeed();
    await settle();
    expect(resident()).toBe('ab');
    const waits = Array.from({ length: 100 }, () => catalog.wake('c'));
    expect(new Set(waits).size).toBe(1);
    await settle();
    expect(loads.map(({ model }) => model)).toEqual(['c']);
    loads[0]?.succeed();
    await waits[0];
    expect(catalog.find('c', LATEST).version).toBe(1);
    expect(catalog.wake('c')).toBeNull();
  });

  it('never unloads what is pinned or busy, and says then how much is missing', async () => {
    const { open, use, shown, catalog, settle } = await crowd('abc');
    shown.set('a', listed('a', [1], { settings: { pinned: true } }));
    await catalog.refresh();
    await settle();
    for (const version of open) if (version.model === 'b') version.pending = 1;
    expect(await use('c')).toBe('MEMORY_EXCEEDED');
    expect(() => catalog.find('c', LATEST)).toThrow(/needs about 115 MiB and 50 MiB of the 250 MiB budget are free/);
    for (const version of open) version.pending = 0;
    expect(await use('c')).toBe('c answers');
  });

  it('refuses what can never fit without unloading anything for it', async () => {
    const { resident, use, shown, catalog, settle } = await crowd('ab');
    shown.set('z', { candidates: [candidate('z', 1, { bytes: 400 * MIB })] });
    await catalog.refresh();
    await settle();
    expect(await use('z')).toBe('MEMORY_EXCEEDED');
    expect(resident()).toBe('ab');
  });
});

describe('a new version that does not fit beside the old one', () => {
  const next = async (options: FakeOptions) => {
    const fake = await crowd('a', { budgetMib: 150, ...options });
    fake.shown.set('a', listed('a', [1, 2]));
    await fake.catalog.refresh();
    await fake.settle();
    return [...fake.open].map(({ version }) => version).concat(fake.catalog.status('a', LATEST).length);
  };

  it('is refused, and the old one serves on', async () => {
    expect(await next({ swap: 'availability' })).toEqual([1, 2]);
  });
  it('comes after the old one has gone, where that is wished', async () => {
    expect(await next({ swap: 'auto' })).toEqual([2, 1]);
    expect(await next({ swap: 'resource' })).toEqual([2, 1]);
  });
  it('comes beside it where both fit', async () => {
    expect(await next({ swap: 'auto', budgetMib: 1000 })).toEqual([2, 1]);
  });
});

describe('the ledger', () => {
  it('promises no memory twice', async () => {
    const ledger = new MemoryLedger({ budgetBytes: 250, used: () => Promise.resolve(0), available: () => Infinity });
    const claim = () => ledger.claim({ model: 'm', bytes: 100, makeRoom: () => Promise.resolve(false) });
    const [first, , third] = await Promise.allSettled([claim(), claim(), claim()]);
    expect(third.status).toBe('rejected');
    expect(third.status === 'rejected' && hasCode(third.reason, 'MEMORY_EXCEEDED')).toBe(true);
    if (first.status === 'fulfilled') first.value();
    await expect(claim()).resolves.toBeTypeOf('function');
  });

  it('knows what a version needed, and guesses what another of its model will', () => {
    const ledger = new MemoryLedger({ budgetBytes: 1, used: () => Promise.resolve(0), available: () => 1 });
    const one = candidate('m', 1, { bytes: 100 * MIB });
    const two = candidate('m', 2, { bytes: 200 * MIB });
    expect(ledger.estimate(one, 'one', 2)).toBe(2 * (115 + 120) * MIB);
    ledger.record(one, 'one', 500 * MIB);
    expect(ledger.estimate(one, 'one', 1)).toBe(500 * MIB);
    expect(ledger.estimate(two, 'two', 1)).toBe(620 * MIB);
  });
});
