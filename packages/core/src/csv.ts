/**
 * CSV with a header row. Cells stay text here, because only the signature knows what they mean; `columnTensor` turns
 * columns into numbers as strictly as the JSON reader does: `1,5`, `0x10`, `12abc` and an empty cell are errors.
 */
import { parse } from 'csv-parse/sync';
import type { DType } from './dtype.ts';
import { fail } from './errors.ts';
import { tensorFromJson } from './json-tensor.ts';
import type { Tensor } from './tensor.ts';

export interface CsvTable {
  /** Names of the columns, distinct. */
  readonly columns: readonly string[];
  /** The cells of each row, as many as there are columns. */
  readonly rows: readonly (readonly string[])[];
  /** For messages. */
  readonly path: string;
}

const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/** RFC 4180, UTF-8 with or without a byte order mark. @throws DATA_FORMAT */
export function parseCsv(text: string, path: string): CsvTable {
  let records: string[][];
  try {
    records = parse(text, { bom: true, skip_empty_lines: true, trim: true });
  } catch (cause) {
    throw fail('DATA_FORMAT', { path, problem: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
  const [columns, ...rows] = records;
  if (columns === undefined) throw fail('DATA_FORMAT', { path, problem: 'has no header row' });
  const seen = new Set<string>();
  for (const column of columns) {
    if (seen.has(column)) throw fail('DATA_FORMAT', { path, problem: `two columns are named "${column}"` });
    seen.add(column);
  }
  return { columns, rows, path };
}

/** The named columns as a tensor [rows, columns], or [rows] for a single name. @throws DATA_FORMAT naming the cell */
export function columnTensor(table: CsvTable, names: readonly string[] | string, dtype: DType): Tensor {
  const positions = (typeof names === 'string' ? [names] : names).map((name) => table.columns.indexOf(name));
  const values = table.rows.map((cells, row) => {
    const read = positions.map((position) => {
      const value = cellValue(cells[position] ?? '', dtype);
      if (value !== undefined) return value;
      const problem = `row ${row + 1}, column "${table.columns[position] ?? ''}": ${JSON.stringify(cells[position])} is not ${dtype === 'bool' ? 'true or false' : 'a number'}`;
      throw fail('DATA_FORMAT', { path: table.path, problem });
    });
    return typeof names === 'string' ? read[0] : read;
  });
  const shape = typeof names === 'string' ? ['rows'] : ['rows', names.length];
  const where = typeof names === 'string' ? `column "${names}"` : 'columns';
  return tensorFromJson(values, { name: where, dtype, shape }, where);
}

/** The JSON value a cell stands for, or undefined. */
function cellValue(cell: string, dtype: DType): unknown {
  switch (dtype) {
    case 'string':
      return cell;
    case 'bool':
      return { true: true, false: false, 1: true, 0: false }[cell.toLowerCase()];
    case 'int64':
    case 'uint64':
      if (/^[+-]?\d+$/.test(cell)) return cell.replace(/^\+/, '').replace(/^(-?)0+(?=\d)/, '$1');
      return DECIMAL.test(cell) ? Number(cell) : undefined;
    default:
      if (DECIMAL.test(cell)) return Number(cell);
      return dtype.startsWith('float') && ['NaN', 'Infinity', '-Infinity'].includes(cell) ? cell : undefined;
  }
}
