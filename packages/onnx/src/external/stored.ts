/**
 * Elements that stay in a file and are read each time they are asked for.
 *
 * A model of a gigabyte is mostly weights that a pass looks at once, one after the other. So a weight need not be held to be
 * part of a model: it may be a range of the file it came from, or of a file that a pass put its results in. Whoever
 * takes `bytes` holds a copy of their own and lets it go when done; nothing is cached, not even weakly, because what a
 * WeakRef points to lives until the end of the current job, and a pass over all weights is one job.
 *
 * Unlike external data of a model (`files.ts`), which is somebody else's words about a path, the file here is one we opened
 * ourselves; what is checked is that it is still the same one.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { fail, fromSystemError } from '@slipway/core';
import type { RawData } from '../ir/initializer.ts';

/** A file as it was when ranges of it were taken. */
export interface StoredFile {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** Time of the last change, milliseconds; null for a file that still grows at its end. */
  readonly modified: number | null;
}

/** Long enough that the calls cost nothing beside the copying. */
const PIECE_BYTES = 8 * 1024 * 1024;

/** Largest single read: Node's reads are limited to 2^31-1 bytes. */
const LARGEST_READ = 1 << 30;

export class StoredBytes implements RawData {
  readonly kind = 'raw';
  readonly size: number;
  readonly #file: StoredFile;
  readonly #offset: number;

  constructor(file: StoredFile, offset: number, size: number) {
    this.#file = file;
    this.#offset = offset;
    this.size = size;
  }

  /** @throws FILE_NOT_FOUND, FILE_UNREADABLE also when the file is not what it was */
  get bytes(): Uint8Array {
    const bytes = new Uint8Array(this.size);
    for (const _ of this.#read(bytes, LARGEST_READ));
    return bytes;
  }

  /** The bytes in order, in pieces that are views of one buffer: use each before asking for the next. */
  *pieces(): Generator<Uint8Array> {
    yield* this.#read(new Uint8Array(Math.min(PIECE_BYTES, this.size)), PIECE_BYTES);
  }

  /** Fills `into` from its start, or over and over when it is smaller than the range. */
  *#read(into: Uint8Array, step: number): Generator<Uint8Array> {
    const { path } = this.#file;
    let descriptor: number | undefined;
    try {
      descriptor = openSync(path, 'r');
      const { dev, ino, mtimeMs } = fstatSync(descriptor);
      const { device, inode, modified } = this.#file;
      if (dev !== device || ino !== inode || (modified !== null && mtimeMs !== modified)) {
        throw fail('FILE_UNREADABLE', { path, problem: 'it was changed or replaced while its weights were in use' });
      }
      const whole = into.length === this.size;
      for (let done = 0; done < this.size;) {
        const at = whole ? done : 0;
        const count = readSync(
          descriptor,
          into,
          at,
          Math.min(step, into.length - at, this.size - done),
          this.#offset + done,
        );
        if (count === 0) {
          throw fail('FILE_UNREADABLE', { path, problem: 'it became shorter while its weights were in use' });
        }
        done += count;
        yield into.subarray(at, at + count);
      }
    } catch (error) {
      throw fromSystemError(error, path, 'reading weights');
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }
}

/** The bytes of raw data in pieces (one where they are held), each good until the next is asked for. */
export function piecesOf(data: RawData): Iterable<Uint8Array> {
  return data instanceof StoredBytes ? data.pieces() : [data.bytes];
}

/** What identifies the file behind `descriptor`, opened from `path`. @param grows more will be appended to it */
export function storedFile(path: string, descriptor: number, grows = false): StoredFile {
  const { dev, ino, mtimeMs } = fstatSync(descriptor);
  return Object.freeze({ path, device: dev, inode: ino, modified: grows ? null : mtimeMs });
}
