/**
 * A data file as columns: every input of the model over the rows, as the file has them, and the labels if it holds any. The
 * format is told by the extension, otherwise by the first bytes.
 */
import path from 'node:path';
import { columnTensor, type CsvTable, parseCsv } from '../csv.ts';
import { fail, SlipwayError } from '../errors.ts';
import { isGzip, isIdx, parseIdx } from '../idx.ts';
import { LIMITS } from '../limits.ts';
import { isNpy, parseNpy } from '../npy.ts';
import { readNpz } from '../npz.ts';
import { readFileBounded } from '../read-file.ts';
import type { Signature, TensorSpec } from '../signature.ts';
import { suggest } from '../suggest.ts';
import type { Tensor } from '../tensor.ts';
import { isZip } from '../zip.ts';
import { rowArrays } from './archive-rows.ts';
import type { Column } from './column.ts';
import { type Columns, columnsFromJson, labelsFromJson, parseJson, parseJsonLines, valuesColumn } from './json-rows.ts';

/** What a file holds before the signature has been asked. */
type Content =
  | { readonly kind: 'array'; readonly array: Tensor }
  | { readonly kind: 'arrays'; readonly arrays: ReadonlyMap<string, Tensor> }
  | { readonly kind: 'table'; readonly table: CsvTable }
  | { readonly kind: 'json'; readonly document: unknown };

type Format = 'npy' | 'npz' | 'idx' | 'csv' | 'json' | 'jsonl';

const EXTENSIONS: Readonly<Record<string, Format>> = {
  '.npy': 'npy',
  '.npz': 'npz',
  '.idx': 'idx',
  '.gz': 'idx',
  '.csv': 'csv',
  '.json': 'json',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
};

function readContent(file: string): Content {
  const extension = path.extname(file).toLowerCase();
  const known = Object.hasOwn(EXTENSIONS, extension) ? EXTENSIONS[extension] : undefined;
  const textual = known === 'csv' || known === 'json' || known === 'jsonl';
  const bytes = readFileBounded(file, textual ? LIMITS.maxTextDataBytes : LIMITS.maxArrayBytes);
  switch (known ?? formatOf(bytes)) {
    case 'npy':
      return { kind: 'array', array: parseNpy(bytes, file) };
    case 'idx':
      return { kind: 'array', array: parseIdx(bytes, file) };
    case 'npz':
      return { kind: 'arrays', arrays: readNpz(bytes, file) };
    case 'csv':
      return { kind: 'table', table: parseCsv(textOf(bytes, file), file) };
    case 'json':
      return { kind: 'json', document: parseJson(textOf(bytes, file), file) };
    case 'jsonl':
      return { kind: 'json', document: parseJsonLines(textOf(bytes, file), file) };
    case null:
      throw fail('DATA_FORMAT', { path: file, problem: 'is in no known data format' });
  }
}

function formatOf(bytes: Uint8Array): Format | null {
  if (isNpy(bytes)) return 'npy';
  if (isZip(bytes)) return 'npz';
  return isGzip(bytes) || isIdx(bytes) ? 'idx' : null;
}

function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw fail('DATA_FORMAT', { path: file, problem: 'is not UTF-8 text' }, { cause });
  }
}

/** A file that names its own columns. @throws DATA_FORMAT, DATA_MISMATCH, FILE_NOT_FOUND, FILE_UNREADABLE */
export function readColumns(file: string, signature: Signature): Columns {
  const content = readContent(file);
  const { inputs } = signature;
  const names = inputs.map((spec) => spec.name);
  const [only] = inputs.length === 1 ? inputs : [];
  switch (content.kind) {
    case 'array': {
      if (only !== undefined) return { inputs: new Map([[only.name, content.array]]), labels: null, groups: null };
      const problem = `${file} holds one array, the model takes ${names.length} inputs (${names.join(', ')}); give a file per input, or a .npz`;
      throw fail('DATA_MISMATCH', { problem });
    }
    case 'arrays':
      return fromArrays(content.arrays, names, file);
    case 'table':
      return fromTable(content.table, inputs);
    case 'json':
      return columnsFromJson(content.document, signature, file);
  }
}

function fromArrays(arrays: ReadonlyMap<string, Tensor>, names: readonly string[], file: string): Columns {
  const beside = ['labels', 'group'].filter((name) => !names.includes(name));
  const inputs = new Map<string, Column>();
  const columns = rowArrays(arrays, [...names, ...beside], file);
  for (const [name, array] of columns) {
    if (names.includes(name)) inputs.set(name, array);
    else if (!beside.includes(name)) {
      const hint = suggest(name, [...names, ...beside]) || `; the model takes ${names.join(', ')}`;
      throw fail('DATA_MISMATCH', { problem: `${file}: the array "${name}" is not an input of the model${hint}` });
    }
  }
  const take = (name: string): Column | null => (beside.includes(name) ? (columns.get(name) ?? null) : null);
  return { inputs, labels: take('labels'), groups: take('group') };
}

/**
 * A single input takes all columns but `label` and `group` as its features, in order; several inputs take a column each, by
 * name.
 */
function fromTable(table: CsvTable, specs: readonly TensorSpec[]): Columns {
  const names = specs.map((spec) => spec.name);
  const beside = ['label', 'group'].filter((name) => !names.includes(name) && table.columns.includes(name));
  const features = table.columns.filter((column) => !beside.includes(column));
  const inputs = new Map<string, Column>();
  const [only] = specs;
  if (specs.length === 1 && only !== undefined) {
    inputs.set(only.name, readCells(table, features, only));
  } else {
    for (const column of features) {
      const spec = specs.find(({ name }) => name === column);
      if (spec === undefined) {
        const hint = suggest(column, [...names, 'label', 'group']) || `; the model takes ${names.join(', ')}`;
        throw fail('DATA_MISMATCH', {
          problem: `${table.path}: the column "${column}" is not an input of the model${hint}`,
        });
      }
      inputs.set(column, readCells(table, [column], spec));
    }
  }
  const take = (name: string): Column | null => (beside.includes(name) ? tableLabels(table, name) : null);
  return { inputs, labels: take('label'), groups: take('group') };
}

/** A single column may hold lists, written as in JSON (`"[101, 7]"`), of which every row may have another length. */
function readCells(table: CsvTable, columns: readonly string[], spec: TensorSpec): Column {
  const [only] = columns.length === 1 ? columns : [];
  const lists = only === undefined || spec.dtype === 'string' ? null : listCells(table, only);
  if (lists !== null) return valuesColumn(lists, spec, table.path);
  try {
    return columnTensor(table, columns, spec.dtype);
  } catch (error) {
    if (!(error instanceof SlipwayError) || error.code !== 'TENSOR_INVALID') throw error;
    throw fail('DATA_FORMAT', { path: table.path, problem: error.message }, { cause: error });
  }
}

/** The lists in a column whose first cell is one, or null. @throws DATA_FORMAT naming the cell that is none */
function listCells(table: CsvTable, column: string): readonly unknown[] | null {
  const at = table.columns.indexOf(column);
  if (table.rows[0]?.[at]?.startsWith('[') !== true) return null;
  return table.rows.map((cells, row) => {
    try {
      const list: unknown = JSON.parse(cells[at] ?? '');
      if (Array.isArray(list)) return list as readonly unknown[];
    } catch {
      // Reported below, with what is expected.
    }
    const problem = `row ${row + 1}, column "${column}": ${JSON.stringify(cells[at])} is not a list of numbers such as [1, 2]`;
    throw fail('DATA_FORMAT', { path: table.path, problem });
  });
}

/** Numbers when all cells are, lists when the first is one, names otherwise. */
function tableLabels(table: CsvTable, column: string): Column {
  const lists = listCells(table, column);
  if (lists !== null) return labelsFromJson(lists, table.path);
  const at = table.columns.indexOf(column);
  const cells = table.rows.map((row) => row[at] ?? '');
  const numeric = cells.every((cell) => /^[+-]?\d+(?:\.\d+)?$/.test(cell));
  return labelsFromJson(numeric ? cells.map(Number) : cells, table.path);
}

/** A file for one input: an array, an archive of one array or one named like the input, a table of features, nested JSON. */
export function readInput(file: string, spec: TensorSpec): Column {
  const content = readContent(file);
  switch (content.kind) {
    case 'array':
      return content.array;
    case 'arrays':
      return pick(content.arrays, spec.name, file);
    case 'table':
      return readCells(content.table, content.table.columns, spec);
    case 'json':
      return valuesColumn(content.document, spec, file);
  }
}

/**
 * A file of labels or groups: an array, an archive of one array or one of that name, a table with that column, a JSON list.
 * @param column the name of the column in a table
 */
export function readLabels(file: string, column: 'label' | 'group'): Column {
  const content = readContent(file);
  switch (content.kind) {
    case 'array':
      return content.array;
    case 'arrays':
      return pick(content.arrays, column === 'label' ? 'labels' : column, file);
    case 'table': {
      const { columns } = content.table;
      const [only] = columns.length === 1 ? columns : [];
      const found = columns.includes(column) ? column : only;
      if (found === undefined) throw fail('DATA_FORMAT', { path: file, problem: `has no column "${column}"` });
      return tableLabels(content.table, found);
    }
    case 'json':
      return labelsFromJson(content.document, file);
  }
}

function pick(arrays: ReadonlyMap<string, Tensor>, name: string, file: string): Column {
  const columns = rowArrays(arrays, [name], file);
  const [only] = columns.size === 1 ? columns.values() : [];
  const array = columns.get(name) ?? only;
  if (array !== undefined) return array;
  const names = [...columns.keys()];
  throw fail('DATA_FORMAT', {
    path: file,
    problem: `has no array "${name}"${suggest(name, names) || ` (it has ${names.join(', ')})`}`,
  });
}
