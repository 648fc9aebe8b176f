/**
 * A candidate on a growing random part of the evaluation rows, until it is clear that it breaks a gate on the metric. A collapsed
 * model is seen through after a hundred rows instead of ten thousand; one that is close is not decided here.
 */
import { type Dataset, type GateResult, type MetricCall, pickFrom, pickRows, randomStream } from '@slipway/core';
import type { Runner } from '@slipway/runtime';
import { callSize, runRows } from '../validate/calls.ts';
import type { Metric, Reader } from '../validate/metric.ts';
import type { Bench } from './bench.ts';
import { testMeanAbove } from './betting.ts';

/** Probability of rejecting a candidate that holds the gates. */
export const WRONG_REJECTION = 0.001;
/** Below this, evaluating all rows costs no more than asking. */
const LEAST_ROWS = 256;
/** Models with a fixed batch of one get several calls at once. */
const ROWS_IN_FLIGHT = 32;
/** Share of the rows after which what is undecided is close, and all rows are evaluated anyway. */
const LARGEST_SHARE = 0.25;

export interface EarlyRejection extends Pick<GateResult, 'of' | 'bound'> {
  readonly gate: 'metric' | 'drop';
  readonly rows: number;
  /** The metric, or its drop, over those rows. */
  readonly seen: number;
}

/**
 * Only metrics that count right rows: their mean over a part of the rows says something about all of them.
 * @returns why the candidate cannot hold the gates, wrong with probability at most `WRONG_REJECTION`; null when it may
 */
export async function rejectEarly(runner: Runner, source: Runner, bench: Bench): Promise<EarlyRejection | null> {
  const { data, evaluation, context } = bench;
  const { metric: least, drop: most, evidence = 'estimate' } = context.config.gates;
  const dataset = data.evaluation;
  const [metric] = data.metrics;
  const reference = evaluation.kept[0];
  if (metric?.isProportion !== true || reference === undefined || dataset.rowCount < LEAST_ROWS) return null;
  // A gate that is broken only when that is shown holds more than its bound says.
  if (evidence === 'shown' || (least === undefined && most === undefined)) return null;
  const total = reference.rows;
  const alpha = WRONG_REJECTION / (least !== undefined && most !== undefined ? 2 : 1);
  const wrong = least === undefined ? null : testMeanAbove(total, 1 - least, [0, 1], alpha);
  const drop = most === undefined ? null : testMeanAbove(total, most, [-1, 1], alpha);
  const { name, unit, better } = metric;
  const of = { metric: name, unit, better, slice: null, evidence: 'estimate' } as const;
  for await (const { row, right } of answers(metric, runner, source, bench, total)) {
    wrong?.add(1 - right);
    drop?.add((reference.values[reference.starts[row] ?? 0] ?? 0) - right);
    if (drop?.isAbove === true) return { gate: 'drop', of, bound: most ?? 0, rows: drop.count, seen: drop.mean };
    if (wrong?.isAbove === true) {
      return { gate: 'metric', of, bound: least ?? 0, rows: wrong.count, seen: 1 - wrong.mean };
    }
  }
  return null;
}

/** Whether each of a growing random part of the rows is answered rightly, 1 or 0. */
async function* answers(
  metric: Metric,
  runner: Runner,
  source: Runner,
  { data, context }: Bench,
  total: number,
): AsyncGenerator<{ readonly row: number; readonly right: number }> {
  const dataset = data.evaluation;
  const order = permutation(total, context.config.seed);
  // The source decides how many rows a call takes.
  const size = callSize(source.signature, dataset);
  const together = size * Math.max(1, Math.floor(ROWS_IN_FLIGHT / size));
  let reader: Reader | null = null;
  for (let at = 0; at + together <= total * LARGEST_SHARE; at += together) {
    context.signal.throwIfAborted();
    const parts = Array.from({ length: together / size }, (_, i) => order.slice(at + i * size, at + (i + 1) * size));
    const calls = await Promise.all(parts.map((indices) => callOn(runner, source, dataset, indices)));
    for (const [i, call] of calls.entries()) {
      reader ??= metric.reader({ ...call, outputs: call.source });
      const right: number[] = [];
      await reader(call, (row) => right.push(row[0] ?? 0));
      for (const [k, row] of (parts[i] ?? []).entries()) yield { row, right: right[k] ?? 0 };
    }
  }
}

/** These rows through both models, as metrics see them. */
export async function callOn(
  runner: Pick<Runner, 'run' | 'signature'>,
  source: Pick<Runner, 'run' | 'signature'>,
  dataset: Dataset,
  indices: readonly number[],
): Promise<MetricCall> {
  const inputs = pickRows(dataset, indices);
  const count = indices.length;
  const [outputs, reference] = await Promise.all([runRows(runner, inputs, count), runRows(source, inputs, count)]);
  const { labels } = dataset;
  return {
    inputs,
    outputs,
    source: reference,
    labels: labels === null ? null : pickFrom(labels, indices),
    rows: indices.length,
    firstRow: indices[0] ?? 0,
  };
}

/** 0 … count − 1 in an order that the seed decides (R. A. Fisher, F. Yates; R. Durstenfeld, 1964). */
export function permutation(count: number, seed: number): number[] {
  const random = randomStream(seed ^ 0x5eed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}
