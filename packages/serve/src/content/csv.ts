/**
 * `text/csv` (RFC 4180), one line per row: the columns are the values of the only input in order, as SageMaker's clients send
 * them, or are named after inputs. A row of several values is `NAME.0`, `NAME.1`, …
 *
 * Whether the first line is a header: as the parameter `header=present` or `header=absent` says; without it, a line that is
 * not all values is one.
 */
import { type DType, type Signature, type Tensor, type Tensors, type TensorSpec, textsOf } from '@slipway/core';
import type { MediaType } from '../http/media-types.ts';
import type { JsonValue } from '../json/parse.ts';
import { readTensor } from '../json/tensor.ts';
import { JsonWriter } from '../json/writer.ts';
import { fitInput, malformed, namesOf } from './fit.ts';

const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const NOTHING = Buffer.alloc(0);

/** @throws REQUEST_MALFORMED, TENSOR_INVALID naming row and column */
export function readCsvBody(body: Buffer, signature: Signature, type: MediaType): Tensors {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw malformed('the CSV is not valid UTF-8');
  }
  const records = parseRecords(text);
  const [first] = records;
  if (first === undefined) throw malformed('the CSV is empty');
  for (const [row, cells] of records.entries()) {
    if (cells.length !== first.length) {
      throw malformed(`row ${row + 1} of the CSV has ${cells.length} cells where the first has ${first.length}`);
    }
  }
  const header = hasHeader(first, signature, type) ? first.map((cell) => cell.trim()) : null;
  const rows = header === null ? records : records.slice(1);
  if (rows.length === 0) throw malformed('the CSV has a header and no rows');
  const columns = signature.inputs.map((spec) => columnsOf(spec, header, first.length, signature));
  refuseStrangers(header ?? [], new Set(columns.flat()), signature);
  return Object.fromEntries(
    signature.inputs.map((spec, input) => [
      spec.name,
      columnTensor(rows, columns[input] ?? [], spec, header === null ? 1 : 2),
    ]),
  );
}

/** A column that no input reads is a mistake in a name more often than one too many; Arrow and JSON are as strict. */
function refuseStrangers(header: readonly string[], read: ReadonlySet<number>, signature: Signature): void {
  const stranger = header.find((_, column) => !read.has(column));
  if (stranger === undefined) return;
  const shown = JSON.stringify(stranger.slice(0, 100));
  throw malformed(`the CSV column ${shown} is not an input of the model; it takes ${namesOf(signature)}`);
}

function hasHeader(first: readonly string[], signature: Signature, { parameters }: MediaType): boolean {
  const said = parameters.get('header')?.toLowerCase();
  if (said === 'present' || said === 'absent') return said === 'present';
  const [spec] = signature.inputs;
  if (signature.inputs.length > 1 || spec === undefined) return true;
  return spec.dtype === 'string' ? first[0] === spec.name : first.some((cell) => cellValue(cell, spec.dtype) === null);
}

/** Positions of the columns of an input. */
function columnsOf(spec: TensorSpec, header: string[] | null, count: number, signature: Signature): number[] {
  const single = signature.inputs.length === 1;
  if (header === null) {
    if (!single) throw malformed(`without a header the CSV cannot say which column is which of ${namesOf(signature)}`);
    return Array.from({ length: count }, (_, column) => column);
  }
  const exact = header.indexOf(spec.name);
  if (exact !== -1) return [exact];
  const numbered: number[] = [];
  for (;;) {
    const column = header.indexOf(`${spec.name}.${numbered.length}`);
    if (column === -1) break;
    numbered.push(column);
  }
  if (numbered.length > 0) return numbered;
  // Names of features, which the model does not know.
  if (single) return header.map((_, column) => column);
  throw malformed(`the CSV has no column "${spec.name}" (or "${spec.name}.0", "${spec.name}.1", …)`);
}

function columnTensor(
  rows: readonly string[][],
  columns: readonly number[],
  spec: TensorSpec,
  firstLine: number,
): Tensor {
  const values: JsonValue[] = rows.map((cells, row) =>
    columns.map((column): JsonValue => {
      const value = cellValue(cells[column] ?? '', spec.dtype);
      if (value !== null) return value;
      const shown = JSON.stringify((cells[column] ?? '').slice(0, 24));
      const kind = spec.dtype === 'bool' ? 'true or false' : 'a number';
      throw malformed(`line ${row + firstLine}, column ${column + 1} of the CSV: ${shown} is not ${kind}`);
    }),
  );
  const where = `input "${spec.name}"`;
  return fitInput(readTensor(values, { ...spec, shape: ['rows', columns.length] }, NOTHING, where), spec);
}

/** The JSON value a cell stands for; null for none. Integers of 64 bits stay text, which loses no digits. */
function cellValue(cell: string, dtype: DType): string | number | boolean | null {
  if (dtype === 'string') return cell;
  const value = cell.trim();
  if (dtype === 'bool') {
    const word = value.toLowerCase();
    return word === 'true' || word === '1' ? true : word === 'false' || word === '0' ? false : null;
  }
  if ((dtype === 'int64' || dtype === 'uint64') && /^-?(?:0|[1-9]\d*)$/.test(value)) return value;
  if (DECIMAL.test(value)) {
    const number = Number(value);
    return Number.isFinite(number) ? number : null;
  }
  if (!dtype.startsWith('float')) return null;
  const [, sign = '', word = ''] = /^([+-]?)(nan|inf(?:inity)?)$/i.exec(value) ?? [];
  if (word === '') return null;
  return word.toLowerCase() === 'nan' ? 'NaN' : `${sign === '-' ? '-' : ''}Infinity`;
}

/** Lines of cells; empty lines are none. @throws REQUEST_MALFORMED */
function parseRecords(text: string): string[][] {
  const records: string[][] = [];
  if (!text.includes('"')) {
    for (const line of text.split(/\r\n|\n|\r/)) if (line !== '') records.push(line.split(','));
    return records;
  }
  const token = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  let record: string[] = [];
  while (token.lastIndex < text.length) {
    const start = token.lastIndex;
    const match = token.exec(text);
    if (match === null) throw malformed(`the CSV has a quote where none may stand (character ${start})`);
    const [, quoted, plain = '', end] = match;
    if (record.length > 0 || end === ',' || quoted !== undefined || plain !== '') {
      record.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    }
    if (end === ',' && token.lastIndex < text.length) continue;
    if (end === ',') record.push('');
    if (record.length > 0) records.push(record);
    record = [];
  }
  return records;
}

/**
 * One line per row of the outputs, side by side.
 * @param header whether the first line names the columns
 * @throws NOT_ACCEPTABLE is for the caller; here REQUEST_MALFORMED when the outputs have not the same rows
 */
export function writeCsv(signature: Signature, outputs: Tensors, header: boolean): Buffer {
  const columns = signature.outputs.map(({ name }) => {
    const tensor = outputs[name] as Tensor;
    if (tensor.dtype === 'string') textsOf(tensor, `output "${name}"`);
    const rows = tensor.shape[0] ?? 1;
    return { name, tensor, rows, width: rows === 0 ? 0 : tensor.data.length / rows };
  });
  const rows = columns[0]?.rows ?? 0;
  if (columns.some((column) => column.rows !== rows)) {
    throw malformed('the outputs do not have the same rows, so they are no CSV; ask for .npz or JSON');
  }
  const writer = new JsonWriter('bare');
  if (header) {
    const names = columns.flatMap(({ name, tensor, width }) =>
      tensor.shape.length < 2 ? [name] : Array.from({ length: width }, (_, index) => `${name}.${index}`),
    );
    writer.raw(`${names.map(quoted).join(',')}\n`);
  }
  for (let row = 0; row < rows; row++) {
    let first = true;
    for (const { tensor, width } of columns) {
      for (let index = row * width; index < (row + 1) * width; index++) {
        if (!first) writer.raw(',');
        first = false;
        if (tensor.dtype === 'string') writer.raw(quoted(tensor.data[index] as string));
        else writer.nested(tensor, [], 0, index, false);
      }
    }
    writer.raw('\n');
  }
  return writer.finish();
}

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
