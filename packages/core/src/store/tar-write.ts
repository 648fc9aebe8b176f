/**
 * A tar whose bytes depend on paths and contents only: members in the order of their bytes, explicit folders, owner 0,
 * mode 0644 and 0755, time 0, no names of users, and two zero blocks at the end. What ustar cannot say (names beyond
 * 100 bytes of ASCII, sizes of 8 GiB and more) goes into a pax record, and only then.
 *
 * Ours, because the bytes are the product: a release is named by their digest. Format: POSIX.1-2001, pax interchange.
 */
import { fail } from '../errors.ts';

export const BLOCK = 512;
/** The largest size that 11 octal digits say. */
const MAX_USTAR_SIZE = 0o77777777777;

export interface TarMember {
  /** Relative, forward slashes. */
  readonly path: string;
  readonly size: number;
  /** Writes exactly `size` bytes. */
  readonly content: (write: (chunk: Uint8Array) => Promise<void>) => Promise<void>;
}

/** Folders of the members are added. */
export async function writeTar(
  members: readonly TarMember[],
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  for (const [name, member] of ordered(members)) {
    if (member === null) {
      await write(header(name, 0, '5'));
      continue;
    }
    await write(header(name, member.size, '0'));
    let written = 0;
    await member.content(async (chunk) => {
      written += chunk.length;
      if (written <= member.size) await write(chunk);
    });
    if (written !== member.size) {
      throw fail('FILE_UNREADABLE', { path: name, problem: `has ${written} bytes now, had ${member.size}` });
    }
    await write(new Uint8Array(padding(member.size)));
  }
  await write(new Uint8Array(2 * BLOCK));
}

/** Bytes from the end of a content of `size` to the next block. */
export const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

function ordered(members: readonly TarMember[]): [string, TarMember | null][] {
  const all = new Map<string, TarMember | null>();
  for (const member of members) {
    for (let slash = member.path.indexOf('/'); slash !== -1; slash = member.path.indexOf('/', slash + 1)) {
      all.set(member.path.slice(0, slash + 1), null);
    }
    all.set(member.path, member);
  }
  return [...all].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function header(name: string, size: number, type: '0' | '5'): Uint8Array {
  const records: string[] = [];
  const plain = /^[\x20-\x7e]{1,100}$/.test(name);
  if (!plain) records.push(record('path', name));
  if (size > MAX_USTAR_SIZE) records.push(record('size', String(size)));
  const main = block(plain ? name : ascii(name), size > MAX_USTAR_SIZE ? 0 : size, type);
  if (records.length === 0) return main;
  const body = Buffer.from(records.join(''));
  return Buffer.concat([
    block('PaxHeaders/member', body.length, 'x'),
    body,
    new Uint8Array(padding(body.length)),
    main,
  ]);
}

/** What a reader without pax sees of a name: readable, and not meant to be unique. */
const ascii = (name: string): string => name.replace(/[^\x20-\x7e]/g, '_').slice(-100);

/** `LENGTH key=value\n`, where LENGTH counts itself. */
function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function block(name: string, size: number, type: '0' | '5' | 'x'): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number): void => {
    bytes.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
  };
  bytes.write(name, 0, 'latin1');
  octal(type === '5' ? 0o755 : 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  bytes.fill(' ', 148, 156);
  bytes.write(type, 156, 'latin1');
  bytes.write('ustar\x0000', 257, 'latin1');
  octal(0, 329, 8);
  octal(0, 337, 8);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}
