import { columnOf, createDataset, type Signature, type Tensor, tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { describeNotFinite, findNotFinite } from './not-finite.ts';

const signature: Signature = { inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 'k'] }], outputs: [] };
const rows = (x: Parameters<typeof columnOf>[0]) =>
  createDataset(signature, { x: columnOf(x) }, null, { rowCount: x.length, firstRow: 10 });
const row = (...values: number[]): Tensor => tensor('float32', [1, values.length], Float32Array.from(values));

describe('rows that are not finite', () => {
  it('are counted, and the first is named', () => {
    for (const other of [row(1, 2), row(1, 2, 3)]) {
      const found = findNotFinite(rows([row(0, 0), other, row(1, -Infinity), row(NaN, NaN)]));
      expect(found).toEqual({ count: 2, first: { row: 12, input: 'x', kind: 'an infinite value' } });
      expect(describeNotFinite(found!, 1200)).toBe(
        '2 of 1,200 evaluation rows have inputs that are NaN or infinite, first row 12 (input "x"): what is measured on such rows says little.',
      );
    }
    expect(findNotFinite(rows([row(1e38), row(-0)]))).toBeNull();
  });

  it('are seen in half precision, and not looked for in whole numbers', () => {
    const half = (bits: number): Tensor => tensor('float16', [1, 1], Uint16Array.of(bits));
    expect(findNotFinite(rows([half(0x7bff), half(0x7e00)]))!.first).toMatchObject({ row: 11, kind: 'NaN' });
    expect(findNotFinite(rows([half(0xfc00)]))!.first.kind).toBe('an infinite value');
    expect(findNotFinite(rows([tensor('uint16', [1, 1], Uint16Array.of(0x7e00))]))).toBeNull();
  });
});
