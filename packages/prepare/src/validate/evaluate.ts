/**
 * Run the evaluation rows through the source and through candidates, side by side, and see what they answer. The source runs
 * once for all of them, and only one chunk of outputs is in memory at a time.
 *
 * A candidate that fails is left out from then on and its error kept: one broken candidate must not cost the others
 * their measurements. When the source fails there is nothing to compare with, and the evaluation fails.
 */
import { asSlipwayError, type Dataset, type Parity, SlipwayError, type Tensors } from '@slipway/core';
import type { Runner } from '@slipway/runtime';
import { correctRows } from './accuracy.ts';
import { callSize, type Chunk, chunksOf, runChunk } from './calls.ts';
import { type ParityMeter, parityMeter } from './parity.ts';

export interface Evaluation {
  readonly parity: Parity;
  /** 1 for each evaluated row that was answered correctly; null without labels. */
  readonly correct: Uint8Array | null;
}

export interface EvaluateOptions {
  readonly dataset: Dataset;
  /** Expected answer per row, or null when there are no labels. */
  readonly expected: readonly (number | string)[] | null;
  /** The output that is read as the answer. */
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
  const reference = meterFor('source', options);
  const meters = new Map([...candidates.keys()].map((name) => [name, meterFor(name, options)]));
  const failed = new Map<string, SlipwayError>();
  const size = callSize(source.signature, dataset);
  for (const chunk of chunksOf(dataset, size)) {
    signal.throwIfAborted();
    const running = [...meters].filter(([name]) => !failed.has(name));
    const outputs = runChunk(source, chunk);
    const others = running.map(([name]) => settled(runChunk(candidates.get(name) ?? source, chunk)));
    const expected = await outputs;
    reference.add(chunk, expected, expected);
    for (const [i, [name, meter]] of running.entries()) {
      const actual = await others[i];
      if (actual === undefined) continue;
      try {
        if (actual instanceof SlipwayError) throw actual;
        meter.add(chunk, expected, actual);
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

interface Meter {
  add(chunk: Chunk, source: readonly Tensors[], own: readonly Tensors[]): void;
  result(): Evaluation;
}

function meterFor(name: string, { expected, output, dataset }: EvaluateOptions): Meter {
  const parity: ParityMeter = parityMeter(name, output);
  const correct = expected === null ? null : new Uint8Array(dataset.rowCount);
  let rows = 0;
  return {
    add(chunk, source, own) {
      let row = chunk.start;
      for (const [i, call] of chunk.calls.entries()) {
        const [reference, actual] = [source[i] ?? {}, own[i] ?? {}];
        parity.add(reference, actual, call.rows);
        const answers = actual[output];
        if (correct !== null && expected !== null && answers !== undefined) {
          correct.set(correctRows(answers, output, expected.slice(row, row + call.rows)), row);
        }
        row += call.rows;
      }
      rows = row;
    },
    result: () => ({ parity: parity.result(), correct: correct?.subarray(0, rows) ?? null }),
  };
}
