/** What must hold when things go wrong around a build: kills, interrupts, two at once, damaged caches, bad disks. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { anyOf, openStore, prune } from '@slipway/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeProject, type Project } from '../testing/projects.ts';
import { build } from './build.ts';
import { BUILD_STAGES } from './hooks.ts';

const CHILD = path.join(import.meta.dirname, '..', 'testing', 'build-main.ts');

/** Mounts of its own for a process, without being root, where the kernel allows it. */
const UNSHARE = '/usr/bin/unshare';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => project.remove());

const inside = (...parts: string[]): string => path.join(project.directory, '.slipway', ...parts);
const recipe = [prune.magnitude({ rule: 'ratio', ratio: 0.5 })];
const options = () => project.config({ recipe, gates: { drop: 0.9 } });

interface Ended {
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

function runChild(...more: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CHILD, project.directory, ...more], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (_, signal) => resolve({ signal, output }));
  });
}

/** Every file below a directory. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(directory, name))
    .filter((file) => statSync(file).isFile());
}

describe('a killed build', () => {
  it.each(['passes', 'measure', 'release'])(
    'at "%s" leaves a readable store, and the next build finishes',
    async (stage) => {
      expect((await runChild(stage)).signal).toBe('SIGKILL');
      const store = await openStore(project.config().store);
      expect(await store.list()).toEqual([]);
      expect(existsSync(inside('reports', 'tiny.json'))).toBe(false);
      const { release } = await build(options());
      expect(release!.version).toBe(1);
      expect(readdirSync(inside('cache', 'tmp'))).toEqual([]);
    },
  );
});

describe('an interrupted build', () => {
  it.each(BUILD_STAGES.slice(0, -1))('at "%s" rejects with the reason and cleans up', async (stage) => {
    const controller = new AbortController();
    const reason = new Error('interrupted by the test');
    const progress = (event: { stage: string }): void => {
      if (event.stage === stage) controller.abort(reason);
    };
    // Only a recipe with a choice in it is searched.
    const open = [prune.magnitude({ rule: 'ratio', ratio: anyOf(0.4, 0.5) })];
    const config = stage === 'search' ? project.config({ recipe: open, gates: { drop: 0.9 } }) : options();
    await expect(build(config, { signal: controller.signal, progress })).rejects.toBe(reason);
    expect(readdirSync(inside('cache', 'tmp'))).toEqual([]);
    expect(await (await openStore(project.config().store)).list()).toEqual([]);
  });
});

describe('two builds at once', () => {
  it('both succeed with the same release', async () => {
    const ended = await Promise.all([runChild(), runChild()]);
    const digests = new Set(ended.map(({ output }) => output));
    expect([...digests]).toEqual([expect.stringMatching(/^sha256:/)]);
    expect(await (await openStore(project.config().store)).list()).toHaveLength(1);
    expect(readdirSync(inside('cache', 'tmp'))).toEqual([]);
  });
});

describe('a damaged cache', () => {
  it.each([
    ['a flipped bit', (content: Buffer) => content.with(content.length >> 1, content[content.length >> 1]! ^ 0x10)],
    ['a cut', (content: Buffer) => content.subarray(0, 10)],
  ])('is noticed and made again: %s in every file', async (_, damage) => {
    const first = await build(options());
    const damaged = filesBelow(inside('cache')).map((file) => {
      const content = Buffer.from(damage(readFileSync(file)));
      writeFileSync(file, content);
      return { file, content };
    });
    expect(damaged.length).toBeGreaterThan(8);
    expect((await build(options())).release!.digest).toBe(first.release!.digest);
    for (const { file, content } of damaged) expect(readFileSync(file).equals(content), file).toBe(false);
  });
});

describe('a bad disk', () => {
  it('that cannot be written gives a clear error', async () => {
    writeFileSync(inside(), 'a file where the directory should be');
    await expect(build(options())).rejects.toMatchObject({ name: 'SlipwayError' });
  });

  const canMount = ((): boolean => {
    try {
      execFileSync(UNSHARE, ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();

  const inMount = (mount: string): string =>
    execFileSync(
      UNSHARE,
      [
        '-rm',
        'sh',
        '-c',
        `mkdir -p "$1/.slipway" && ${mount} && "$2" "$3" "$1" 2>&1; ls "$1/.slipway"`,
        'sh',
        project.directory,
        process.execPath,
        CHILD,
      ],
      { encoding: 'utf8' },
    );

  it.skipIf(!canMount)('that is full says so and keeps nothing half-written (needs user namespaces)', () => {
    const output = inMount('mount -t tmpfs -o size=16k tmpfs "$1/.slipway"');
    expect(output).toContain('DISK_FULL');
  });

  it.skipIf(!canMount)('that is read-only says so (needs user namespaces)', () => {
    const output = inMount('mount -t tmpfs -o ro tmpfs "$1/.slipway"');
    expect(output).toContain('READ_ONLY');
  });
});
