/**
 * Reads the tars of releases, which may come from anywhere. Only regular files and folders exist in them: links,
 * devices, sparse files, paths that leave the folder, names that occur twice or are file and folder at once, wrong
 * checksums, sizes beyond the end and unknown extensions are refused, each by name. Nothing is allocated by a size
 * that the tar claims, except a pax header, which is bounded.
 */
import { fail, type SlipwayError } from '../errors.ts';
import { isSafeRelativePath } from '../manifest.ts';
import { BLOCK, padding } from './tar-write.ts';

/** Writers of plain pax records need < 2 KB: one path and one size. */
const MAX_PAX_BYTES = 16 * 1024;
/** Twice the files a manifest may list, for their folders. */
const MAX_MEMBERS = 200_000;

export interface TarSource {
  /** For messages. */
  readonly path: string;
  /** Bytes from the current position to the end. */
  remaining(): number;
  /** Exactly `length` bytes, `length` ≤ remaining; valid until the next call. */
  read(length: number): Promise<Buffer>;
  skip(length: number): Promise<void>;
}

export interface TarEntry {
  readonly path: string;
  readonly type: 'file' | 'folder';
  readonly size: number;
  /** The content in pieces; what is not consumed before the next entry is skipped. */
  chunks(): AsyncGenerator<Buffer, void>;
}

const CHUNK = 1 << 20;

/** @throws STORE_CORRUPT */
export async function* readTar(source: TarSource): AsyncGenerator<TarEntry, void> {
  const corrupt = (problem: string): SlipwayError => fail('STORE_CORRUPT', { path: source.path, problem });
  const seen = new Map<string, 'file' | 'folder'>();
  let pax = new Map<string, string>();
  for (;;) {
    const head = parseHeader(Buffer.from(await take(source, BLOCK, corrupt)), corrupt);
    if (head === null) break;
    if (head.type === 'x') {
      if (head.size > MAX_PAX_BYTES) throw corrupt(`a pax header of ${head.size} bytes`);
      pax = parsePax(Buffer.from(await take(source, head.size, corrupt)), corrupt);
      await source.skip(available(source, padding(head.size), corrupt));
      continue;
    }
    const size = pax.has('size') ? paxSize(pax.get('size') ?? '', corrupt) : head.size;
    const name = pax.get('path') ?? head.name;
    pax = new Map();
    const type = memberType(head.type, name, corrupt);
    const path = type === 'folder' ? name.replace(/\/$/, '') : name;
    remember(seen, path, type, corrupt);
    if (type === 'folder' && size !== 0) throw corrupt(`folder "${path}" has content`);
    if (size > source.remaining()) throw corrupt(`"${path}" claims ${size} bytes, ${source.remaining()} are left`);
    let left = size;
    yield {
      path,
      type,
      size,
      async *chunks() {
        while (left > 0) {
          const piece = await source.read(Math.min(left, CHUNK));
          left -= piece.length;
          yield piece;
        }
      },
    };
    await source.skip(left);
    await source.skip(available(source, padding(size), corrupt));
  }
  if (pax.size > 0) throw corrupt('ends after a pax header');
  // The first zero block is read; what follows it must be zeros only.
  if (source.remaining() < BLOCK) throw corrupt('has no end mark');
  while (source.remaining() > 0) {
    const rest = await source.read(Math.min(source.remaining(), CHUNK));
    if (rest.some((byte) => byte !== 0)) throw corrupt('has bytes after its end mark');
  }
}

type Corrupt = (problem: string) => SlipwayError;

function take(source: TarSource, length: number, corrupt: Corrupt): Promise<Buffer> {
  return source.read(available(source, length, corrupt));
}

function available(source: TarSource, length: number, corrupt: Corrupt): number {
  if (length > source.remaining()) throw corrupt('is cut off');
  return length;
}

function memberType(type: string, name: string, corrupt: Corrupt): 'file' | 'folder' {
  if (type === '0' || type === '\0') return 'file';
  if (type === '5') return 'folder';
  const known: Record<string, string> = {
    1: 'a hard link',
    2: 'a symbolic link',
    3: 'a device',
    4: 'a device',
    6: 'a FIFO',
  };
  throw corrupt(`"${name}" is ${known[type] ?? `a member of the unknown type ${JSON.stringify(type)}`}`);
}

function remember(seen: Map<string, 'file' | 'folder'>, path: string, type: 'file' | 'folder', corrupt: Corrupt): void {
  if (!isSafeRelativePath(path)) throw corrupt(`the path ${JSON.stringify(path)} leaves the folder`);
  if (seen.size >= MAX_MEMBERS) throw corrupt(`has more than ${MAX_MEMBERS} members`);
  if (seen.has(path)) throw corrupt(`"${path}" occurs twice`);
  const slash = path.lastIndexOf('/');
  if (slash !== -1 && seen.get(path.slice(0, slash)) !== 'folder') {
    throw corrupt(`the folder of "${path}" is not there before it`);
  }
  seen.set(path, type);
}

interface Header {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

/** null for a block of zeros. */
function parseHeader(bytes: Buffer, corrupt: Corrupt): Header | null {
  if (bytes.every((byte) => byte === 0)) return null;
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (bytes[i] ?? 0);
  if (octal(bytes, 148, 8, corrupt) !== sum) throw corrupt('a header has a wrong checksum');
  if (bytes.toString('latin1', 257, 263) !== 'ustar\0') throw corrupt('a header is not ustar');
  const prefix = text(bytes, 345, 155);
  const name = text(bytes, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: octal(bytes, 124, 12, corrupt),
    type: bytes.toString('latin1', 156, 157),
  };
}

function text(bytes: Buffer, at: number, width: number): string {
  const field = bytes.subarray(at, at + width);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? width : end);
}

function octal(bytes: Buffer, at: number, width: number, corrupt: Corrupt): number {
  const digits = bytes
    .toString('latin1', at, at + width)
    .replace(/[\0 ]+$/, '')
    .trimStart();
  if (!/^[0-7]+$/.test(digits)) throw corrupt('a header has a number that is not octal');
  return parseInt(digits, 8);
}

function paxSize(digits: string, corrupt: Corrupt): number {
  const size = Number(digits);
  if (!/^[0-9]{1,16}$/.test(digits) || !Number.isSafeInteger(size)) {
    throw corrupt('a pax header has a size that is not a number');
  }
  return size;
}

function parsePax(body: Buffer, corrupt: Corrupt): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < body.length;) {
    const digits = /^([0-9]{1,6}) /.exec(body.toString('latin1', at, at + 7))?.[1];
    const length = Number(digits);
    if (digits === undefined || length <= digits.length + 1 || at + length > body.length) {
      throw corrupt('a pax header is malformed');
    }
    const line = body.toString('utf8', at + digits.length + 1, at + length);
    const equals = line.indexOf('=');
    const key = line.slice(0, equals);
    if (equals < 1 || !line.endsWith('\n')) throw corrupt('a pax header is malformed');
    if (key !== 'path' && key !== 'size') throw corrupt(`the pax record ${JSON.stringify(key)} is not supported`);
    if (records.has(key)) throw corrupt(`the pax record "${key}" occurs twice`);
    records.set(key, line.slice(equals + 1, -1));
    at += length;
  }
  return records;
}
