/**
 * Rows in JSON, in the three forms people keep them in:
 *
 * - an array of rows, or `{"instances": […], "labels": […]}` as TensorFlow Serving has it. A row is an object with a member
 *   per input (and `label`, `group`), or for a model with one input the bare value;
 * - `{"inputs": {"NAME": […]}, "labels": […]}`, a column per input; for a model with one input, the bare column;
 * - JSON Lines: a row per line.
 *
 * Values may be nested or flat, and rows may have shapes of their own; `fitColumn` gives them the shape of the model.
 */
import { fail, SlipwayError } from '../errors.ts';
import { tensorFromJson } from '../json-tensor.ts';
import type { Signature, TensorSpec } from '../signature.ts';
import { suggest } from '../suggest.ts';
import type { Tensor } from '../tensor.ts';
import { type Column, columnOf } from './column.ts';

/** Every input of the model over the rows, as the file has them, and the labels and groups if it holds any. */
export interface Columns {
  readonly inputs: ReadonlyMap<string, Column>;
  readonly labels: Column | null;
  readonly groups: Column | null;
}

type JsonObject = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws DATA_FORMAT */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw fail('DATA_FORMAT', { path, problem: cause instanceof Error ? cause.message : String(cause) }, { cause });
  }
}

/** The values of a JSON Lines file; blank lines are skipped. @throws DATA_FORMAT naming the line */
export function parseJsonLines(text: string, path: string): unknown[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    return [parseJson(line, `${path}, line ${index + 1}`)];
  });
}

/** @throws DATA_FORMAT */
export function columnsFromJson(document: unknown, signature: Signature, path: string): Columns {
  const bad = (problem: string): Error => fail('DATA_FORMAT', { path, problem });
  if (Array.isArray(document)) return fromRows(document, {}, signature, path);
  if (!isObject(document)) throw bad('must be an array of rows, {"instances": […]} or {"inputs": …}');
  const known = 'inputs' in document ? ['inputs', 'labels', 'group'] : ['instances', 'labels', 'group'];
  const unknown = Object.keys(document).find((key) => !known.includes(key));
  const { inputs, instances, labels, group } = document;
  if ((inputs === undefined) === (instances === undefined)) throw bad('must have either "inputs" or "instances"');
  if (unknown !== undefined) throw bad(`has the unknown member "${unknown}"${suggest(unknown, known)}`);
  if (instances !== undefined) {
    if (!Array.isArray(instances)) throw bad('"instances" must be an array of rows');
    return fromRows(instances, { label: labels, group }, signature, path);
  }
  const [only] = signature.inputs;
  const members = isObject(inputs) ? inputs : signature.inputs.length === 1 && only ? { [only.name]: inputs } : null;
  if (members === null) throw bad('"inputs" must be an object with a member per input of the model');
  checkNames(Object.keys(members), signature, [], bad);
  return {
    inputs: new Map(
      signature.inputs.flatMap((spec) =>
        Object.hasOwn(members, spec.name)
          ? [[spec.name, valuesColumn(asColumn(members[spec.name], spec), spec, path)]]
          : [],
      ),
    ),
    labels: labels === undefined ? null : labelsFromJson(labels, path),
    groups: group === undefined ? null : labelsFromJson(group, path, 'group'),
  };
}

/** A scalar has no row axis: TensorFlow Serving's columns give it bare, and it is the one row there is. */
function asColumn(values: unknown, { shape }: TensorSpec): unknown {
  const mayBeScalar = shape === null || shape.length === 0;
  return mayBeScalar && !Array.isArray(values) ? [values] : values;
}

/** @param given columns that are beside the rows */
function fromRows(
  list: readonly unknown[],
  given: { readonly label?: unknown; readonly group?: unknown },
  signature: Signature,
  path: string,
): Columns {
  const bad = (problem: string): Error => fail('DATA_FORMAT', { path, problem });
  const { inputs } = signature;
  const beside = (['label', 'group'] as const).filter((name) => !inputs.some((spec) => spec.name === name));
  const [only] = inputs;
  const named = list.map((row, index): JsonObject => {
    if (isObject(row)) {
      checkNames(Object.keys(row), signature, beside, (problem) => bad(`row ${index}: ${problem}`));
      for (const { name } of inputs) {
        if (!Object.hasOwn(row, name)) throw bad(`row ${index}: has no "${name}"`);
      }
      return row;
    }
    if (inputs.length !== 1 || only === undefined) {
      throw bad(`row ${index}: must be an object with a member per input of the model`);
    }
    return { [only.name]: row };
  });
  const column = (name: 'label' | 'group'): Column | null => {
    const having = beside.includes(name) ? named.filter((row) => Object.hasOwn(row, name)).length : 0;
    if (having > 0 && having < list.length) {
      throw bad(`${having} of ${list.length} rows have a "${name}"; either all or none`);
    }
    if (having > 0 && given[name] !== undefined) throw bad(`has ${name}s twice: in the rows and beside them`);
    const values = having > 0 ? named.map((row) => row[name]) : given[name];
    return values === undefined ? null : labelsFromJson(values, path, name === 'label' ? 'labels' : name);
  };
  return {
    inputs: new Map(
      inputs.map((spec) => [
        spec.name,
        valuesColumn(
          named.map((row) => row[spec.name]),
          spec,
          path,
        ),
      ]),
    ),
    labels: column('label'),
    groups: column('group'),
  };
}

function checkNames(
  names: readonly string[],
  signature: Signature,
  also: readonly string[],
  bad: (problem: string) => Error,
): void {
  const known = [...signature.inputs.map((spec) => spec.name), ...also];
  for (const name of names) {
    if (!known.includes(name)) {
      throw bad(`"${name}" is not an input of the model${suggest(name, known) || `, which takes ${known.join(', ')}`}`);
    }
  }
}

/** Nested values of one input. The first index in messages is the row. @throws DATA_FORMAT */
export function valuesColumn(values: unknown, spec: TensorSpec, path: string): Column {
  return readRows(values, spec, `input "${spec.name}"`, path);
}

/** Each row by itself, because rows may have shapes of their own; what is no list of rows is left to whoever counts them. */
function readRows(values: unknown, spec: TensorSpec, where: string, path: string): Column {
  const any = { ...spec, shape: null };
  if (!Array.isArray(values) || values.length === 0) return read(values, any, where, path);
  const parts = values.map((value: unknown, row): Tensor => {
    const one = read(value, any, `${where}[${row}]`, path);
    return { ...one, shape: [1, ...one.shape] };
  });
  return columnOf(parts);
}

/** Whole numbers become int64, other numbers float64, text string; one per row, or as many per row as there are. @throws DATA_FORMAT */
export function labelsFromJson(values: unknown, path: string, name: 'labels' | 'group' = 'labels'): Column {
  if (!Array.isArray(values)) throw fail('DATA_FORMAT', { path, problem: `"${name}" must be an array` });
  // Lists of one are one label per row, unless other rows have more.
  const isOne = (value: unknown): boolean => !Array.isArray(value) || (value.length === 1 && !Array.isArray(value[0]));
  const rows: readonly unknown[] = values.every(isOne) ? values.flat() : values;
  const all: readonly unknown[] = rows.flat(Infinity);
  const dtype = all.every((value) => typeof value === 'string')
    ? 'string'
    : all.every(Number.isInteger)
      ? 'int64'
      : 'float64';
  const nested = rows.length > 0 && rows.every(Array.isArray);
  // A list beside a single value is a mistake and not a row of another shape.
  return nested
    ? readRows(rows, { name, dtype, shape: null }, name, path)
    : read(rows, { name, dtype, shape: ['rows'] }, name, path);
}

function read(values: unknown, spec: TensorSpec, where: string, path: string): Tensor {
  try {
    return tensorFromJson(values, spec, where);
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    throw fail('DATA_FORMAT', { path, problem: error.message }, { cause: error });
  }
}
