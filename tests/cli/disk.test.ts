/** Builds on a disk that is full or read-only, and two builds at once: a clear error, nothing half-made, and the next build works. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMAND, documentOf, type ErrorDocument, makeProject, slipway } from './slipway.ts';

const project = makeProject();
const disk = path.join(project.directory, 'disk');
mkdirSync(disk);
afterAll(() => project.remove());

/** In a mount namespace of our own, `disk` is a file system as small or as read-only as wanted. */
const mounted = (options: string, then: string): string[] => [
  '-rm',
  'sh',
  '-c',
  `mount -t tmpfs -o ${options} none "${disk}" && ${then}`,
];
const possible = spawnSync('unshare', mounted('size=64k', 'true')).status === 0;

describe.skipIf(!possible)('a store on a disk (skipped where unshare -rm is not permitted)', () => {
  const build = `"${process.execPath}" "${COMMAND}" build --store "${disk}/store" --json`;
  const run = (options: string, then = 'exit $?'): { code: number | null; stdout: string; stderr: string } => {
    const { status, stdout, stderr } = spawnSync('unshare', mounted(options, `{ ${build}; ${then}; }`), {
      cwd: project.directory,
      encoding: 'utf8',
    });
    return { code: status, stdout, stderr };
  };

  it.each(['4k', '40k', '64k'])('of %s says that it is full, and keeps nothing half-written', (size) => {
    const ran = run(
      `size=${size}`,
      `code=$?; find "${disk}/cache/tmp" "${disk}/store/tmp" -type f -print 2>&1 | grep -v No.such >&2; exit $code`,
    );
    expect(ran.code).toBe(1);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('DISK_FULL');
    expect(ran.stderr).not.toContain(`${disk}/`);
  });

  it('that is read-only says so', () => {
    const ran = run('ro');
    expect(ran.code).toBe(1);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('READ_ONLY');
  });

  it.each([
    ['has room again', 'size=40k', 'size=64m'],
    ['can be written again', 'ro', 'rw'],
  ])('that %s is built to, and nothing of the failure is left', (_, before, after) => {
    // The document of the first build goes to stderr, so that stdout has one.
    const again = `mount -o remount,${after} none "${disk}" && ${build} && [ -z "$(ls -A "${disk}/cache/tmp")" ]`;
    const { status, stdout, stderr } = spawnSync('unshare', mounted(before, `{ ${build} >&2; ${again}; }`), {
      cwd: project.directory,
      encoding: 'utf8',
    });
    expect(stderr).toMatch(/"code": "(DISK_FULL|READ_ONLY)"/);
    expect(status).toBe(0);
    expect(documentOf<{ release: { version: number } }>({ code: status, stdout, stderr }).release.version).toBe(1);
  });
});

describe('two builds at once', () => {
  it('make one release, or the second says what it waits for; the store is whole', async () => {
    const both = await Promise.all([1, 2].map(() => slipway(['build', '--json'], { cwd: project.directory })));
    expect(both.some((ran) => ran.code === 0)).toBe(true);
    for (const ran of both.filter((one) => one.code !== 0)) {
      expect(ran.code).toBe(5);
      expect(documentOf<ErrorDocument>(ran).error.code).toBe('STORE_LOCKED');
    }
    const { releases } = documentOf<{ releases: unknown[] }>(
      await slipway(['releases', '--json'], { cwd: project.directory }),
    );
    // The golden samples and so the digest do not depend on who was first.
    expect(releases).toHaveLength(1);
    expect(await slipway(['verify'], { cwd: project.directory })).toMatchObject({ code: 0 });
    const leftovers = path.join(project.directory, '.slipway/cache/tmp');
    expect(existsSync(leftovers) ? readdirSync(leftovers) : []).toEqual([]);
  });
});
