import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { zipSync } from 'fflate';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpy } from './npy.ts';
import { readNpz, writeNpz } from './npz.ts';
import { tensor } from './tensor.ts';
import { anyTensor } from './testing/arbitrary.ts';

const x = tensor('float32', [2, 2], Float32Array.of(1, 2, 3, 4));
const labels = tensor('int64', [2], BigInt64Array.of(7n, 8n));

describe('npz', () => {
  let folder = '';
  beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), 'slipway-npz-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('reads back what it wrote, whatever the tensors and their names', () => {
    const name = fc.stringMatching(/^[\w:.][\w:. /-]{0,8}$/).filter((each) => !each.split('/').includes('..'));
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, anyTensor), { selector: ([each]) => each, maxLength: 4 }),
        (entries) => {
          fc.pre(
            entries.every(([, { dtype, data }]) => dtype !== 'string' || data.every((text) => !text.endsWith('\0'))),
          );
          expect(readNpz(writeNpz(entries))).toEqual(new Map(entries));
        },
      ),
    );
  });

  it('gives equal bytes for equal arrays in any order', () => {
    expect(
      writeNpz([
        ['x', x],
        ['labels', labels],
      ]),
    ).toEqual(
      writeNpz([
        ['labels', labels],
        ['x', x],
      ]),
    );
  });

  it('reads a file by its path', () => {
    const file = path.join(folder, 'x.npz');
    writeFileSync(file, writeNpz([['x', x]]));
    expect(readNpz(file).get('x')).toEqual(x);
    expect(() => readNpz(path.join(folder, 'y.npz'))).toThrow(
      expect.objectContaining({ code: 'FILE_NOT_FOUND' }) as Error,
    );
    expect(() => readNpz(folder)).toThrow(expect.objectContaining({ code: 'FILE_UNREADABLE' }) as Error);
    expect(() => readNpz('/dev/zero')).toThrow('not a regular file');
  });

  it('refuses entries that are not arrays, and names which', () => {
    expect(() => readNpz(zipSync({ 'a.txt': Buffer.from('a') }), 'x.npz')).toThrow('the entry "a.txt" is not an array');
    expect(() => readNpz(zipSync({ 'a.npy': Buffer.from('a') }), 'x.npz')).toThrow('x.npz: a.npy: not a .npy file');
    expect(() => readNpz(zipSync({ 'a.npy': writeNpy(x).subarray(0, 130) }), 'x.npz')).toThrow('needs 16 bytes');
  });

  it('refuses to write two arrays of one name', () => {
    expect(() =>
      writeNpz([
        ['x', x],
        ['x', x],
      ]),
    ).toThrow('two arrays are named "x"');
  });
});
