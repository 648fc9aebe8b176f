import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { zipSync } from 'fflate';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNpy } from './npy.ts';
import { readNpz, writeNpz } from './npz.ts';
import { tensor, textsOf } from './tensor.ts';
import { anyTensor } from './testing/arbitrary.ts';

const x = tensor('float32', [2, 2], Float32Array.of(1, 2, 3, 4));
const labels = tensor('int64', [2], BigInt64Array.of(7n, 8n));

/**
 * NumPy 2.4.6: savez_compressed(x=asfortranarray(array([[1, 2, 3], [4, 5, 6]], '>f4')), labels=array([7, -8]),
 * names=array(['é', '😀x'])). It has ZIP64 local headers, column-major and big-endian data.
 */
const WRITTEN_BY_NUMPY = [
  'UEsDBC0AAAAIAAAAIQCJQL+k//////////8FABQAeC5ucHkBABAAmAAAAAAAAABXAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6l',
  'oG6XZqKuo6Cell9UUpSYF59flJIKEg8pKk0FChdnJBakArkaRjoKxpo6CrUK5AMu+wYGBgcQZgDiBUAMZDgcYGAAAFBLAwQtAAAA',
  'CAAAACEA+ZsLtv//////////CgAUAGxhYmVscy5ucHkBABAAkAAAAAAAAABLAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6T',
  'aaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC52Bgj48R8CAFBLAwQtAAAACAAAACEA1Z6nYP//////',
  '////CQAUAG5hbWVzLm5weQEAEACQAAAAAAAAAE4AAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbhNqpK6joJ6WX1RSlJgXn1+U',
  'kgoSd0vMKU4FihdnJBakAvkaRjqaOgq1ChQArpcMUPCNkaECSAEAUEsBAi0DLQAAAAgAAAAhAIlAv6RXAAAAmAAAAAUAAAAAAAAA',
  'AAAAAIABAAAAAHgubnB5UEsBAi0DLQAAAAgAAAAhAPmbC7ZLAAAAkAAAAAoAAAAAAAAAAAAAAIABjgAAAGxhYmVscy5ucHlQSwEC',
  'LQMtAAAACAAAACEA1Z6nYE4AAACQAAAACQAAAAAAAAAAAAAAgAEVAQAAbmFtZXMubnB5UEsFBgAAAAADAAMAogAAAJ4BAAAAAA==',
].join('');

describe('npz', () => {
  it('reads what NumPy wrote', () => {
    expect(readNpz(Buffer.from(WRITTEN_BY_NUMPY, 'base64'))).toEqual(
      new Map([
        ['x', tensor('float32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))],
        ['labels', tensor('int64', [2], BigInt64Array.of(7n, -8n))],
        ['names', tensor('string', [2], ['é', '😀x'])],
      ]),
    );
  });

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
            entries.every(
              ([, value]) => value.dtype !== 'string' || textsOf(value).every((text) => !text.endsWith('\0')),
            ),
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
