/**
 * From rows to calls. A model that takes any number of rows is fed many at once; one with a fixed axis 0 gets exactly that
 * many, and rows of different shapes go one by one, with several calls in flight so that the hop between processes is not
 * waited for row by row.
 */
import {
  columnBytes,
  concatRows,
  type Dataset,
  fixedBatch,
  isBatchable,
  pickRows,
  rows,
  rowsLike,
  rowsOf,
  type Signature,
  type Tensor,
  type Tensors,
} from '@slipway/core';
import type { Runner } from '@slipway/runtime';

/**
 * Rows per evaluation call. Enough to amortize a call, few enough that a model whose rows influence each other (activation
 * ranges at run time) is evaluated about as it will be served.
 */
const ROWS_PER_CALL = 32;
/** Larger rows are sent in smaller calls, bytes. */
const BYTES_PER_CALL = 16 * 1024 * 1024;
const CALLS_IN_FLIGHT = 64;

/** How many rows one call takes. Of rows that differ in shape one each, whatever their order: then no result depends on it. */
export function callSize(signature: Signature, dataset: Dataset): number {
  const fixed = fixedBatch(signature);
  if (fixed !== null) return fixed;
  if (!isBatchable(signature) || dataset.isRagged) return 1;
  const bytes = Object.values(dataset.inputs).reduce((sum, column) => sum + columnBytes(column), 0);
  const perRow = Math.max(1, bytes / dataset.rowCount);
  return Math.max(1, Math.min(ROWS_PER_CALL, Math.floor(BYTES_PER_CALL / perRow)));
}

export interface Chunk {
  readonly start: number;
  readonly calls: readonly { readonly inputs: Tensors; readonly rows: number }[];
}

/** All whole calls of a dataset, in chunks of as many as may be in flight. Rows that fill no fixed call are left out. */
export function* chunksOf(dataset: Dataset, size: number): Generator<Chunk> {
  const fixed = fixedBatch(dataset.signature) !== null;
  const end = fixed ? Math.floor(dataset.rowCount / size) * size : dataset.rowCount;
  for (let start = 0; start < end; start += size * CALLS_IN_FLIGHT) {
    const calls = [];
    for (let at = start; at < Math.min(end, start + size * CALLS_IN_FLIGHT); at += size) {
      const stop = Math.min(end, at + size);
      calls.push({ inputs: rowsOf(dataset, at, stop), rows: stop - at });
    }
    yield { start, calls };
  }
}

/** The outputs of all calls of a chunk. */
export function runChunk(runner: Pick<Runner, 'run' | 'signature'>, chunk: Chunk): Promise<Tensors[]> {
  return Promise.all(chunk.calls.map(({ inputs, rows }) => runRows(runner, inputs, rows)));
}

/**
 * What a model answers on some rows, whatever number of them it takes: a pass may have fixed axis 0 (`inputShapes` of `simplify`)
 * that the source leaves open. The rows then go in as many calls as that takes, the last one filled up with its last row.
 */
export async function runRows(
  runner: Pick<Runner, 'run' | 'signature'>,
  inputs: Tensors,
  count: number,
): Promise<Tensors> {
  const fixed = fixedBatch(runner.signature);
  if (fixed === null || fixed === count) return runner.run(inputs);
  const part = (at: number): Tensors =>
    mapTensors(inputs, (value) =>
      at + fixed <= count
        ? rows(value, at, at + fixed)
        : concatRows(
            Array.from({ length: fixed }, (_, i) => Math.min(at + i, count - 1)).map((row) =>
              rows(value, row, row + 1),
            ),
          ),
    );
  const starts = Array.from({ length: Math.ceil(count / fixed) }, (_, i) => i * fixed);
  const answers = await Promise.all(starts.map((at) => runner.run(part(at))));
  return mapTensors(answers[0] ?? {}, (first, name) =>
    rows(concatRows(answers.map((each) => each[name] ?? first)), 0, count),
  );
}

function mapTensors(tensors: Tensors, change: (value: Tensor, name: string) => Tensor): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, change(value, name)]));
}

/**
 * `count` rows from `start` on as the inputs of one call, beginning again at the first row when there are no more. Where rows differ
 * in shape, those that have the shapes of row `start`, each as often as it takes.
 */
export function wrapAround(dataset: Dataset, start: number, count: number): Tensors {
  const first = start % dataset.rowCount;
  if (!dataset.isRagged && first + count <= dataset.rowCount) return rowsOf(dataset, first, first + count);
  const alike = rowsLike(dataset, first);
  return pickRows(
    dataset,
    Array.from({ length: count }, (_, i) => alike[i % alike.length] ?? first),
  );
}
