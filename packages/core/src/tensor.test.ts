import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARRAY_OF, BYTES_PER_ELEMENT, DTYPES, isDType } from './dtype.ts';
import {
  byteLength,
  bytesOf,
  concatRows,
  elementCount,
  fromBytes,
  rows,
  stringElement,
  type Tensor,
  tensor,
  textsOf,
} from './tensor.ts';
import { anyTensor } from './testing/arbitrary.ts';

const numeric = anyTensor.filter((value): value is Exclude<Tensor, { dtype: 'string' }> => value.dtype !== 'string');
const stacked = anyTensor.filter(({ shape }) => shape.length > 0);

describe('dtypes', () => {
  it('agree on the size of their elements', () => {
    for (const dtype of DTYPES) {
      if (dtype !== 'string') expect(new ARRAY_OF[dtype](1).byteLength).toBe(BYTES_PER_ELEMENT[dtype]);
    }
  });

  it('are known by name', () => {
    expect(DTYPES.every(isDType)).toBe(true);
    expect(['float', 'FLOAT32', '', null, 3, 'constructor'].some(isDType)).toBe(false);
  });
});

describe('elementCount', () => {
  it('multiplies', () => {
    expect(elementCount([])).toBe(1);
    expect(elementCount([2, 3, 4])).toBe(24);
    expect(elementCount([2, 0, 4])).toBe(0);
  });

  it.each([[[-1]], [[1.5]], [[NaN]], [[2 ** 53]], [[2 ** 30, 2 ** 30]], [[2 ** 30, 2 ** 30, 0]]])(
    'refuses %j',
    (shape) => {
      expect(() => elementCount(shape)).toThrow(expect.objectContaining({ code: 'TENSOR_INVALID' }) as Error);
    },
  );
});

describe('tensor', () => {
  it('checks that the elements fit the shape', () => {
    expect(() => tensor('float32', [2, 2], new Float32Array(3), 'input "x"')).toThrow(
      'input "x": shape [2, 2] needs 4 elements, 3 were given',
    );
  });
});

describe('bytes', () => {
  it('become the tensor they came from, wherever they lie', () => {
    fc.assert(
      fc.property(numeric, fc.nat(9), (value, shift) => {
        const bytes = bytesOf(value.data);
        expect(bytes.byteLength).toBe(byteLength(value));
        // A Buffer, because its `slice` is a view and not a copy.
        const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift);
        expect(fromBytes(value.dtype, value.shape, shifted)).toEqual(value);
      }),
    );
  });

  it('are not copied when aligned', () => {
    const bytes = new Uint8Array(16);
    expect(fromBytes('float32', [2], bytes.subarray(8)).data).toHaveProperty('buffer', bytes.buffer);
  });

  it('must be as many as the shape says', () => {
    expect(() => fromBytes('int64', [2], new Uint8Array(15), 'input "x"')).toThrow(
      'input "x": shape [2] of int64 needs 16 bytes, 15 were given',
    );
  });

  it('are text where they are UTF-8, and stay bytes where they are not', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(stringElement(Buffer.from(text))).toBe(text);
      }),
    );
    expect(stringElement(Buffer.from('\ufeffx'))).toBe('\ufeffx');
    const jpeg = Uint8Array.of(0xff, 0xd8, 0xff);
    expect(stringElement(jpeg)).toBe(jpeg);
    expect(byteLength(tensor('string', [2], ['é', jpeg]))).toBe(5);
    expect(() => textsOf({ dtype: 'string', shape: [2], data: ['é', jpeg] })).toThrow('element 1 is not UTF-8');
  });

  it('of strings are counted in UTF-8', () => expect(byteLength(tensor('string', [2], ['é', 'ab']))).toBe(4));
});

describe('rows and concatRows', () => {
  it('undo each other at any cut', () => {
    fc.assert(
      fc.property(stacked, fc.nat(4), (value, at) => {
        const total = value.shape[0] ?? 0;
        const cut = Math.min(at, total);
        expect(concatRows([rows(value, 0, cut), rows(value, cut, total)])).toEqual(value);
      }),
    );
  });

  it('give views', () => {
    const value = tensor('int16', [3, 2], Int16Array.of(1, 2, 3, 4, 5, 6));
    expect(rows(value, 1, 2)).toEqual(tensor('int16', [1, 2], Int16Array.of(3, 4)));
    expect(rows(value, 1, 2).data).toHaveProperty('buffer', (value.data as Int16Array).buffer);
  });

  it('refuse rows that are not there and parts that differ', () => {
    const value = tensor('int16', [3, 2], new Int16Array(6));
    for (const [start, end] of [
      [0, 4],
      [-1, 1],
      [2, 1],
      [NaN, 1],
    ] as const) {
      expect(() => rows(value, start, end)).toThrow(expect.objectContaining({ code: 'INTERNAL' }) as Error);
    }
    for (const other of [
      tensor('uint16', [3, 2], new Uint16Array(6)),
      tensor('int16', [2, 3], new Int16Array(6)),
      tensor('int16', [6], new Int16Array(6)),
    ]) {
      expect(() => concatRows([value, other])).toThrow('differ in more than rows');
    }
    expect(() => concatRows([])).toThrow('concatRows of nothing');
  });
});
