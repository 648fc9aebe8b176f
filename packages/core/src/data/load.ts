/**
 * Calibration and evaluation data from files to a dataset: read, take the range of rows, fit to the signature, check that
 * inputs and labels belong together.
 */
import type { DataSource } from '../config/data.ts';
import { fail, SlipwayError } from '../errors.ts';
import { type Signature, validateInputs } from '../signature.ts';
import { type Column, columnSlice, isRagged } from './column.ts';
import { readColumns, readInput, readLabels } from './columns.ts';
import { createDataset, type Dataset, fixedBatch, rowsOf } from './dataset.ts';
import { fitColumn, fitGroups, fitLabels } from './fit.ts';
import type { Columns } from './json-rows.ts';

/** The key of a source's inputs that stands for one file which names its own arrays. */
const SELF_NAMED = '*';

/**
 * @param signature of the model the rows are for; inputs are reshaped and cast to it where that is safe (fit.ts, cast.ts)
 * @throws DATA_FORMAT, DATA_MISMATCH, DATA_EMPTY, FILE_NOT_FOUND, FILE_UNREADABLE
 */
// eslint-disable-next-line @typescript-eslint/require-await -- the promise is the contract: reading may move off this thread
export async function loadDataset(source: DataSource, signature: Signature): Promise<Dataset> {
  const { inputs, labels, groups } = readSource(source, signature);
  const columns = signature.inputs.map((spec) => {
    const value = inputs.get(spec.name);
    if (value !== undefined) return { spec, value };
    const files = Object.values(source.inputs).join(', ') || 'the configuration';
    throw fail('DATA_MISMATCH', { problem: `there is no data for input "${spec.name}" in ${files}` });
  });
  const first = Object.values(source.inputs)[0] ?? '';
  const available = countRows(inputs, { labels, group: groups }, first);
  const [start, end] = source.rows ?? [0, available];
  if (end > available) {
    const problem = `rows [${start}, ${end}) of ${first} were asked for; it has ${available}`;
    throw fail('DATA_MISMATCH', { problem });
  }
  // The range first: then only the rows asked for are converted.
  const take = (value: Column): Column => columnSlice(value, start, end);
  const fitted = columns.map(({ spec, value }) => [spec.name, fitColumn(take(value), spec, start)] as const);
  const together = fixedBatch(signature) ?? 1;
  const [ragged] = fitted.filter(([, value]) => isRagged(value));
  if (ragged !== undefined && together > 1) {
    const problem = `input "${ragged[0]}": rows have different shapes, and the model takes exactly ${together} rows per call, which must have one`;
    throw fail('DATA_MISMATCH', { problem });
  }
  const dataset = createDataset(signature, Object.fromEntries(fitted), labels === null ? null : take(labels), {
    rowCount: end - start,
    firstRow: start,
    groups: groups === null ? null : fitGroups(take(groups)),
  });
  checkCalls(dataset, together);
  return dataset;
}

/** What the inputs of a call must have in common: a mask is as long as its tokens. Stacked rows are all alike, and one call says it. */
function checkCalls(dataset: Dataset, size: number): void {
  const { rowCount, firstRow, isRagged: each, signature } = dataset;
  for (let row = 0; row + size <= (each ? rowCount : size); row += size) {
    if (row + size > rowCount) return;
    try {
      validateInputs(signature, rowsOf(dataset, row, row + size));
    } catch (error) {
      if (!(error instanceof SlipwayError) || error.code !== 'TENSOR_INVALID') throw error;
      const where = each ? `row ${firstRow + row}: ` : '';
      throw fail('DATA_MISMATCH', { problem: `${where}${error.message}` }, { cause: error });
    }
  }
}

function readSource(source: DataSource, signature: Signature): Columns {
  const all = source.inputs[SELF_NAMED];
  const read = all === undefined ? readNamed(source.inputs, signature) : readColumns(all, signature);
  const labels = source.labels === null ? read.labels : readLabels(source.labels, 'label');
  const groups = source.group === null ? read.groups : readLabels(source.group, 'group');
  return { inputs: read.inputs, labels: labels === null ? null : fitLabels(labels), groups };
}

function readNamed(files: Readonly<Record<string, string>>, signature: Signature): Columns {
  const inputs = new Map<string, Column>();
  for (const [name, file] of Object.entries(files)) {
    const spec = signature.inputs.find((each) => each.name === name);
    if (spec === undefined) {
      const known = signature.inputs.map((each) => `"${each.name}"`).join(', ');
      throw fail('DATA_MISMATCH', {
        problem: `data is given for "${name}", which is not an input of the model (${known})`,
      });
    }
    inputs.set(name, readInput(file, spec));
  }
  return { inputs, labels: null, groups: null };
}

/** The number of rows all columns agree on. */
function countRows(
  inputs: ReadonlyMap<string, Column>,
  beside: Readonly<Record<string, Column | null>>,
  file: string,
): number {
  let count: number | undefined;
  let counted = '';
  const others = Object.entries(beside).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]));
  const columns = [...inputs, ...others];
  for (const [name, value] of columns) {
    const size = isRagged(value) ? value.parts.length : value.shape[0];
    if (size === undefined) {
      throw fail('DATA_MISMATCH', { problem: `${file}: "${name}" is a single value; axis 0 must count the rows` });
    }
    if (count !== undefined && size !== count) {
      throw fail('DATA_MISMATCH', { problem: `${file}: "${counted}" has ${count} rows, "${name}" has ${size}` });
    }
    count = size;
    counted = name;
  }
  if (count === undefined || count === 0) throw fail('DATA_EMPTY', { path: file });
  return count;
}
