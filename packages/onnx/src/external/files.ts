/**
 * Opens the file an external tensor names, safely.
 *
 * A model is often somebody else's: a location may not leave the folder of the model, neither in words (absolute, `..`)
 * nor through a symbolic link in any component, and must be a regular file that holds every byte named. Links are
 * refused component by component before opening and again by O_NOFOLLOW, and size is asked of the open file.
 * A hard link cannot be told from the file itself, only counted: a file with other names is refused unless the caller
 * says that it manages the folder (a release store shares its blobs by hard links).
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from '@slipway/core';
import type { ExternalData, Initializer } from '../ir/initializer.ts';
import { rawByteLength } from '../ir/dtype.ts';
import { countOf } from '../ir/elements.ts';

export interface ExternalOptions {
  /** Accept files that have more than one name. For folders whose content we made ourselves. */
  readonly allowHardLinks?: boolean;
}

/** A checked, open external file range. Close it. */
export interface ExternalRange {
  readonly descriptor: number;
  readonly path: string;
  readonly offset: number;
  readonly length: number;
}

/** Location as path components, when it is relative, inside, and means the same on every system. */
function components(location: string): readonly string[] | undefined {
  if (location.includes('\0') || location.includes('\\') || location.startsWith('/') || /^[A-Za-z]:/.test(location)) {
    return undefined;
  }
  const parts = location.split('/').filter((part) => part !== '.' && part !== '');
  return parts.length === 0 || parts.includes('..') ? undefined : parts;
}

/**
 * @param directory the folder of the model
 * @throws EXTERNAL_DATA
 */
export function openExternal(
  initializer: Initializer & { readonly data: ExternalData },
  directory: string,
  options: ExternalOptions = {},
): ExternalRange {
  const { location, offset, length } = initializer.data;
  const refuse = (problem: string): Error =>
    fail('EXTERNAL_DATA', { path: directory, tensor: initializer.name, problem });

  const needed = rawByteLength(initializer.dtype, countOf(initializer));
  if (Number.isNaN(needed)) {
    throw refuse(`is given for the dtype ${initializer.dtype}, whose elements have no fixed size`);
  }
  if (length !== null && length !== needed) {
    throw refuse(`has length ${length}, ${initializer.dtype}[${initializer.dims.join(', ')}] needs ${needed} bytes`);
  }
  const parts = components(location);
  if (parts === undefined) {
    throw refuse(`is at "${location}", which is not a relative path inside the folder of the model`);
  }

  let path = directory;
  for (const [index, part] of parts.entries()) {
    path = join(path, part);
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined) throw refuse(`is in "${location}", which does not exist`);
    if (status.isSymbolicLink()) throw refuse(`is at "${location}", where "${part}" is a symbolic link`);
    if (index < parts.length - 1 ? !status.isDirectory() : !status.isFile()) {
      throw refuse(
        `is at "${location}", where "${part}" is not a ${index < parts.length - 1 ? 'folder' : 'regular file'}`,
      );
    }
  }
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    throw fail(
      'EXTERNAL_DATA',
      { path: directory, tensor: initializer.name, problem: `in "${location}" cannot be read: ${String(error)}` },
      { cause: error },
    );
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw refuse(`is at "${location}", which is not a regular file`);
    if (status.nlink !== 1 && options.allowHardLinks !== true) {
      throw refuse(`is at "${location}", a file with ${status.nlink} names (hard links)`);
    }
    if (offset > status.size || needed > status.size - offset) {
      throw refuse(`needs bytes ${offset} to ${offset + needed} of "${location}", which has ${status.size}`);
    }
    return { descriptor, path, offset, length: needed };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** Largest single read: Node's reads are limited to 2^31-1 bytes. */
const CHUNK = 1 << 30;

/**
 * The bytes of a tensor, wherever they are: a view when the model holds them, read from its file otherwise.
 * @param directory where external data is; by default the folder the model was read from
 * @throws EXTERNAL_DATA, MODEL_INVALID
 */
export function readExternal(
  initializer: Initializer & { readonly data: ExternalData },
  directory: string | null = initializer.data.directory,
  options: ExternalOptions = {},
): Uint8Array {
  if (directory === null) {
    const problem = `is in "${initializer.data.location}", and the model was not read from a folder`;
    throw fail('EXTERNAL_DATA', { path: 'model', tensor: initializer.name, problem });
  }
  const range = openExternal(initializer, directory, options);
  try {
    const bytes = new Uint8Array(range.length);
    for (let done = 0; done < range.length;) {
      const count = readSync(range.descriptor, bytes, done, Math.min(CHUNK, range.length - done), range.offset + done);
      if (count === 0) {
        const problem = `in "${initializer.data.location}" became shorter while it was read`;
        throw fail('EXTERNAL_DATA', { path: directory, tensor: initializer.name, problem });
      }
      done += count;
    }
    return bytes;
  } finally {
    closeSync(range.descriptor);
  }
}
