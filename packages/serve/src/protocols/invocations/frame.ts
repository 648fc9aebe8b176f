/**
 * A table as MLflow's clients send it, to the inputs of a model: `dataframe_split` is what pandas writes with `orient="split"`
 * (https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/), `dataframe_records` with `orient="records"`.
 *
 * A column is the input of its name. A model with one matrix as its input takes the columns as the columns of the matrix,
 * in the order in which they come: names of features are lost when a model is exported.
 */
import { fail, type Signature, type SlipwayError, type Tensor, type Tensors, type TensorSpec } from '@slipway/core';
import { Numbers } from '../../json/numbers.ts';
import { isObject, type JsonValue } from '../../json/parse.ts';
import { readTensor } from '../../json/tensor.ts';
import { addTensor } from '../inference/binary.ts';

interface Frame {
  readonly columns: readonly string[];
  /** By row, then by column. */
  readonly rows: readonly (readonly JsonValue[])[];
}

/** @param body the text of `value`. @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readSplitFrame(value: JsonValue, body: Buffer, signature: Signature): Tensors {
  if (!isObject(value)) throw malformed('"dataframe_split" must be an object with "columns" and "data"');
  const { columns, data } = value;
  if (!Array.isArray(columns) || !columns.every((name) => typeof name === 'string')) {
    throw malformed('"dataframe_split" needs "columns", a list of names');
  }
  if (data instanceof Numbers && data.shape.length === 2) {
    const [rows = 0, width = 0] = data.shape;
    checkWidth(width, columns, 0);
    const matrix = matrixInput(columns, signature);
    // The usual case, and the one worth being quick at: all numbers, one matrix.
    if (matrix !== null) return { [matrix.name]: readTensor(data, matrix, body, where(matrix)) };
    const { values } = data;
    const cells = Array.from({ length: rows }, (_, row) => Array.from(values.subarray(row * width, (row + 1) * width)));
    return fromFrame({ columns, rows: cells }, body, signature);
  }
  if (!Array.isArray(data)) throw malformed('"dataframe_split" needs "data", a list of rows');
  const rows = data.map((row, index) => {
    const cells = row instanceof Numbers && row.shape.length === 1 ? Array.from(row.values) : row;
    if (!Array.isArray(cells)) throw malformed(`row ${index} of "data" must be a list with a value per column`);
    checkWidth(cells.length, columns, index);
    return cells;
  });
  return fromFrame({ columns, rows }, body, signature);
}

/** @param body the text of `value`. @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readRecordsFrame(value: JsonValue, body: Buffer, signature: Signature): Tensors {
  if (!Array.isArray(value) || value.length === 0) throw malformed('"dataframe_records" must be a list of objects');
  const [first] = value;
  const columns = isObject(first) ? Object.keys(first) : [];
  const rows = value.map((record, index) => {
    if (!isObject(record)) throw malformed(`record ${index} must be an object with a value per column`);
    if (Object.keys(record).length !== columns.length || !columns.every((name) => name in record)) {
      throw malformed(`record ${index} has other columns than record 0`);
    }
    return columns.map((name) => record[name] as JsonValue);
  });
  return fromFrame({ columns, rows }, body, signature);
}

function fromFrame({ columns, rows }: Frame, body: Buffer, signature: Signature): Tensors {
  const matrix = matrixInput(columns, signature);
  if (matrix !== null) return { [matrix.name]: readTensor(rows as JsonValue, matrix, body, where(matrix)) };
  const unknown = columns.find((column) => !signature.inputs.some(({ name }) => name === column));
  if (unknown !== undefined) {
    throw malformed(`"${unknown.slice(0, 100)}" is not an input of the model; it takes ${names(signature)}`);
  }
  const inputs: Record<string, Tensor> = {};
  for (const spec of signature.inputs) {
    const at = columns.indexOf(spec.name);
    if (at === -1) throw malformed(`the column "${spec.name}" is missing; the model takes ${names(signature)}`);
    // A cell is a whole row of the input; a model of single values often has them as [batch, 1].
    const wrap = spec.shape?.length === 2 && spec.shape[1] === 1;
    const cells = rows.map((row) => row[at] as JsonValue);
    const column = wrap ? cells.map((cell) => (isList(cell) ? cell : [cell])) : cells;
    addTensor(inputs, spec.name, readTensor(column, spec, body, where(spec)));
  }
  return inputs;
}

/** The only input, when it is a matrix and its name is not that of a column. */
function matrixInput(columns: readonly string[], { inputs }: Signature): TensorSpec | null {
  const [spec] = inputs;
  if (spec === undefined || inputs.length > 1 || columns.includes(spec.name)) return null;
  return spec.shape === null || spec.shape.length === 2 ? spec : null;
}

function checkWidth(width: number, columns: readonly unknown[], row: number): void {
  if (width === columns.length) return;
  throw malformed(`row ${row} of "data" has ${width} values for ${columns.length} columns`);
}

const isList = (value: JsonValue): boolean => Array.isArray(value) || value instanceof Numbers;
const where = ({ name }: TensorSpec): string => `input "${name}"`;
const names = ({ inputs }: Signature): string => inputs.map(({ name }) => `"${name}"`).join(', ');
const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
