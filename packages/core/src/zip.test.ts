import { crc32, deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readZip, writeZip } from './zip.ts';

interface Lie {
  name?: string;
  flags?: number;
  method?: number;
  size?: number;
  packed?: number;
  crc?: number;
  header?: number;
  /** Put the sizes where archives beyond 4 GiB have them. */
  wide?: boolean;
}

/** An archive written by hand, so that it can lie. */
function archive(entries: readonly { content: Uint8Array; lie?: Lie }[], count = entries.length): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const { content, lie = {} } of entries) {
    const method = lie.method ?? 8;
    const body = method === 8 ? deflateRawSync(content) : Buffer.from(content);
    const name = Buffer.from(lie.name ?? 'a.npy');
    const sizes = [lie.size ?? content.length, lie.packed ?? body.length, lie.header ?? at];
    const extra = Buffer.alloc(lie.wide === true ? 28 : 0);
    if (lie.wide === true) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      sizes.forEach((value, index) => extra.writeBigUInt64LE(BigInt(value), 4 + 8 * index));
    }
    const [size = 0, packed = 0, header = 0] = lie.wide === true ? sizes.map(() => 0xffffffff) : sizes;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(name.length, 26);
    locals.push(local, name, body);
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE(lie.flags ?? 0, 8);
    record.writeUInt16LE(method, 10);
    record.writeUInt32LE(lie.crc ?? crc32(content), 16);
    record.writeUInt32LE(packed, 20);
    record.writeUInt32LE(size, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt16LE(extra.length, 30);
    record.writeUInt32LE(header, 42);
    central.push(record, name, extra);
    at += 30 + name.length + body.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...locals, directory, end]);
}

const content = Buffer.from('twelve bytes');
const LIMIT = 1 << 20;

describe('readZip', () => {
  it('reads stored and deflated entries, with 32-bit and with 64-bit sizes, after a comment', () => {
    for (const lie of [{}, { method: 0 }, { wide: true }, { method: 0, wide: true }]) {
      const file = archive([{ content, lie }]);
      file.writeUInt16LE(3, file.length - 2);
      const read = readZip(Buffer.concat([file, Buffer.from('hi!')]), 'x.npz', LIMIT);
      expect(Buffer.from(read.get('a.npy') ?? [])).toEqual(content);
    }
  });

  it('gives stored entries as views', () => {
    const file = archive([{ content, lie: { method: 0 } }]);
    expect(readZip(file, 'x', LIMIT).get('a.npy')?.buffer).toBe(file.buffer);
  });

  it.each<[string, Buffer, string]>([
    ['something else', Buffer.from('not an archive at all, honestly'), 'not a ZIP archive'],
    ['an encrypted entry', archive([{ content, lie: { flags: 1 } }]), 'is encrypted'],
    ['a strongly encrypted entry', archive([{ content, lie: { flags: 0x40 } }]), 'is encrypted'],
    ['another compression', archive([{ content, lie: { method: 12 } }]), 'method 12'],
    ['a name that climbs out', archive([{ content, lie: { name: 'a/../../b.npy' } }]), 'points outside'],
    ['an absolute name', archive([{ content, lie: { name: '/b.npy' } }]), 'points outside'],
    ['a backslash', archive([{ content, lie: { name: '..\\b.npy' } }]), 'not allowed'],
    ['a NUL in a name', archive([{ content, lie: { name: 'a\0.npy' } }]), 'not allowed'],
    ['an empty name', archive([{ content, lie: { name: '' } }]), 'is empty'],
    ['two entries of one name', archive([{ content }, { content }]), 'two entries are named "a.npy"'],
    ['more entries than the directory has room for', archive([{ content }], 60000), 'directory is damaged'],
    ['a size above the limit', archive([{ content, lie: { size: LIMIT + 1 } }]), 'more than the limit'],
    [
      'a 64-bit size above the limit',
      archive([{ content, lie: { size: 2 ** 52, wide: true } }]),
      'more than the limit',
    ],
    [
      'content longer than declared',
      archive([{ content: Buffer.alloc(1 << 16), lie: { size: 10 } }]),
      'cannot be inflated to the 10 bytes',
    ],
    ['content shorter than declared', archive([{ content, lie: { size: 100 } }]), 'has 12 bytes and declares 100'],
    [
      'stored content of another length',
      archive([{ content, lie: { method: 0, size: 5 } }]),
      'has 12 bytes and declares 5',
    ],
    ['a wrong checksum', archive([{ content, lie: { crc: 1 } }]), 'checksum'],
    ['an entry past the end', archive([{ content, lie: { packed: 5000 } }]), 'is cut off'],
    ['a header outside the file', archive([{ content, lie: { header: 1 << 30 } }]), 'is damaged'],
    [
      'entries that share their bytes',
      archive([{ content }, { content, lie: { name: 'b.npy', header: 0 } }]),
      'overlap',
    ],
  ])('refuses %s', (_, file, problem) => {
    expect(() => readZip(file, 'x.npz', LIMIT)).toThrow(expect.objectContaining({ code: 'DATA_FORMAT' }) as Error);
    expect(() => readZip(file, 'x.npz', LIMIT)).toThrow(problem);
  });

  it('bounds all entries together', () => {
    const half = Buffer.alloc(LIMIT / 2 + 1);
    const file = archive([{ content: half }, { content: half, lie: { name: 'b.npy' } }]);
    expect(() => readZip(file, 'x.npz', LIMIT)).toThrow('unpacks to');
  });

  it('answers any damage with DATA_FORMAT or entries, never with another error', () => {
    const file = archive([{ content }, { content, lie: { name: 'b', method: 0, wide: true } }]);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 3 }),
        fc.nat(8),
        (edits, cut) => {
          const damaged = Buffer.from(file);
          for (const [at, byte] of edits) damaged[at] = byte;
          try {
            readZip(damaged.subarray(0, damaged.length - cut), 'x', LIMIT);
          } catch (error) {
            expect(error).toMatchObject({ code: 'DATA_FORMAT' });
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('writeZip', () => {
  const one = Buffer.from('one');
  const two = Buffer.alloc(5000, 'two');

  it('round-trips, and its bytes do not depend on order, clock or time zone', () => {
    const forward = writeZip(
      new Map([
        ['a', one],
        ['b/ü', two],
      ]),
      'x',
    );
    const zone = process.env.TZ;
    process.env.TZ = 'Pacific/Auckland';
    const backward = writeZip(
      new Map([
        ['b/ü', two],
        ['a', one],
      ]),
      'x',
    );
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
    expect(backward).toEqual(forward);
    const read = readZip(forward, 'x', LIMIT);
    expect([...read.keys()]).toEqual(['a', 'b/ü']);
    expect(Buffer.from(read.get('b/ü') ?? [])).toEqual(two);
  });

  it('keeps its bytes from one release of Slipway to the next', () => {
    expect(
      crc32(
        writeZip(
          new Map([
            ['a', one],
            ['b', two],
          ]),
          'x',
        ),
      ),
    ).toMatchInlineSnapshot(`4098998144`);
  });

  it('refuses names it would not read', () => {
    expect(() => writeZip(new Map([['../a', one]]), 'x')).toThrow('points outside');
  });
});
