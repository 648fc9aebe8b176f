/**
 * The system shared memory extension: a client on the same machine puts tensors into a POSIX shared memory object and sends
 * only where they are. Such an object is a file in /dev/shm; Node has no mmap, so tensors are read and written by descriptor, one
 * copy each way (602 KB: 24 µs), instead of travelling through a socket.
 *
 * Whoever can reach the server can name any object on the machine that the server may open, so none of this works unless it was
 * allowed. A key is one plain file name; it is opened once, without following links, and must be a regular file. Its size is
 * looked at again at each use, because the client can change it meanwhile, and an object that was replaced by another of the
 * same name is refused rather than read or written in vain.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_shared_memory.md
 */
import { fail, type SlipwayError } from '@slipway/core';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { BodyPool } from '../../http/body-pool.ts';
import type { RegionPart } from './parameters.ts';

interface RegionStatus {
  readonly name: string;
  readonly key: string;
  readonly offset: number;
  readonly byte_size: number;
}

interface Region extends RegionStatus {
  readonly descriptor: number;
}

/** Regions at a time: each holds a descriptor. */
const MOST_REGIONS = 1024;
const LONGEST_NAME = 255;

export class SharedMemory {
  readonly allowed: boolean;
  readonly #directory: string;
  /** One tensor, bytes: what a body may have, so that shared memory is no way around that bound. */
  readonly #maxBytes: number;
  readonly #pool = new BodyPool();
  readonly #regions = new Map<string, Region>();

  constructor(options: { allowed: boolean; maxBytes: number; directory?: string }) {
    this.allowed = options.allowed;
    this.#maxBytes = options.maxBytes;
    this.#directory = options.directory ?? '/dev/shm';
  }

  /** @throws CLIENT_REFUSED, SHARED_MEMORY, NOT_IMPLEMENTED */
  register(name: string, key: string, offset: number, byteSize: number): void {
    this.#check();
    if (process.platform !== 'linux') {
      throw fail('NOT_IMPLEMENTED', { problem: 'system shared memory is only supported on Linux' });
    }
    if (name === '' || name.length > LONGEST_NAME) {
      throw problem(name, `a name has 1 to ${LONGEST_NAME} characters`);
    }
    if (this.#regions.has(name)) {
      throw problem(name, 'a region of this name is registered already; unregister it first');
    }
    if (this.#regions.size >= MOST_REGIONS) throw problem(name, `more than ${MOST_REGIONS} regions are registered`);
    for (const [what, value] of Object.entries({ offset, byte_size: byteSize })) {
      if (!Number.isSafeInteger(value) || value < 0) {
        throw problem(name, `${what} must be a whole number of at least 0`);
      }
    }
    if (byteSize === 0) throw problem(name, 'byte_size must be more than 0');
    const descriptor = this.#open(name, key);
    try {
      const stat = fstatSync(descriptor);
      if (!stat.isFile()) throw problem(name, `the key ${quoted(key)} is not a shared memory object`);
      if (offset + byteSize > stat.size) {
        const asked = `offset ${offset} and byte_size ${byteSize} go past the end`;
        throw problem(name, `${asked} of the object ${quoted(key)}, which has ${stat.size} bytes`);
      }
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    this.#regions.set(name, { name, key, offset, byte_size: byteSize, descriptor });
  }

  /** @param name null: all of them. Unregistering what is not registered is no error, as with Triton. */
  unregister(name: string | null): void {
    this.#check();
    for (const region of name === null ? [...this.#regions.values()] : this.#one(name)) {
      this.#regions.delete(region.name);
      closeSync(region.descriptor);
    }
  }

  /** @param name null: all of them. @throws SHARED_MEMORY */
  status(name: string | null): readonly RegionStatus[] {
    this.#check();
    const regions = name === null ? [...this.#regions.values()] : this.#one(name);
    if (name !== null && regions.length === 0) throw unknown(name);
    return regions.map(({ name: of, key, offset, byte_size }) => ({ name: of, key, offset, byte_size }));
  }

  /**
   * A copy of the part: the client may write the next tensor while this one waits. It can be given back.
   * @throws SHARED_MEMORY
   */
  read(part: RegionPart, where: string): Buffer {
    const { region, at } = this.#locate(part, where);
    if (part.byteSize > this.#maxBytes) throw fail('BODY_TOO_LARGE', { limit: this.#maxBytes });
    const bytes = this.#pool.take(part.byteSize, 0) ?? Buffer.allocUnsafeSlow(part.byteSize);
    let done = 0;
    while (done < bytes.length) {
      const count = readSync(region.descriptor, bytes, done, bytes.length - done, at + done);
      if (count === 0) throw problem(part.region, `${where}: the object was made smaller while it was read`);
      done += count;
    }
    return bytes;
  }

  /** What was read is not referred to any more, not even by a runner. */
  give(read: readonly Buffer[]): void {
    for (const bytes of read) if (this.#pool.takes(bytes.length)) this.#pool.give(bytes);
  }

  /** @throws SHARED_MEMORY when `bytes` do not fit */
  write(part: RegionPart, bytes: Uint8Array, where: string): void {
    const { region, at } = this.#locate(part, where);
    if (bytes.length > part.byteSize) {
      throw problem(part.region, `${where} has ${bytes.length} bytes, and shared_memory_byte_size is ${part.byteSize}`);
    }
    let done = 0;
    while (done < bytes.length) {
      done += writeSync(region.descriptor, bytes, done, bytes.length - done, at + done);
    }
  }

  close(): void {
    for (const { descriptor } of this.#regions.values()) closeSync(descriptor);
    this.#regions.clear();
  }

  #check(): void {
    if (this.allowed) return;
    throw fail('CLIENT_REFUSED', { action: 'use shared memory', option: '--allow-client-shm' });
  }

  #one(name: string): Region[] {
    const region = this.#regions.get(name);
    return region === undefined ? [] : [region];
  }

  /** The region and where in its object the part begins, both as they are now. */
  #locate({ region: name, offset, byteSize }: RegionPart, where: string): { region: Region; at: number } {
    this.#check();
    const region = this.#regions.get(name);
    if (region === undefined) throw unknown(name);
    if (offset + byteSize > region.byte_size) {
      const asked = `offset ${offset} and byte_size ${byteSize} go past the end of the region`;
      throw problem(name, `${where}: ${asked}, which has ${region.byte_size} bytes`);
    }
    const { size, nlink, ino, dev } = fstatSync(region.descriptor);
    if (region.offset + region.byte_size > size) {
      throw problem(name, `${where}: the object ${quoted(region.key)} was made smaller: it has ${size} bytes now`);
    }
    // Unlinked is how many clients keep theirs private. But when there is another object of the name, theirs is that one.
    if (nlink === 0) {
      const now = lstatSync(this.#pathOf(region.key), { throwIfNoEntry: false });
      if (now !== undefined && (now.ino !== ino || now.dev !== dev)) {
        throw problem(name, `${where}: the object ${quoted(region.key)} was replaced by another; register it again`);
      }
    }
    return { region, at: region.offset + offset };
  }

  #open(name: string, key: string): number {
    const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants;
    try {
      return openSync(this.#pathOf(checkedKey(name, key)), O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    } catch (error) {
      if (typeof error !== 'object' || error === null || !('code' in error) || !('syscall' in error)) throw error;
      // The same words whatever the reason: whether an object exists that the client may not use is none of its business.
      throw problem(name, `there is no shared memory object ${quoted(key)} that the server may read and write`, error);
    }
  }

  #pathOf(key: string): string {
    return path.join(this.#directory, key.replace(/^\//, ''));
  }
}

/** As shm_open takes it: one file name, with or without a slash before it. @throws SHARED_MEMORY */
function checkedKey(name: string, key: string): string {
  const file = key.replace(/^\//, '');
  const plain = file !== '' && file !== '.' && file !== '..' && file.length <= LONGEST_NAME && !/[/\\\0]/.test(file);
  // glibc keeps named semaphores there too.
  if (plain && !file.startsWith('sem.')) return key;
  throw problem(name, `${quoted(key)} is not a key of shared memory: it must be one file name, such as "/tensors"`);
}

const quoted = (text: string): string => `"${text.slice(0, 100)}"`;

const unknown = (name: string): SlipwayError =>
  fail('SHARED_MEMORY', { region: name.slice(0, 100), problem: 'no region of this name is registered' });

function problem(name: string, text: string, cause?: unknown): SlipwayError {
  return fail('SHARED_MEMORY', { region: name.slice(0, 100), problem: text }, { cause });
}
