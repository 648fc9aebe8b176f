/**
 * Run the evaluation rows through the source and through candidates, side by side, and see what they answer. The source runs
 * once for all of them, and only one chunk of outputs is in memory at a time.
 *
 * A candidate that fails is left out from then on and its error kept: one broken candidate must not cost the others
 * their measurements. When the source fails there is nothing to compare with, and the evaluation fails.
 */
import {
  asSlipwayError,
  columnRows,
  type Dataset,
  fail,
  hasCode,
  type MetricCall,
  type Parity,
  SlipwayError,
  type Tensors,
} from '@slipway/core';
import type { Runner } from '@slipway/runtime';
import { callSize, type Chunk, chunksOf, runChunk } from './calls.ts';
import { keeper, type Kept } from './kept.ts';
import type { Metric, Reader } from './metric.ts';
import { type ParityMeter, parityMeter } from './parity.ts';

export interface Evaluation {
  readonly parity: Parity;
  /** What each metric keeps of the rows, in the order of the metrics. */
  readonly kept: readonly Kept[];
}

export interface EvaluateOptions {
  readonly dataset: Dataset;
  readonly metrics: readonly Metric[];
  /** The output whose predicted class is compared with that of the source. */
  readonly output: string;
  readonly signal: AbortSignal;
  readonly onRows: (done: number, total: number) => void;
}

type Runs = Pick<Runner, 'run' | 'signature'>;

/** @returns for every name (the source is `source`) its evaluation, or the error that ended it */
export async function evaluateAll(
  source: Runs,
  candidates: ReadonlyMap<string, Runs>,
  options: EvaluateOptions,
): Promise<ReadonlyMap<string, Evaluation | SlipwayError>> {
  const { dataset, signal, onRows } = options;
  const failed = new Map<string, SlipwayError>();
  const size = callSize(source.signature, dataset);
  let readers: readonly Reader[] | undefined;
  const readersFor = (first: MetricCall): readonly Reader[] =>
    (readers ??= options.metrics.map((metric) => metric.reader(first)));
  const reference = meterFor('source', options, readersFor);
  const meters = new Map([...candidates.keys()].map((name) => [name, meterFor(name, options, readersFor)]));
  for (const chunk of chunksOf(dataset, size)) {
    signal.throwIfAborted();
    const running = [...meters].filter(([name]) => !failed.has(name));
    const outputs = runChunk(source, chunk);
    const others = running.map(([name]) => settled(runChunk(candidates.get(name) ?? source, chunk)));
    const expected = await outputs;
    await reference.add(chunk, expected, expected);
    for (const [i, [name, meter]] of running.entries()) {
      const actual = await others[i];
      if (actual === undefined) continue;
      try {
        if (actual instanceof SlipwayError) throw actual;
        await meter.add(chunk, expected, actual);
      } catch (error) {
        failed.set(name, asSlipwayError(error));
      }
    }
    onRows(chunk.start + chunk.calls.reduce((sum, call) => sum + call.rows, 0), dataset.rowCount);
  }
  const results = new Map<string, Evaluation | SlipwayError>([['source', reference.result()]]);
  for (const [name, meter] of meters) results.set(name, failed.get(name) ?? meter.result());
  return results;
}

/** The outputs, or the error: an unhandled rejection must not happen while another model is waited for. */
async function settled(outputs: Promise<Tensors[]>): Promise<Tensors[] | SlipwayError> {
  return outputs.catch((error: unknown) => asSlipwayError(error));
}

/** A row that differs from the others in shape may be the only one that is wrong: whatever is said of the call is said of it. */
function atRow(error: unknown, row: number): unknown {
  if (!hasCode(error, 'DATA_MISMATCH') || !(error instanceof SlipwayError)) return error;
  const problem = String(error.params['problem']);
  return /\brow \d/.test(problem)
    ? error
    : fail('DATA_MISMATCH', { problem: `row ${row}: ${problem}` }, { cause: error });
}

interface Meter {
  add(chunk: Chunk, source: readonly Tensors[], own: readonly Tensors[]): Promise<void>;
  result(): Evaluation;
}

/** @param readersFor readers of the metrics, made from the first call of the source, which every meter sees after the source's */
function meterFor(
  name: string,
  { metrics, output, dataset }: EvaluateOptions,
  readersFor: (first: MetricCall) => readonly Reader[],
): Meter {
  const parity: ParityMeter = parityMeter(name, output);
  const keepers = metrics.map(() => keeper());
  return {
    async add(chunk, source, own) {
      let firstRow = chunk.start;
      for (const [i, call] of chunk.calls.entries()) {
        const [reference, outputs] = [source[i] ?? {}, own[i] ?? {}];
        parity.add(reference, outputs, call.rows);
        const labels = dataset.labels === null ? null : columnRows(dataset.labels, firstRow, firstRow + call.rows);
        const seen = { inputs: call.inputs, outputs, source: reference, labels, rows: call.rows, firstRow };
        for (const [at, read] of readersFor(seen).entries()) {
          try {
            await read(seen, (row) => keepers[at]?.add(row));
          } catch (error) {
            throw dataset.isRagged ? atRow(error, firstRow) : error;
          }
        }
        firstRow += call.rows;
      }
    },
    result: () => ({ parity: parity.result(), kept: keepers.map((each) => each.finish()) }),
  };
}
