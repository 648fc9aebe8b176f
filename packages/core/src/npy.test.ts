import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numbersToFloat16 } from './float16.ts';
import { parseNpy, writeNpy } from './npy.ts';
import { tensor, textsOf } from './tensor.ts';
import { anyTensor } from './testing/arbitrary.ts';

/** A file with exactly this header text and body, of any version. */
function npy(header: string, body: Uint8Array | readonly number[], version = 1): Uint8Array {
  const text = Buffer.from(header, 'latin1');
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(text.length);
  else length.writeUInt32LE(text.length);
  return Buffer.concat([Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0]), length, text, Buffer.from(body)]);
}
const header = (descr: string, shape: string, fortran = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

describe('parseNpy', () => {
  it('reads back what writeNpy wrote, for every dtype and rank', () => {
    fc.assert(
      fc.property(anyTensor, (value) => {
        fc.pre(value.dtype !== 'string' || textsOf(value).every((text) => !text.endsWith('\0')));
        expect(parseNpy(writeNpy(value), 'x.npy')).toEqual(value);
      }),
    );
  });

  it('reads versions 1, 2 and 3', () => {
    for (const version of [1, 2, 3]) {
      expect(parseNpy(npy(header('|u1', '(2,)'), [7, 8], version), 'x')).toEqual(
        tensor('uint8', [2], Uint8Array.of(7, 8)),
      );
    }
  });

  it('views aligned numbers and copies misaligned ones', () => {
    const file = writeNpy(tensor('float32', [2], Float32Array.of(1, 2)));
    expect(parseNpy(file, 'x').data).toHaveProperty('buffer', file.buffer);
    const shifted = Buffer.concat([Buffer.from([0]), file]).subarray(1);
    expect(parseNpy(shifted, 'x').data).toEqual(Float32Array.of(1, 2));
  });

  it.each([
    ['>i2', 'int16', [0x01, 0x02, 0xff, 0xfe], Int16Array.of(258, -2)],
    ['>f4', 'float32', [0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0], Float32Array.of(1, -2)],
    ['>f2', 'float16', [0x3c, 0x00, 0xc0, 0x00], numbersToFloat16([1, -2])],
    ['>i8', 'int64', [0, 0, 0, 0, 0, 0, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255], BigInt64Array.of(256n, -1n)],
    ['=u2', 'uint16', [1, 0, 2, 0], Uint16Array.of(1, 2)],
    ['?', 'bool', [0, 1], Uint8Array.of(0, 1)],
    ['|S3', 'string', [...Buffer.from('ab\0'), ...Buffer.from('é\0')], ['ab', 'é']],
    ['<U2', 'string', [0x41, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xf6, 1, 0, 0, 0, 0, 0], ['A', '😀']],
    ['>U1', 'string', [0, 0, 0, 0x41, 0, 1, 0xf6, 0], ['A', '😀']],
  ] as const)('reads %s as %s', (descr, dtype, body, data) => {
    expect(parseNpy(npy(header(descr, '(2,)'), body), 'x')).toEqual({ dtype, shape: [2], data });
  });

  it('turns column-major arrays into row-major ones', () => {
    // np.asfortranarray([[1, 2, 3], [4, 5, 6]]) stores 1 4 2 5 3 6.
    const file = npy(header('|u1', '(2, 3)', 'True'), [1, 4, 2, 5, 3, 6]);
    expect(parseNpy(file, 'x')).toEqual(tensor('uint8', [2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6)));
    const cube = Array.from({ length: 24 }, (_, at) => at);
    const shape = [2, 3, 4];
    const read = parseNpy(npy(header('|u1', '(2, 3, 4)', 'True'), cube), 'x');
    for (let i = 0; i < 2; i++) {
      for (let j = 0; j < 3; j++) {
        for (let k = 0; k < 4; k++) expect(read.data[(i * 3 + j) * 4 + k]).toBe(i + 2 * j + 6 * k);
      }
    }
    expect(read.shape).toEqual(shape);
  });

  it('reads scalars, and what Python 2 wrote', () => {
    expect(parseNpy(npy(header('|u1', '()'), [9]), 'x').shape).toEqual([]);
    const old = `{"shape": (2L, 1L), 'fortran_order': False, 'descr': "|u1"}   \n`;
    expect(parseNpy(npy(old, [1, 2]), 'x').shape).toEqual([2, 1]);
  });

  it.each([
    ['no magic', Buffer.from('hello'), 'not a .npy file'],
    ['cut before the header length', Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0]), 'cut off'],
    ['cut in the header', npy(header('|u1', '(2,)'), []).subarray(0, 30), 'cut off'],
    [
      'a header that claims 4 GB',
      Buffer.from([0x93, ...Buffer.from('NUMPY'), 2, 0, 255, 255, 255, 255]),
      'more than the limit',
    ],
    ['an unknown version', npy(header('|u1', '(1,)'), [1], 9), 'version 9'],
    ['a short body', npy(header('<f4', '(2,)'), [0, 0, 0, 0]), 'needs 8 bytes of data, the file has 4'],
    ['a long body', npy(header('|u1', '(1,)'), [1, 2]), 'needs 1 bytes of data, the file has 2'],
    ['an impossible product', npy(header('|u1', '(9999999999, 9999999999)'), []), 'no array has the shape'],
    ['a negative size', npy(header('|u1', '(-1,)'), []), 'not a dictionary'],
    ['10^15 strings of no bytes', npy(header('|S0', '(1000000000000000,)'), []), 'have no size'],
    ['a rank of 100', npy(header('|u1', `(${'1,'.repeat(100)})`), [1]), 'rank 100'],
    ['objects', npy(header('|O', '(1,)'), [1]), 'not supported'],
    ['complex numbers', npy(header('<c8', '(1,)'), Buffer.alloc(8)), '"<c8" are not supported'],
    [
      'records',
      npy(`{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}\n`, Buffer.alloc(4)),
      'not a dictionary',
    ],
    [
      'code',
      npy(`{'descr': __import__('os').system('x'), 'fortran_order': False, 'shape': ()}`, []),
      'not a dictionary',
    ],
    [
      'a repeated key',
      npy(`{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': ()}`, [1]),
      'unexpected "descr"',
    ],
    ['trailing text', npy(`${header('|u1', '()').trim()} x`, [1]), 'not a dictionary'],
    ['a bool of 2', npy(header('|b1', '(1,)'), [2]), 'neither 0 nor 1'],
    ['bytes that are not UTF-8', npy(header('|S1', '(1,)'), [0xff]), 'not UTF-8'],
    ['a code point beyond Unicode', npy(header('<U1', '(1,)'), [0, 0, 0x11, 0]), 'not Unicode'],
  ])('refuses %s', (_, bytes, problem) => {
    expect(() => parseNpy(bytes, 'x.npy')).toThrow(expect.objectContaining({ code: 'DATA_FORMAT' }) as Error);
    expect(() => parseNpy(bytes, 'x.npy')).toThrow(problem);
  });

  it('answers any damage with DATA_FORMAT or a tensor, never with another error', () => {
    const file = writeNpy(tensor('int16', [2, 2], Int16Array.of(1, 2, 3, 4)));
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.nat(255), fc.nat(file.length), (at, byte, end) => {
        const damaged = Uint8Array.from(file);
        damaged[at] = byte;
        try {
          parseNpy(damaged.subarray(0, end), 'x');
        } catch (error) {
          expect(error).toMatchObject({ code: 'DATA_FORMAT' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('writeNpy', () => {
  it('writes the header NumPy documents, the data aligned to 64 bytes', () => {
    const file = Buffer.from(writeNpy(tensor('float32', [2, 3], new Float32Array(6))));
    expect(file.subarray(0, 8)).toEqual(Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0]));
    expect(file.readUInt16LE(8)).toBe(118);
    expect(file.subarray(10, 128).toString('latin1')).toBe(
      `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.padEnd(117) + '\n',
    );
    expect(file.length).toBe(128 + 24);
  });

  it('refuses a string that ends in NUL, which would be lost', () => {
    expect(() => writeNpy(tensor('string', [1], ['a\0']))).toThrow('ends in NUL');
  });
});
