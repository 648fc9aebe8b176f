/** Real file systems that are full or read-only, mounted in a namespace of their own where that is permitted. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from './open.ts';
import { reportOf, writeModel } from './testing/model.ts';

const inNamespace = (script: string, ...parameters: string[]): string =>
  execFileSync('unshare', ['-rm', 'sh', '-ec', script, 'sh', process.execPath, ...parameters], { encoding: 'utf8' });
const permitted = spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m none /mnt']).status === 0;
const because = permitted ? '' : ' (skipped: mounting in a user namespace is not permitted here)';

describe.skipIf(!permitted)(`a store on a difficult disk${because}`, () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'slipway-disk-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('says DISK_FULL at whichever step there is no room, and keeps nothing half-written', async () => {
    await mkdir(path.join(root, 'small'));
    const child = path.join(import.meta.dirname, 'testing', 'full-disk-child.ts');
    const script = 'mount -t tmpfs -o size=1m none "$3"; exec "$1" "$2" "$3" "$4"';
    const printed = inNamespace(script, child, path.join(root, 'small'), path.join(root, 'models'));
    const outcomes = JSON.parse(printed) as { free: number; code: string; listed: number; temporary: number }[];
    expect(new Set(outcomes.map((outcome) => outcome.code))).toEqual(new Set(['DISK_FULL', 'ok']));
    let successes = 0;
    for (const outcome of outcomes) {
      if (outcome.code === 'ok') successes++;
      expect(outcome).toMatchObject({ listed: successes, temporary: 0 });
    }
  });

  it('reads a store that cannot be written, and checks out into the cache of the user', async () => {
    const directory = path.join(root, 'store');
    const first = await writeModel(path.join(root, 'a'), 'digits', { 'model.onnx': 'weights' });
    const second = await writeModel(path.join(root, 'b'), 'digits', { 'model.onnx': 'other' });
    await (await openStore(directory)).add(first, reportOf('digits'));
    const child = path.join(import.meta.dirname, 'testing', 'read-only-child.ts');
    const cache = path.join(root, 'cache');
    const script =
      'mount --bind "$3" "$3"; mount -o remount,bind,ro "$3"; export XDG_CACHE_HOME="$5"; exec "$1" "$2" "$3" "$4"';
    const outcome = JSON.parse(inNamespace(script, child, directory, second, cache)) as Record<string, string>;
    expect(outcome).toMatchObject({
      listed: 1,
      report: 'digits',
      add: 'READ_ONLY',
      alias: 'READ_ONLY',
      collect: 'READ_ONLY',
      dryRun: 'ok',
    });
    expect(outcome['checkout']).toBe(outcome['again']);
    expect(outcome['checkout']).toContain(path.join(cache, 'slipway', 'checkouts'));
    expect(await readFile(path.join(outcome['checkout'] ?? '', 'model.onnx'), 'utf8')).toBe('weights');
  });
});
