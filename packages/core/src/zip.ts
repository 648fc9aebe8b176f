/**
 * The part of ZIP that `.npz` needs. Reading trusts only the central directory, and that only after checking it: every
 * entry lies inside the file, entries do not share bytes (the trick of ZIP bombs), names are plain, sizes are bounded before anything
 * is allocated, and inflating stops at the declared size. Nothing is ever written to disk under an
 * entry's name; the names are checked all the same, because other tools unpack these files.
 *
 * Reading inflates with the runtime's zlib, which can be told where to stop. Writing deflates with fflate, whose output,
 * unlike zlib's, is the same on every CPU: archives are content-addressed.
 *
 * Format: PKWARE APPNOTE.TXT 6.3.10 (sections 4.3.7, 4.3.12 - 4.3.16, 4.5.3).
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { zipSync } from 'fflate';
import { fail } from './errors.ts';

const END = 0x06054b50;
const END_BYTES = 22;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const MAX_COMMENT = 0xffff;
const ENCRYPTED = 0x1 | 0x40;
const MAX_UINT32 = 0xffffffff;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly header: number;
}

/** True for the first bytes of an archive, empty ones included. */
export function isZip(bytes: Uint8Array): boolean {
  return (
    bytes[0] === 0x50 && bytes[1] === 0x4b && ((bytes[2] === 3 && bytes[3] === 4) || (bytes[2] === 5 && bytes[3] === 6))
  );
}

/**
 * The entries of an archive by name, in the order of its directory. Stored entries are views of `bytes`.
 * @param maxBytes bound on each entry and on all together, after inflating
 * @throws DATA_FORMAT
 */
export function readZip(bytes: Uint8Array, where: string, maxBytes: number): Map<string, Uint8Array> {
  const bad = (problem: string): Error => fail('DATA_FORMAT', { path: where, problem });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { count, start, end } = findDirectory(view, bad);
  const entries = readDirectory(bytes, view, { count, start, end }, bad);
  const total = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (total > maxBytes) throw bad(`the archive unpacks to ${total} bytes, more than the limit of ${maxBytes}`);

  const ranges = entries.map((entry) => ({ entry, ...dataRange(entry, view, start, bad) }));
  const ordered = [...ranges].sort((a, b) => a.from - b.from);
  for (const [index, { entry, from }] of ordered.entries()) {
    const before = ordered[index - 1];
    if (before !== undefined && from < before.to) {
      throw bad(`the entries "${before.entry.name}" and "${entry.name}" overlap`);
    }
  }
  return new Map(ranges.map(({ entry, data, to }) => [entry.name, unpack(entry, bytes.subarray(data, to), bad)]));
}

type Bad = (problem: string) => Error;
interface Directory {
  readonly count: number;
  readonly start: number;
  readonly end: number;
}

function findDirectory(view: DataView, bad: Bad): Directory {
  const last = view.byteLength - END_BYTES;
  let at = last;
  while (at >= 0 && at >= last - MAX_COMMENT && view.getUint32(at, true) !== END) at--;
  if (at < 0 || at < last - MAX_COMMENT) throw bad('not a ZIP archive, or the end of it is missing');
  let count = view.getUint16(at + 10, true);
  let size = view.getUint32(at + 12, true);
  let start = view.getUint32(at + 16, true);
  let limit = at;
  if (at >= 20 && view.getUint32(at - 20, true) === LOCATOR64) {
    const record = readUint64(view, at - 12);
    if (record + 56 > at - 20 || view.getUint32(record, true) !== END64) throw bad('the ZIP64 directory is damaged');
    count = readUint64(view, record + 32);
    size = readUint64(view, record + 40);
    start = readUint64(view, record + 48);
    limit = record;
  }
  if (start + size > limit || count * CENTRAL_BYTES > size) throw bad('the ZIP directory is damaged');
  return { count, start, end: start + size };
}

function readDirectory(bytes: Uint8Array, view: DataView, { count, start, end }: Directory, bad: Bad): Entry[] {
  const entries: Entry[] = [];
  const names = new Set<string>();
  let at = start;
  for (let index = 0; index < count; index++) {
    if (at + CENTRAL_BYTES > end || view.getUint32(at, true) !== CENTRAL) throw bad('the ZIP directory is damaged');
    const extra = at + CENTRAL_BYTES + view.getUint16(at + 28, true);
    const next = extra + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) throw bad('the ZIP directory is damaged');
    const name = Buffer.from(
      bytes.buffer,
      bytes.byteOffset + at + CENTRAL_BYTES,
      extra - at - CENTRAL_BYTES,
    ).toString();
    const problem = nameProblem(name);
    if (problem !== null) throw bad(`the entry name ${JSON.stringify(name)} ${problem}`);
    if (names.has(name)) throw bad(`two entries are named "${name}"`);
    names.add(name);
    if ((view.getUint16(at + 8, true) & ENCRYPTED) !== 0) throw bad(`the entry "${name}" is encrypted`);
    const method = view.getUint16(at + 10, true);
    if (method !== 0 && method !== 8) {
      throw bad(`the entry "${name}" uses compression method ${method}; only stored and deflated are read`);
    }
    const extraEnd = extra + view.getUint16(at + 30, true);
    const [size, packed, header] = wideFields(
      view,
      extra,
      extraEnd,
      [24, 20, 42].map((offset) => view.getUint32(at + offset, true)),
    );
    if (size === undefined || packed === undefined || header === undefined) {
      throw bad(`the sizes of the entry "${name}" are damaged`);
    }
    entries.push({ name, method, crc: view.getUint32(at + 16, true), size, packed, header });
    at = next;
  }
  return entries;
}

/** The 32-bit fields, each replaced from the ZIP64 extra field (id 1) when it says it overflowed. Empty when damaged. */
function wideFields(view: DataView, from: number, to: number, narrow: readonly number[]): readonly number[] {
  if (!narrow.includes(MAX_UINT32)) return narrow;
  for (let at = from; at + 4 <= to; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    const end = at + 4 + view.getUint16(at + 2, true);
    let next = at + 4;
    const wide = narrow.map((value) => {
      if (value !== MAX_UINT32) return value;
      next += 8;
      return next <= end && next <= to ? readUint64(view, next - 8) : Number.NaN;
    });
    return wide.some(Number.isNaN) ? [] : wide;
  }
  return [];
}

/** `from` to `to` is what the entry occupies, `data` where its content begins. */
function dataRange(entry: Entry, view: DataView, limit: number, bad: Bad): { from: number; data: number; to: number } {
  const from = entry.header;
  if (from + LOCAL_BYTES > limit || view.getUint32(from, true) !== LOCAL) {
    throw bad(`the entry "${entry.name}" is damaged`);
  }
  const data = from + LOCAL_BYTES + view.getUint16(from + 26, true) + view.getUint16(from + 28, true);
  const to = data + entry.packed;
  if (to > limit) throw bad(`the entry "${entry.name}" is cut off`);
  return { from, data, to };
}

function unpack(entry: Entry, packed: Uint8Array, bad: Bad): Uint8Array {
  let content = packed;
  if (entry.method === 8) {
    try {
      content = inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.size) });
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      throw bad(`the entry "${entry.name}" cannot be inflated to the ${entry.size} bytes it declares: ${problem}`);
    }
  }
  if (content.byteLength !== entry.size) {
    throw bad(`the entry "${entry.name}" has ${content.byteLength} bytes and declares ${entry.size}`);
  }
  if (crc32(content) !== entry.crc) throw bad(`the entry "${entry.name}" is damaged: its checksum does not match`);
  return content;
}

/** A 64-bit size; beyond 2^53 it is a lie, and Infinity fails every bound. */
function readUint64(view: DataView, at: number): number {
  if (at < 0 || at + 8 > view.byteLength) return Number.POSITIVE_INFINITY;
  const value = Number(view.getBigUint64(at, true));
  return Number.isSafeInteger(value) ? value : Number.POSITIVE_INFINITY;
}

function nameProblem(name: string): string | null {
  if (name === '') return 'is empty';
  if (/[\\\0\ufffd]/.test(name)) return 'has a character that is not allowed';
  if (name.startsWith('/') || name.split('/').includes('..')) return 'points outside the archive';
  return null;
}

/**
 * An archive whose bytes depend on the entries alone: sorted names, one fixed time, no attributes.
 * @param level of deflate; 0 stores
 * @throws DATA_FORMAT when a name or a size does not fit the format
 */
export function writeZip(entries: ReadonlyMap<string, Uint8Array>, where: string, level: 0 | 6 = 6): Uint8Array {
  const bad = (problem: string): Error => fail('DATA_FORMAT', { path: where, problem });
  let total = 0;
  for (const [name, content] of entries) {
    const problem = nameProblem(name);
    if (problem !== null) throw bad(`the entry name ${JSON.stringify(name)} ${problem}`);
    total += content.byteLength;
  }
  if (total >= 2 ** 31 || entries.size >= 0xffff) {
    throw bad(`${total} bytes in ${entries.size} entries are too many for one archive`);
  }
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  // The DOS epoch, in local time because ZIP has no time zone: the same bytes wherever it runs.
  return zipSync(Object.fromEntries(sorted), { level, mtime: new Date(1980, 0, 1) });
}
