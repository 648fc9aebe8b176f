import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTar, type TarSource } from './tar-read.ts';
import { type TarMember, writeTar } from './tar-write.ts';

const member = (path: string, content: Uint8Array | string): TarMember => {
  const bytes = Buffer.from(content);
  return { path, size: bytes.length, content: (write) => write(bytes) };
};

async function build(members: readonly TarMember[]): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  await writeTar(members, async (piece) => void pieces.push(Buffer.from(piece)));
  return Buffer.concat(pieces);
}

function sourceOf(bytes: Buffer): TarSource {
  let at = 0;
  return {
    path: 'test.tar',
    remaining: () => bytes.length - at,
    read: async (length) => bytes.subarray(at, (at += length)),
    skip: async (length) => void (at += length),
  };
}

async function parse(bytes: Buffer): Promise<Record<string, string | null>> {
  const found: Record<string, string | null> = {};
  for await (const entry of readTar(sourceOf(bytes))) {
    const pieces: Buffer[] = [];
    for await (const piece of entry.chunks()) pieces.push(piece);
    found[entry.path] = entry.type === 'folder' ? null : Buffer.concat(pieces).toString('latin1');
  }
  return found;
}

/** Change a header and make its checksum right again. */
function patch(tar: Buffer, header: number, at: number, value: string): Buffer {
  const bytes = Buffer.from(tar);
  const block = bytes.subarray(header, header + 512);
  block.write(value, at, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((a, b) => a + b, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

describe('tar', () => {
  it('round-trips any names and contents', async () => {
    const segment = fc.stringMatching(/^[^/\\\0:.][^/\\\0:]{0,60}$/u);
    const name = fc
      .array(segment, { minLength: 1, maxLength: 5 })
      .map((segments) => `x/${segments.map((s) => `_${s}`).join('/')}.f`);
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, fc.uint8Array({ maxLength: 2000 }), { maxKeys: 8 }), async (files) => {
        const members = Object.entries(files).map(([path, content]) => member(path, content));
        const tar = await build(members);
        expect(await build(members.toReversed())).toEqual(tar);
        const found = await parse(tar);
        for (const [path, content] of Object.entries(files)) {
          expect(found[path]).toBe(Buffer.from(content).toString('latin1'));
        }
        expect(Object.values(found).filter((content) => content !== null).length).toBe(members.length);
      }),
    );
  });

  it('is read by tar(1), long and non-ASCII names included', async (context) => {
    const names = ['models/a.txt', `models/${'long/'.repeat(60)}file`, 'models/größe.txt'];
    const tar = await build(names.map((name) => member(name, name)));
    const listed = spawnSync('tar', ['tf', '-', '--quoting-style=literal'], {
      input: tar,
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
    if (listed.error !== undefined) context.skip('tar(1) is not installed');
    expect(listed.stderr).toBe('');
    expect(
      listed.stdout
        .split('\n')
        .filter((line) => line !== '' && !line.endsWith('/'))
        .sort(),
    ).toEqual([...names].sort());
  });

  it('says sizes of 8 GiB and more in a pax record', async () => {
    const size = 8 * 1024 ** 3;
    const huge: TarMember = { path: 'huge', size, content: () => Promise.reject(new Error('enough')) };
    const pieces: Buffer[] = [];
    await expect(writeTar([huge], async (piece) => void pieces.push(Buffer.from(piece)))).rejects.toThrow('enough');
    const head = Buffer.concat(pieces);
    expect(head.toString('latin1', 512)).toMatch(/^19 size=8589934592\n/);
    const source = { ...sourceOf(head), remaining: () => 2 * size };
    const { value } = await readTar(source).next();
    expect(value).toMatchObject({ path: 'huge', size });
  });

  it('refuses a member that is not as long as it says', async () => {
    const lies = (size: number): TarMember => ({ ...member('a', 'abc'), size });
    await expect(build([lies(2)])).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    await expect(build([lies(4)])).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});

describe('readTar refuses', () => {
  const plain = () => build([member('a.txt', 'hello'), member('b.txt', 'there')]);

  it.each([
    ['a hard link', 156, '1', /hard link/],
    ['a symbolic link', 156, '2', /symbolic link/],
    ['a device', 156, '3', /device/],
    ['a FIFO', 156, '6', /FIFO/],
    ['a sparse file', 156, 'S', /unknown type/],
    ['a global pax header', 156, 'g', /unknown type/],
    ['a GNU long name', 156, 'L', /unknown type/],
    ['a path that leaves', 0, '../a.txt', /leaves the folder/],
    ['an absolute path', 0, '/a.txt', /leaves the folder/],
    ['a path that leaves by its prefix', 345, '..', /leaves the folder/],
    ['a name that occurs twice', 0, 'b.txt', /occurs twice/],
    ['a file without its folder', 0, 'x/a', /folder of "x\/a/],
    ['a size beyond the end', 124, '77777777777', /claims 8589934591 bytes/],
    ['a negative size', 124, '-0000000001', /not octal/],
    ['a binary size', 124, '\x80\0\0\0\0\0\0\0\0\0\0\x01', /not octal/],
    ['another format', 257, 'xstar', /not ustar/],
    ['a pax header that claims much', 156, 'x', /pax header/],
  ])('%s', async (_name, at, value, message) => {
    const tar = patch(await plain(), 0, at, value);
    await expect(parse(tar)).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(message) as string,
    });
  });

  it('a wrong checksum, a cut, and bytes after the end', async () => {
    const tar = await plain();
    const flipped = Buffer.from(tar);
    flipped[3] = 0x41;
    await expect(parse(flipped)).rejects.toThrow(/checksum/);
    for (const length of [0, 100, 512, 515, 1024, 1536, 2048, 2560]) {
      await expect(parse(tar.subarray(0, length))).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    }
    await expect(parse(Buffer.concat([tar, Buffer.from('more')]))).rejects.toThrow(/after its end mark/);
  });

  it('pax records it does not know, or that lie', async () => {
    const long = await build([member('x'.repeat(120), 'hello')]);
    const record = (text: string) => {
      const bytes = Buffer.from(long);
      bytes.fill(' ', 512, 512 + 129);
      bytes.write(text, 512, 'latin1');
      return parse(patch(bytes, 0, 124, text.length.toString(8).padStart(11, '0')));
    };
    await expect(record('16 linkpath=abc\n')).rejects.toThrow(/linkpath/);
    await expect(record('14 path=../x..\n')).rejects.toThrow(/malformed/);
    await expect(record('13 path=../x\n')).rejects.toThrow(/leaves the folder/);
    await expect(record('999 path=a\n')).rejects.toThrow(/malformed/);
    await expect(record('12 size=1e9\n')).rejects.toThrow(/not a number/);
    await expect(record('10 size=9\n10 size=9\n')).rejects.toThrow(/twice/);
    await expect(record('99999999999999999999')).rejects.toThrow(/malformed/);
  });

  it('any damage, or reads it: nothing else is thrown', async () => {
    const tar = await build([member('models/a.txt', 'hello'), member(`models/${'é'.repeat(80)}`, 'x')]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const bytes = Buffer.from(tar);
          for (const [at, value] of changes) bytes[at] = value;
          await parse(bytes).catch((error: unknown) => expect(error).toMatchObject({ code: 'STORE_CORRUPT' }));
        },
      ),
      { numRuns: 300 },
    );
  });
});
