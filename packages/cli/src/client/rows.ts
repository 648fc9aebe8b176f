/** Rows to ask a model about: from a file, from the golden samples of a release, or made up from the signature. */
import {
  type Column,
  columnOf,
  createDataset,
  type Dataset,
  type DType,
  elementCount,
  fixedBatch,
  loadDataset,
  type Manifest,
  pickRows,
  rowsLike,
  rowsOf,
  type Signature,
  type Tensor,
  type Tensors,
} from '@slipway/core';

/** @throws FILE_NOT_FOUND, DATA_FORMAT, DATA_MISMATCH */
export function rowsOfFile(file: string, signature: Signature): Promise<Dataset> {
  return loadDataset({ inputs: { '*': file }, labels: null, group: null, rows: null }, signature);
}

/** The inputs of the golden samples, or null when the release carries none that are rows. */
export async function rowsOfGolden(directory: string, manifest: Manifest): Promise<Dataset | null> {
  if (manifest.golden === undefined) return null;
  const { readGolden } = await import('@slipway/runtime');
  const arrays = readGolden(directory, manifest.golden);
  const inputs: Record<string, Column> = {};
  for (const { name } of manifest.signature.inputs) {
    const samples = Array.from({ length: manifest.golden.count }, (_, i) => arrays.get(`input/${name}/${i}`));
    const whole = arrays.get(`input/${name}`) ?? column(samples);
    if (whole === null) return null;
    inputs[name] = whole;
  }
  return createDataset(manifest.signature, inputs, null, { rowCount: manifest.golden.count, firstRow: 0 });
}

/** Samples kept one by one, because a call takes one row or because their shapes differ, as rows; null when they are not. */
function column(samples: readonly (Tensor | undefined)[]): Column | null {
  const found = samples.filter((sample) => sample?.shape[0] === 1);
  return found.length === samples.length ? columnOf(found as Tensor[]) : null;
}

const MADE_UP_ROWS = 8;
/** For dimensions nobody knows, other than the batch. */
const MADE_UP_DIMENSION = 16;

/** Small values that repeat, so that every run sends the same. */
export function rowsMadeUp(signature: Signature): Dataset {
  const rowCount = fixedBatch(signature) ?? MADE_UP_ROWS;
  const inputs = signature.inputs.map(({ name, dtype, shape }): [string, Tensor] => {
    const free = (dim: number | string): number => (typeof dim === 'number' ? dim : MADE_UP_DIMENSION);
    const full = [rowCount, ...(shape ?? [1]).slice(1).map(free)];
    return [name, madeUp(dtype, full)];
  });
  return createDataset(signature, Object.fromEntries(inputs), null, { rowCount, firstRow: 0 });
}

function madeUp(dtype: DType, shape: readonly number[]): Tensor {
  const count = elementCount(shape);
  const values = Array.from({ length: count }, (_, i) => (i * 7) % 2);
  const tensor = (data: unknown): Tensor => ({ dtype, shape, data }) as Tensor;
  switch (dtype) {
    case 'string':
      return tensor(values.map((value) => `text ${value}`));
    case 'int64':
      return tensor(BigInt64Array.from(values, BigInt));
    case 'uint64':
      return tensor(BigUint64Array.from(values, BigInt));
    case 'float32':
      return tensor(Float32Array.from({ length: count }, (_, i) => ((i * 37) % 8) / 8));
    case 'float64':
      return tensor(Float64Array.from({ length: count }, (_, i) => ((i * 37) % 8) / 8));
    // 0x3c00 is 1.0
    case 'float16':
      return tensor(Uint16Array.from(values, (value) => value * 0x3c00));
    case 'uint16':
      return tensor(Uint16Array.from(values));
    case 'uint32':
      return tensor(Uint32Array.from(values));
    case 'int8':
      return tensor(Int8Array.from(values));
    case 'int16':
      return tensor(Int16Array.from(values));
    case 'int32':
      return tensor(Int32Array.from(values));
    case 'bool':
    case 'uint8':
      return tensor(Uint8Array.from(values));
  }
}

/**
 * The rows in calls of `batch` rows, in order; a last call that would be smaller is left out unless it is the only one. Where rows
 * differ in shape, a call has rows of the shape of its first, some of them again if there are too few.
 */
export function calls(dataset: Dataset, batch: number): Tensors[] {
  const count = Math.max(1, Math.floor(dataset.rowCount / batch));
  if (dataset.isRagged) {
    return Array.from({ length: count }, (_, call) => {
      const alike = rowsLike(dataset, call * batch);
      return pickRows(
        dataset,
        Array.from({ length: batch }, (_, i) => alike[i % alike.length] ?? 0),
      );
    });
  }
  return Array.from({ length: count }, (_, i) =>
    rowsOf(dataset, i * batch, Math.min((i + 1) * batch, dataset.rowCount)),
  );
}
