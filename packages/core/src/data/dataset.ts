/**
 * Rows to calibrate or evaluate with: every input of a model over all rows (column.ts), and the expected answers.
 *
 * Axis 0 of a dataset is always the row axis, also for a model whose own axis 0 is fixed to 1 or who takes a scalar:
 * what the model is fed is made by `rowsOf`. Rows whose shapes differ can share no call: such a dataset goes through a model
 * row by row, and where several rows are needed at once, `rowsLike` says which.
 */
import { createHash, type Hash } from 'node:crypto';
import { canonicalJson, type Digest } from '../digest.ts';
import { fail } from '../errors.ts';
import type { Signature, TensorSpec } from '../signature.ts';
import { bytesOf, type Tensors } from '../tensor.ts';
import { type Column, columnRows, type InputColumns, isRagged, pickFrom } from './column.ts';

export interface Dataset {
  /** The signature the inputs were fitted to. */
  readonly signature: Signature;
  readonly inputs: InputColumns;
  /** The expected answers, in the dtype of the file; null when the data has none. */
  readonly labels: Column | null;
  /** Inputs or labels have rows of different shapes. */
  readonly isRagged: boolean;
  /** The group of every row, or null when the data names none. Not part of the digest: groups change no measurement. */
  readonly groups: readonly string[] | null;
  readonly rowCount: number;
  /** The position of row 0 in the files, when only a range of them was loaded. */
  readonly firstRow: number;
  /** Of the content as the model sees it (and the labels), not of the files: the same rows in another format are the same data. */
  readonly digest: Digest;
  /** One short hash per row, of the inputs only. */
  rowDigests(): readonly string[];
}

/** Fitted inputs and labels of equal row counts, as a dataset. */
export function createDataset(
  signature: Signature,
  inputs: InputColumns,
  labels: Column | null,
  size: { rowCount: number; firstRow: number; groups?: readonly string[] | null },
): Dataset {
  const { rowCount, firstRow, groups = null } = size;
  let digest: Digest | undefined;
  let digests: readonly string[] | undefined;
  const names = Object.keys(inputs).sort();
  return {
    signature,
    inputs,
    labels,
    isRagged: [...Object.values(inputs), ...(labels === null ? [] : [labels])].some(isRagged),
    rowCount,
    firstRow,
    groups,
    get digest() {
      if (digest === undefined) {
        const hash = createHash('sha256');
        for (const name of names) updateWith(hash, name, inputs[name]);
        if (labels !== null) updateWith(hash, null, labels);
        digest = `sha256:${hash.digest('hex')}`;
      }
      return digest;
    },
    rowDigests() {
      digests ??= Array.from({ length: rowCount }, (_, row) => {
        const hash = createHash('sha256');
        for (const name of names) {
          const value = inputs[name];
          if (value !== undefined) updateWith(hash, name, columnRows(value, row, row + 1));
        }
        return hash.digest('base64url').slice(0, ROW_DIGEST_CHARACTERS);
      });
      return digests;
    },
  };
}

/** 96 bits: no accidental match in any data set that fits a machine. */
const ROW_DIGEST_CHARACTERS = 16;

function updateWith(hash: Hash, name: string | null, value: Column | undefined): void {
  if (value === undefined) return;
  if (isRagged(value)) {
    // As many as are said: no row can be taken for the next column.
    hash.update(`${canonicalJson({ name, dtype: value.dtype, rows: value.parts.length })}\n`);
    for (const part of value.parts) updateWith(hash, name, part);
    return;
  }
  const { dtype, shape, data } = value;
  // The header says how many bytes follow, so that no two data sets run together to the same bytes.
  const header = dtype === 'string' ? { name, dtype, shape, data } : { name, dtype, shape };
  hash.update(`${canonicalJson(header)}\n`);
  if (dtype !== 'string') hash.update(bytesOf(data));
}

/** How many rows of `a` also occur in `b`, and the first of them, counted as in the files of `a`; null when none does. */
export function findOverlap(a: Dataset, b: Dataset): { readonly count: number; readonly row: number } | null {
  const known = new Set(b.rowDigests());
  const shared = a.rowDigests().flatMap((digest, row) => (known.has(digest) ? [row] : []));
  const [first] = shared;
  return first === undefined ? null : { count: shared.length, row: a.firstRow + first };
}

/**
 * How many rows the model takes in one call: null for any number, otherwise what its fixed axis 0 says (1 for a scalar).
 */
export function fixedBatch(signature: Signature): number | null {
  for (const spec of signature.inputs) {
    const size = rowsPerCall(spec);
    if (size !== null) return size;
  }
  return null;
}

function rowsPerCall({ shape }: TensorSpec): number | null {
  if (shape === null) return null;
  const axis = shape.length === 0 ? 1 : shape[0];
  return typeof axis === 'number' ? axis : null;
}

/**
 * Rows `start` to `end` (exclusive) as the model takes them: views, nothing is copied.
 * @throws DATA_MISMATCH when the model's axis 0 is fixed to another number of rows, or the rows do not exist
 */
export function rowsOf(dataset: Dataset, start: number, end: number): Tensors {
  const { inputs, rowCount, signature } = dataset;
  if (!(start >= 0 && start < end && end <= rowCount)) {
    throw fail('DATA_MISMATCH', { problem: `rows [${start}, ${end}) were asked for; the data has ${rowCount}` });
  }
  const entries = signature.inputs.map((spec) => {
    const size = rowsPerCall(spec);
    if (size !== null && size !== end - start) {
      const problem = `input "${spec.name}" takes exactly ${size} rows per call, ${end - start} were asked for`;
      throw fail('DATA_MISMATCH', { problem });
    }
    const value = inputs[spec.name];
    if (value === undefined) throw fail('DATA_MISMATCH', { problem: `there is no data for input "${spec.name}"` });
    const part = columnRows(value, start, end);
    return [spec.name, spec.shape?.length === 0 ? { ...part, shape: [] } : part] as const;
  });
  return Object.fromEntries(entries);
}

/** These rows, in this order, as the model takes them; copies. They must be of one shape. @throws DATA_MISMATCH as `rowsOf` */
export function pickRows({ signature, inputs }: Dataset, indices: readonly number[]): Tensors {
  const picked = Object.entries(inputs).map(([name, value]) => [name, pickFrom(value, indices)] as const);
  const size = { rowCount: indices.length, firstRow: 0 };
  return rowsOf(createDataset(signature, Object.fromEntries(picked), null, size), 0, indices.length);
}

/**
 * Every row whose inputs have the shapes of those of `row`: the ones that can share a call with it. From `row` on, beginning again
 * at the first row when there are no more.
 */
export function rowsLike({ inputs, rowCount }: Dataset, row: number): number[] {
  const ragged = Object.values(inputs).filter(isRagged);
  const shapesOf = (at: number): string => ragged.map(({ parts }) => parts[at]?.shape.join()).join(' ');
  const wanted = shapesOf(row);
  return Array.from({ length: rowCount }, (_, i) => (row + i) % rowCount).filter((at) => shapesOf(at) === wanted);
}
