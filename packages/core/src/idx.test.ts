import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseIdx } from './idx.ts';
import { tensor } from './tensor.ts';

function idx(type: number, shape: readonly number[], body: readonly number[] | Uint8Array): Buffer {
  const sizes = Buffer.alloc(4 * shape.length);
  shape.forEach((size, axis) => sizes.writeUInt32BE(size, 4 * axis));
  return Buffer.concat([Buffer.from([0, 0, type, shape.length]), sizes, Buffer.from(body)]);
}

describe('parseIdx', () => {
  it.each([
    [0x08, [1, 255], tensor('uint8', [2], Uint8Array.of(1, 255))],
    [0x09, [1, 255], tensor('int8', [2], Int8Array.of(1, -1))],
    [0x0b, [1, 2, 0xff, 0xfe], tensor('int16', [2], Int16Array.of(258, -2))],
    [0x0c, [0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff], tensor('int32', [2], Int32Array.of(256, -1))],
    [0x0d, [0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], tensor('float32', [2], Float32Array.of(1, -2))],
    [0x0e, [0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0], tensor('float64', [2], Float64Array.of(1, -2))],
  ])('reads element type %d, plain and gzipped', (type, body, expected) => {
    expect(parseIdx(idx(type, [2], body), 'x')).toEqual(expected);
    expect(parseIdx(gzipSync(idx(type, [2], body)), 'x')).toEqual(expected);
  });

  it.each<[string, Buffer, string]>([
    ['something else', Buffer.from('hello'), 'not an IDX file'],
    ['an unknown type', idx(0x0a, [1], [1]), 'not an IDX file'],
    ['rank 0', idx(0x08, [], [1]), 'rank 0'],
    ['a cut header', idx(0x08, [1, 2], []).subarray(0, 9), 'cut off'],
    ['a short body', idx(0x08, [3], [1, 2]), 'needs 11 bytes, the file has 10'],
    ['a long body', idx(0x08, [1], [1, 2]), 'needs 9 bytes, the file has 10'],
    ['sizes beyond any memory', idx(0x08, [0xffffffff, 0xffffffff, 0xffffffff], []), 'no array has the shape'],
    ['sizes beyond the limit', idx(0x0e, [0xffffffff, 2], []), 'more than the limit'],
    [
      'a gzip that inflates to more than it declares',
      gzipSync(idx(0x08, [4], Buffer.alloc(50_000_000))),
      'to the 12 bytes its header declares',
    ],
    [
      'a gzip that is cut off',
      gzipSync(idx(0x08, [9000], Buffer.alloc(9000, 'abc'))).subarray(0, -9),
      'cannot be inflated',
    ],
    ['a damaged gzip', Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.alloc(50)]), 'cannot be inflated'],
  ])('refuses %s', (_, bytes, problem) => {
    expect(() => parseIdx(bytes, 'x.idx')).toThrow(expect.objectContaining({ code: 'DATA_FORMAT' }) as Error);
    expect(() => parseIdx(bytes, 'x.idx')).toThrow(problem);
  });

  it('answers any damage with DATA_FORMAT or a tensor, never with another error', () => {
    const file = gzipSync(idx(0x0b, [3, 2], Buffer.alloc(12, 1)));
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.nat(255), (at, byte) => {
        const damaged = Buffer.from(file);
        damaged[at] = byte;
        try {
          parseIdx(damaged, 'x');
        } catch (error) {
          expect(error).toMatchObject({ code: 'DATA_FORMAT' });
        }
      }),
      { numRuns: 500 },
    );
  });

  const folder = path.resolve(import.meta.dirname, '../../../../shared/data/mnist');
  describe.skipIf(!existsSync(folder))('on the real MNIST test set (skipped where ../shared/data is absent)', () => {
    it('reads images and labels', () => {
      const images = parseIdx(readFileSync(path.join(folder, 't10k-images-idx3-ubyte.gz')), 'images');
      const labels = parseIdx(readFileSync(path.join(folder, 't10k-labels-idx1-ubyte.gz')), 'labels');
      expect(images.shape).toEqual([10000, 28, 28]);
      expect([...(labels.data as Uint8Array).subarray(0, 5)]).toEqual([7, 2, 1, 0, 4]);
    });
  });
});
