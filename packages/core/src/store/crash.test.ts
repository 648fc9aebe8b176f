/**
 * A kill at every step of everything that writes: whoever opens the store next sees the old state or the new one, whole,
 * can finish the work, and a garbage collection leaves no trace of the crash.
 */
import { execFile, type ExecFileException } from 'node:child_process';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from './open.ts';
import { reportOf, writeModel } from './testing/model.ts';

const CHILD = path.join(import.meta.dirname, 'testing', 'crash-child.ts');
let root: string;
let empty: string;
let filled: string;
let model: string;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'slipway-crash-'));
  empty = path.join(root, 'empty');
  filled = path.join(root, 'filled');
  model = await writeModel(path.join(root, 'c'), 'digits', { 'model.onnx': 'c', 'model.data': 'd', 'golden.npz': 'g' });
  const store = await openStore(filled);
  for (const content of ['a', 'b', 'gone']) {
    const each = await writeModel(path.join(root, content), 'digits', { 'model.onnx': content, 'golden.npz': content });
    await store.add(each, reportOf('digits'));
  }
  await store.setAlias('digits:2', 'champion');
  await store.remove('digits:3');
});
afterAll(() => rm(root, { recursive: true, force: true }));

function child(...parameters: string[]): Promise<NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [CHILD, ...parameters], (error: ExecFileException | null, _stdout, stderr) => {
      if (error === null) resolve(null);
      else if (error.signal === 'SIGKILL') resolve('SIGKILL');
      else reject(new Error(stderr, { cause: error }));
    });
  });
}

/** Everything a user can see of a store, with every digest recomputed. */
async function stateOf(directory: string): Promise<string[]> {
  const store = await openStore(directory);
  const releases = await store.list();
  for (const release of releases) await store.verify(release);
  return Promise.all(
    releases.map(async (release) => {
      const report = (await store.readReport(release))?.release?.version ?? 'no report';
      return `${release.name}:${release.version} ${release.digest} @${release.aliases.join()} ${report}`;
    }),
  );
}

async function act(directory: string, action: string, argument: string): Promise<unknown> {
  const store = await openStore(directory);
  if (action === 'add') return store.add(argument, reportOf('digits'));
  if (action === 'alias') return store.setAlias('digits:1', argument);
  // A removal that had happened already says so.
  if (action === 'remove') {
    return store.remove(argument).catch((error: unknown) => expect(error).toMatchObject({ code: 'RELEASE_NOT_FOUND' }));
  }
  if (action === 'checkout') return store.checkout(await store.resolve(argument));
  return store.collectGarbage();
}

describe('a process that is killed', () => {
  const copyOf = async (base: string, name: string): Promise<string> => {
    const directory = path.join(root, name);
    if (base !== empty) await cp(base, directory, { recursive: true });
    return directory;
  };

  /** The store at `directory` is whole, can be worked on, and can be cleaned. */
  async function inspect(
    directory: string,
    states: readonly string[][],
    action: string,
    argument: string,
  ): Promise<string[]> {
    const state = await stateOf(directory);
    expect(states, directory).toContainEqual(state);
    await act(directory, action, argument);
    expect(await stateOf(directory)).toEqual(states[1]);
    await (await openStore(directory)).collectGarbage({ temporaryAgeMs: -60_000 });
    expect(await stateOf(directory)).toEqual(states[1]);
    expect(await readdir(path.join(directory, 'tmp'))).toEqual([]);
    expect((await readdir(directory)).filter((name) => name.startsWith('lock'))).toEqual([]);
    return state;
  }

  // A kill leaves on disk what is there at that moment, so a copy taken at each step, whose lock names a process that is
  // gone, is what a kill at each step leaves. That this is so, the next test shows by killing.
  it.each([
    ['the first add', () => empty, 'add', () => model],
    ['another add', () => filled, 'add', () => model],
    ['setAlias', () => filled, 'alias', () => 'champion'],
    ['remove', () => filled, 'remove', () => 'digits:1'],
    ['collectGarbage', () => filled, 'collect', () => ''],
    ['checkout', () => filled, 'checkout', () => 'digits'],
  ])('at any step of %s leaves the old state or the new one', async (_name, base, action, argument) => {
    const name = `${action}-${path.basename(base())}`;
    const complete = await copyOf(base(), name);
    const before = await stateOf(complete);
    await child(complete, action, argument(), path.join(root, `${name}-at`));
    const after = await stateOf(complete);
    const snapshots = await readdir(path.join(root, `${name}-at`));
    expect(snapshots.length).toBeGreaterThan(0);
    const seen = new Set<string>();
    for (const at of snapshots) {
      seen.add(JSON.stringify(await inspect(path.join(root, `${name}-at`, at), [before, after], action, argument())));
    }
    // The steps lie on both sides of the change.
    expect(seen.size).toBe(JSON.stringify(before) === JSON.stringify(after) ? 1 : 2);
  });

  it.each(['blob.writing', 'blob.staged', 'lock.taken', 'blob.committed', 'index.json.written', 'index.json.renamed'])(
    'by SIGKILL at %s leaves the same',
    async (step) => {
      const complete = await copyOf(filled, `${step}-complete`);
      const before = await stateOf(complete);
      await act(complete, 'add', model);
      const directory = await copyOf(filled, `${step}-killed`);
      expect(await child(directory, 'add', model, '', step)).toBe('SIGKILL');
      await inspect(directory, [before, await stateOf(complete)], 'add', model);
    },
  );

  it('and three processes that add at once all succeed, with a version each', async () => {
    const directory = path.join(root, 'together');
    const models = ['x', 'y', 'z'].map((content) =>
      writeModel(path.join(root, content), 'digits', { 'model.onnx': content }),
    );
    await Promise.all((await Promise.all(models)).map((each) => child(directory, 'add', each)));
    const state = await stateOf(directory);
    expect(state.map((line) => line.split(' ')[0])).toEqual(['digits:1', 'digits:2', 'digits:3']);
  });
});
