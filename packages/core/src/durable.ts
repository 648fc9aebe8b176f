/**
 * Files that survive a crash: content is written beside its destination, flushed, and renamed into place, so that a
 * reader (and whoever starts after a power cut) sees the old file or the new one, never a part of one.
 *
 * `Step` is called at each moment where a crash would leave something different on disk; tests kill the process there.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fail } from './errors.ts';

export type Step = (name: string) => void | Promise<void>;

/** Flush a directory, which makes the creations and renames in it durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems (network mounts) refuse to flush a directory; they order renames themselves.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Make a directory and its parents. Not Node's `mkdir` with `recursive`: on a read-only file system that says ENOENT, which
 * hides the reason, and below /proc it never returns.
 */
export async function ensureDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || path.dirname(directory) === directory) throw error;
    await ensureDirectory(path.dirname(directory));
    await mkdir(directory).catch((again: unknown) => {
      const { code: why } = again as NodeJS.ErrnoException;
      if (why === 'EEXIST') return;
      // Its parent is there: a file system, such as /proc, in which nobody makes directories.
      if (why === 'ENOENT') {
        throw fail('READ_ONLY', { path: directory, problem: 'no directory can be made there' }, { cause: again });
      }
      throw again;
    });
  }
}

/** Create `file` with `content`, flushed. On failure nothing is left. */
async function writeFlushed(file: string, content: Uint8Array | string, mode = 0o644): Promise<void> {
  const handle = await open(file, 'wx', mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } catch (error) {
    await handle.close();
    await rm(file, { force: true });
    throw error;
  }
  await handle.close();
}

export interface ReplaceOptions {
  /** Where the new content is written first; the same file system. Default: beside the file. */
  readonly temporaryDirectory?: string;
  /** Name of the steps: `NAME.written`, `NAME.renamed`. */
  readonly step?: Step;
}

/** Give `file` a new content, atomically and durably. */
export async function replaceFile(
  file: string,
  content: Uint8Array | string,
  options: ReplaceOptions = {},
): Promise<void> {
  const directory = path.dirname(file);
  const name = path.basename(file);
  const temporary = path.join(options.temporaryDirectory ?? directory, `.${name}.${randomUUID()}`);
  await writeFlushed(temporary, content);
  try {
    await options.step?.(`${name}.written`);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await options.step?.(`${name}.renamed`);
  await syncDirectory(directory);
}
