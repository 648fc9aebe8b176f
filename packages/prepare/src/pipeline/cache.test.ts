import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { createLogger } from '@slipway/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCache } from './cache.ts';

const log = createLogger('silent');
const DAY = 24 * 60 * 60 * 1000;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'slipway-cache-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A stage that writes one file and counts how often it runs. */
function counting(): { readonly make: (into: string) => Promise<{ answer: number }>; readonly runs: () => number } {
  let runs = 0;
  const make = (into: string): Promise<{ answer: number }> => {
    writeFileSync(path.join(into, 'file.txt'), 'content');
    return Promise.resolve({ answer: ++runs });
  };
  return { make, runs: () => runs };
}

describe('the stage cache', () => {
  it('makes a result once per material', async () => {
    const cache = await openCache(directory, log);
    const { make, runs } = counting();
    const first = await cache.stage('kind', { a: 1, b: [2] }, make);
    expect(first).toMatchObject({ value: { answer: 1 }, cached: false });
    const again = await cache.stage('kind', { b: [2], a: 1 }, make);
    expect(again).toEqual({ ...first, cached: true });
    expect(readFileSync(path.join(again.directory, 'file.txt'), 'utf8')).toBe('content');
    await cache.stage('kind', { a: 1, b: [3] }, make);
    await cache.stage('other', { a: 1, b: [2] }, make);
    expect(runs()).toBe(3);
    await cache.close();
  });

  it('keeps nothing of a stage that fails', async () => {
    const cache = await openCache(directory, log);
    const failing = cache.stage('kind', 1, () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(await cache.find('kind', 1)).toBeNull();
    await cache.close();
    expect(existsSync(path.join(directory, 'kind'))).toBe(false);
  });

  it('lets whoever is second use what the first made', async () => {
    const [one, two] = [await openCache(directory, log), await openCache(directory, log)];
    const { make } = counting();
    const results = await Promise.all([one.stage('kind', 1, make), two.stage('kind', 1, make)]);
    expect(results[0].directory).toBe(results[1].directory);
    expect(results[0].value).toEqual(results[1].value);
    await Promise.all([one.close(), two.close()]);
  });

  it('removes what killed builds of this host left, and nothing of others', async () => {
    const uuid = '00000000-0000-4000-8000-000000000000';
    // No process has a number beyond 2^22.
    const [dead, alive, foreign] = [
      `${hostname()}.99999999.${uuid}`,
      `${hostname()}.${process.pid}.${uuid}`,
      `elsewhere.1.${uuid}`,
    ];
    for (const name of [dead, alive, foreign]) mkdirSync(path.join(directory, 'tmp', name), { recursive: true });
    const cache = await openCache(directory, log);
    expect([dead, alive, foreign].map((name) => existsSync(path.join(directory, 'tmp', name)))).toEqual([
      false,
      true,
      true,
    ]);
    await cache.close();
  });

  it('forgets what no build has used for a month', async () => {
    const start = Date.now();
    const { make, runs } = counting();
    const use = async (days: number): Promise<boolean> => {
      const cache = await openCache(directory, log, () => start + days * DAY);
      const { cached } = await cache.stage('kind', 1, make);
      await cache.close();
      return cached;
    };
    expect([await use(0), await use(20), await use(40), await use(71)]).toEqual([false, true, true, false]);
    expect(runs()).toBe(2);
  });
});
