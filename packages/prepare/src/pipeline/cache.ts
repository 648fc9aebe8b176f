/**
 * The stage cache: what a stage made, under the digest of everything that matters for it. A build that changes one thing
 * repeats only what depends on that thing.
 *
 * An entry is a directory with `entry.json` (the value of the stage and the digest and size of every file) and the
 * files. It is made elsewhere and appears by one rename, so a reader sees a whole entry or none, two builds at once do not
 * disturb each other, and what a kill leaves behind is in `tmp/`, where the next build removes it. Content is checked
 * against its digests whenever it is taken; what fails is thrown away and made again.
 *
 * Everything in the cache can be made again: it may be deleted at any time no build runs. An entry that no build has used for a
 * month is removed by the next one, so that the cache does not grow for ever.
 */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import {
  type Digest,
  digestOfFile,
  digestOfJson,
  ensureDirectory,
  fail,
  fromSystemError,
  type Logger,
} from '@slipway/core';

/** Raised when the form of entries changes: older ones are then not found. */
const CACHE_VERSION = 1;
const ENTRY_FILE = 'entry.json';
const UNUSED_MS = 30 * 24 * 60 * 60 * 1000;

interface Stage<T> {
  readonly value: T;
  /** The directory with the files of the stage; read only. */
  readonly directory: string;
  readonly cached: boolean;
}

export interface StageCache {
  /**
   * The result of a stage: found, or made by `make`, which writes its files into the directory it is given.
   * @param material everything the result depends on; like the value, something JSON can say
   */
  stage<T>(kind: string, material: unknown, make: (directory: string) => Promise<T>): Promise<Stage<T>>;
  /** What is there already, or null. */
  find<T>(kind: string, material: unknown): Promise<Stage<T> | null>;
  /** A fresh directory that lives as long as the build. */
  scratch(): Promise<string>;
  /** Remove what this build left in `tmp/`. */
  close(): Promise<void>;
}

interface Entry {
  readonly value: unknown;
  readonly files: readonly { readonly path: string; readonly size: number; readonly digest: Digest }[];
}

/** @throws READ_ONLY, DISK_FULL */
export async function openCache(directory: string, log: Logger, now: () => number = Date.now): Promise<StageCache> {
  const temporary = path.join(directory, 'tmp');
  const own = path.join(temporary, `${hostname()}.${process.pid}.${randomUUID()}`);
  await guarded(directory, 'creating the stage cache', async () => {
    await ensureDirectory(own);
    await removeOrphans(temporary);
    await removeUnused(directory, own, now() - UNUSED_MS);
  });
  return new DiskCache(directory, own, log, now);
}

class DiskCache implements StageCache {
  readonly #root: string;
  readonly #own: string;
  readonly #log: Logger;
  readonly #now: () => number;

  constructor(root: string, own: string, log: Logger, now: () => number) {
    this.#root = root;
    this.#own = own;
    this.#log = log;
    this.#now = now;
  }

  async stage<T>(kind: string, material: unknown, make: (directory: string) => Promise<T>): Promise<Stage<T>> {
    const found = await this.find<T>(kind, material);
    if (found !== null) return found;
    const making = await this.scratch();
    return guarded(making, `writing the result of ${kind}`, async () => {
      const value = await make(making);
      const entry: Entry = { value, files: await describeFiles(making) };
      await writeFile(path.join(making, ENTRY_FILE), JSON.stringify({ digest: digestOfJson(entry), entry }));
      const place = this.#place(kind, material);
      await ensureDirectory(path.dirname(place));
      try {
        await rename(making, place);
      } catch (error) {
        // Another build was faster: then its entry is as good as ours.
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
        const theirs = await this.find<T>(kind, material);
        if (theirs !== null) return theirs;
        await rename(making, place);
      }
      return { value, directory: place, cached: false };
    });
  }

  async find<T>(kind: string, material: unknown): Promise<Stage<T> | null> {
    const place = this.#place(kind, material);
    try {
      const entry = await readEntry(place);
      if (entry === null) return null;
      // Marks it as used. Not being able to is no reason not to use it.
      const used = new Date(this.#now());
      await utimes(path.join(place, ENTRY_FILE), used, used).catch(() => undefined);
      return { value: entry.value as T, directory: place, cached: true };
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.#log.warn({ kind, entry: place, problem }, 'a cache entry is damaged and will be made again');
      await guarded(place, 'removing a damaged cache entry', async () => {
        // Renamed first, so that nobody finds half of it while it goes.
        const away = path.join(this.#own, randomUUID());
        await rename(place, away);
        await rm(away, { recursive: true, force: true });
      });
      return null;
    }
  }

  async scratch(): Promise<string> {
    const directory = path.join(this.#own, randomUUID());
    await guarded(directory, 'creating a temporary directory', () => ensureDirectory(directory));
    return directory;
  }

  async close(): Promise<void> {
    await rm(this.#own, { recursive: true, force: true });
  }

  #place(kind: string, material: unknown): string {
    const key = digestOfJson({ version: CACHE_VERSION, kind, material });
    return path.join(this.#root, kind, key.slice('sha256:'.length));
  }
}

/** null when there is none. @throws when it is there but not what was written */
async function readEntry(place: string): Promise<Entry | null> {
  let text: string;
  try {
    text = await readFile(path.join(place, ENTRY_FILE), 'utf8');
  } catch (error) {
    // A directory without the file was never renamed into place by us: damaged. No directory: nothing there.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !(await exists(place))) return null;
    throw error;
  }
  const { digest, entry } = JSON.parse(text) as { digest?: unknown; entry?: Entry };
  if (entry === undefined || digest !== digestOfJson(entry)) throw new Error(`${ENTRY_FILE} does not have its digest`);
  for (const file of entry.files) {
    const at = path.join(place, file.path);
    const actual = (await stat(at)).size === file.size ? await digestOfFile(at) : null;
    if (actual !== file.digest) throw new Error(`${file.path} does not have its digest`);
  }
  return entry;
}

async function exists(place: string): Promise<boolean> {
  return stat(place).then(
    () => true,
    () => false,
  );
}

async function describeFiles(directory: string): Promise<Entry['files']> {
  const names = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((found) => found.isFile())
    .map((found) => path.relative(directory, path.join(found.parentPath, found.name)))
    .sort();
  return Promise.all(
    names.map(async (name) => {
      const at = path.join(directory, name);
      return { path: name, size: (await stat(at)).size, digest: await digestOfFile(at) };
    }),
  );
}

/** Remove what was last used before `since`. An entry goes out of sight by a rename before it is taken apart. */
async function removeUnused(root: string, own: string, since: number): Promise<void> {
  for (const kind of await readdir(root)) {
    if (kind === path.basename(path.dirname(own))) continue;
    for (const key of await readdir(path.join(root, kind))) {
      const place = path.join(root, kind, key);
      const used = await stat(path.join(place, ENTRY_FILE)).catch(() => null);
      if (used === null || used.mtimeMs >= since) continue;
      // Another build may be removing it too.
      await rename(place, path.join(own, randomUUID())).catch(() => undefined);
    }
  }
}

/** Remove the temporary directories of processes of this host that are gone. */
async function removeOrphans(temporary: string): Promise<void> {
  for (const name of await readdir(temporary)) {
    const match = /^(.*)\.(\d+)\.[0-9a-f-]{36}$/.exec(name);
    if (match?.[1] !== hostname() || isAlive(Number(match[2]))) continue;
    await rm(path.join(temporary, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Someone else's process exists all the same.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function guarded<T>(place: string, action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { syscall } = error as NodeJS.ErrnoException;
    // Only what the file system said is ours to translate; the rest is whatever the stage threw.
    if (typeof syscall !== 'string') throw error;
    const translated = fromSystemError(error, place, action);
    throw translated.code === 'FILE_NOT_FOUND'
      ? fail('INTERNAL', { problem: `${place} vanished while ${action}` })
      : translated;
  }
}
