import { describe, expect, it } from 'vitest';
import { columnTensor, parseCsv } from './csv.ts';
import type { DType } from './dtype.ts';
import { tensor } from './tensor.ts';

describe('parseCsv', () => {
  it('reads a header and rows, quoted cells, CRLF, a byte order mark and blank lines', () => {
    const table = parseCsv('\ufeffa,"b, c"\r\n1,"x ""y"""\r\n\r\n2,z\r\n', 'x.csv');
    expect(table.columns).toEqual(['a', 'b, c']);
    expect(table.rows).toEqual([
      ['1', 'x "y"'],
      ['2', 'z'],
    ]);
  });

  it.each([
    ['nothing', '', 'has no header row'],
    ['two columns of one name', 'a,a\n1,2', 'two columns are named "a"'],
    ['rows of another length', 'a,b\n1\n', 'Invalid Record Length'],
    ['an open quote', 'a\n"1', 'Quote Not Closed'],
  ])('refuses %s', (_, text, problem) => {
    expect(() => parseCsv(text, 'x.csv')).toThrow(expect.objectContaining({ code: 'DATA_FORMAT' }) as Error);
    expect(() => parseCsv(text, 'x.csv')).toThrow(problem);
  });
});

describe('columnTensor', () => {
  const one = (cell: string, dtype: DType) => columnTensor(parseCsv(`x\n"${cell}"`, 'x.csv'), 'x', dtype);

  it('stacks columns into features and leaves one column flat', () => {
    const table = parseCsv('a,b,c\n1,2,3\n4,5,6\n', 'x.csv');
    expect(columnTensor(table, ['c', 'a'], 'float32')).toEqual(tensor('float32', [2, 2], Float32Array.of(3, 1, 6, 4)));
    expect(columnTensor(table, 'b', 'int32')).toEqual(tensor('int32', [2], Int32Array.of(2, 5)));
  });

  it.each<[string, DType, number | bigint | string]>([
    ['1', 'float32', 1],
    ['-.5e1', 'float64', -5],
    ['+2.', 'float32', 2],
    ['-Infinity', 'float32', -Infinity],
    ['NaN', 'float64', NaN],
    ['9007199254740993', 'int64', 9007199254740993n],
    ['+007', 'int64', 7n],
    ['3.0', 'int64', 3n],
    ['1e2', 'uint8', 100],
    ['True', 'bool', 1],
    ['0', 'bool', 0],
    ['text', 'string', 'text'],
    ['', 'string', ''],
  ])('reads %j as %s', (cell, dtype, expected) => expect(one(cell, dtype).data[0]).toEqual(expected));

  it.each<[string, DType, string]>([
    ['', 'float32', 'row 1, column "x": "" is not a number'],
    ['1,5', 'float32', 'is not a number'],
    ['0x10', 'int32', 'is not a number'],
    ['12abc', 'float32', 'is not a number'],
    ['1_000', 'int64', 'is not a number'],
    ['NaN', 'int32', 'is not a number'],
    ['yes', 'bool', 'is not true or false'],
    ['300', 'uint8', '300 does not fit uint8'],
    ['1.5', 'int64', '1.5 is not a whole number'],
    ['1e39', 'float32', '1e+39 does not fit float32'],
  ])('refuses %j as %s', (cell, dtype, problem) => expect(() => one(cell, dtype)).toThrow(problem));
});
