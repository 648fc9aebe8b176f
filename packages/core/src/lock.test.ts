import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { withLock } from './lock.ts';

let root: string;
let file: string;
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'slipway-lock-'));
  file = path.join(root, 'lock');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const quick = { waitMs: 100, pollMs: 10 };
const held = async (): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
/** The lock file as this process writes it, with some of it changed. */
async function forge(changes: Record<string, unknown>): Promise<void> {
  const mine = await withLock(file, held);
  await writeFile(file, JSON.stringify({ ...mine, ...changes }));
}
const taken = () => withLock(file, async () => 'taken', quick);

describe('withLock', () => {
  it('lets one in at a time, and is released on return and on error', async () => {
    let inside = 0;
    let passed = 0;
    const enter = () =>
      withLock(
        file,
        async () => {
          expect(++inside).toBe(1);
          await sleep(2);
          inside--;
          passed++;
        },
        { pollMs: 1 },
      );
    await Promise.all(Array.from({ length: 12 }, enter));
    expect(passed).toBe(12);
    await expect(withLock(file, () => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
    expect(await readdir(root)).toEqual([]);
  });

  it('gives up after a while and says who holds it', async () => {
    await withLock(file, async () => {
      const { since } = await held();
      await expect(taken()).rejects.toMatchObject({
        code: 'STORE_LOCKED',
        exitCode: 5,
        params: { pid: process.pid, host: hostname(), since },
      });
    });
    expect(await taken()).toBe('taken');
  });

  it('takes over the lock of a process that was killed', async () => {
    const script = `import { withLock } from ${JSON.stringify(pathToFileURL(path.join(import.meta.dirname, 'lock.ts')).href)};
      await withLock(${JSON.stringify(file)}, () => { console.log('held'); return new Promise((r) => setTimeout(r, 60000)); });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await expect(taken()).rejects.toMatchObject({ code: 'STORE_LOCKED', params: { pid: child.pid } });
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
    expect(await taken()).toBe('taken');
    expect(await readdir(root)).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux')('is not fooled by a process that has the id of the holder', async () => {
    await forge({ started: '1' });
    expect(await taken()).toBe('taken');
    await forge({ boot: 'an earlier one' });
    expect(await taken()).toBe('taken');
  });

  it('respects a holder it cannot see', async () => {
    const { pid: gone } = spawnSync('true');
    await forge({ host: 'elsewhere', pid: gone });
    await expect(taken()).rejects.toMatchObject({ code: 'STORE_LOCKED', params: { host: 'elsewhere' } });
    await rm(file);
    await forge({ namespace: 'a container', pid: gone });
    await expect(taken()).rejects.toMatchObject({ code: 'STORE_LOCKED' });
  });

  it('removes a lock that a power failure cut, once it is old', async () => {
    await writeFile(file, '');
    await expect(taken()).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await utimes(file, 1, 1);
    expect(await taken()).toBe('taken');
  });

  it('lets one in at a time also when all find an abandoned lock', async () => {
    for (let round = 0; round < 30; round++) {
      await forge({ boot: 'an earlier one', token: `old-${round}` });
      let inside = 0;
      const enter = async (after: number) => {
        for (let turn = 0; turn < after; turn++) await readFile('/dev/null');
        await withLock(
          file,
          async () => {
            expect(++inside).toBe(1);
            await sleep(1);
            inside--;
          },
          { pollMs: 1 },
        );
      };
      await Promise.all(Array.from({ length: 8 }, (_, after) => enter(after)));
    }
    expect(await readdir(root)).toEqual([]);
  });
});
