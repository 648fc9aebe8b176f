import { expect, it } from 'vitest';
import { bytes, milliseconds, percent, plural, shortDigest } from './units.ts';

it('writes numbers as people read them', () => {
  expect([0, 999, 1000, 26_454, 999_499, 999_500, 4_740_000, 2e9].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1.00 KB',
    '26.5 KB',
    '999 KB',
    '1.00 MB',
    '4.74 MB',
    '2.00 GB',
  ]);
  expect([0.0001, 0.0852, 1.274, 42.31, 999, 3100, Number.NaN].map(milliseconds)).toEqual([
    '0.10 µs',
    '85.2 µs',
    '1.27 ms',
    '42.3 ms',
    '999 ms',
    '3.10 s',
    '–',
  ]);
  expect(percent(0.98934)).toBe('98.93 %');
  expect([0, 1, 1200].map((count) => plural(count, 'row'))).toEqual(['0 rows', '1 row', '1,200 rows']);
  expect(shortDigest(`sha256:${'0123456789ab'.padEnd(64, 'c')}`)).toBe('sha256:0123456789ab');
});
