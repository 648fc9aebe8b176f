/** Both models on the same rows: do they answer alike, and which is faster here and now? */
import {
  asSlipwayError,
  createLogger,
  type Dataset,
  describeSpec,
  type Divergence,
  fail,
  fixedBatch,
  type Parity,
  type RatioInterval,
  SlipwayError,
} from '@slipway/core';
import { cpuPlan } from '@slipway/runtime';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readModelFile } from '@slipway/onnx';
import { describeDivergence } from '../report/steps.ts';
import { openRunners, runModel } from '../pipeline/runners.ts';
import { ratioInterval } from '../validate/compare.ts';
import { callSize, chunksOf, runChunk } from '../validate/calls.ts';
import { type Diverged, findDivergence } from '../validate/diverge/diverge.ts';
import { isNotable } from '../validate/notable.ts';
import { measureInterleaved } from '../validate/latency.ts';
import { parityMeter } from '../validate/parity.ts';
import { median } from '../validate/quantile.ts';
import { rowsFor } from './rows.ts';
import type { Side } from './side.ts';

const ROWS = 32;
const DIVERGENCE_ROWS = 16;
const SEED = 0;
const ITERATIONS = 200;
const WARMUP = 10;

export interface Trial {
  /** How many rows both answered. */
  readonly rows: number;
  /** The release whose golden samples they are; null when they are made up. */
  readonly goldenOf: string | null;
  readonly parity: Parity;
  /** Where they part, when the answers differ much; null when they do not, or when no node can be named. */
  readonly divergence: Divergence | null;
  /** Why no node can be named. */
  readonly divergenceNote: string | null;
  /** Median time of one call with one row, milliseconds. */
  readonly p50Ms: { readonly before: number; readonly after: number };
  /** Time of the second relative to the first, from interleaved rounds. */
  readonly ratio: RatioInterval;
}

/** @throws DATA_MISMATCH when they do not take and give the same, RUNNER_START_FAILED, INFERENCE_FAILED */
export async function tryBoth(before: Side, after: Side, signal: AbortSignal): Promise<Trial> {
  const log = createLogger('silent');
  await using runners = openRunners({ threads: cpuPlan().threads, spinning: false }, log, signal);
  const first = await runners.get(before.name, before.runnable);
  const second = before.runnable === after.runnable ? first : await runners.get(after.name, after.runnable);
  const interfaceOf = ({ inputs, outputs }: typeof first.signature): string[] =>
    [...inputs, ...outputs].map(
      ({ name, dtype, shape }) => `${name}: ${describeSpec({ dtype, shape: shape?.slice(1) ?? null })}`,
    );
  if (!isDeepStrictEqual(interfaceOf(first.signature), interfaceOf(second.signature))) {
    const problem = `"${before.name}" and "${after.name}" do not take and give the same, so they cannot be run on the same rows`;
    throw fail('DATA_MISMATCH', { problem });
  }
  const fixed = [first, second].flatMap(({ signature }) => fixedBatch(signature) ?? []);
  const [perCall = 1, other = perCall] = fixed;
  if (perCall !== other) {
    const problem = `"${before.name}" takes exactly ${perCall} rows per call, "${after.name}" exactly ${other}`;
    throw fail('DATA_MISMATCH', { problem });
  }
  const count = Math.ceil(ROWS / perCall) * perCall;
  const { dataset: rows, goldenOf } = rowsFor([after, before], first.signature, count, SEED);
  const meter = parityMeter(after.name, first.signature.outputs[0]?.name ?? null);
  for (const chunk of chunksOf(rows, fixed[0] ?? callSize(first.signature, rows))) {
    const [expected, actual] = await Promise.all([runChunk(first, chunk), runChunk(second, chunk)]);
    for (const [i, outputs] of expected.entries()) {
      try {
        meter.add(outputs, actual[i] ?? {}, chunk.calls[i]?.rows ?? 0);
      } catch (error) {
        const { params } = asSlipwayError(error);
        const { found } = await whereTheyPart(before, after, rows, perCall, signal);
        const where = found === null ? '' : `; it ${describeDivergence(found)}`;
        const problem = `${String(params['problem'])}${where}`;
        throw fail('INFERENCE_FAILED', { model: after.name, problem }, { cause: error });
      }
    }
  }
  const parity = meter.result();
  const parting = isNotable(parity) ? await whereTheyPart(before, after, rows, perCall, signal) : null;
  const measured = await measureInterleaved(
    new Map([
      ['before', first],
      ['after', second],
    ]),
    rows,
    { batch: perCall, iterations: ITERATIONS, warmup: WARMUP },
    { signal, onRound: () => undefined },
  );
  const timesOf = (name: string): { timesMs: Float64Array; roundMs: Float64Array } => {
    const result = measured.get(name);
    if (result === undefined || result instanceof SlipwayError) throw result ?? fail('INTERNAL', { problem: name });
    return result;
  };
  const [a, b] = [timesOf('before'), timesOf('after')];
  return {
    rows: rows.rowCount,
    goldenOf,
    parity,
    divergence: parting?.found ?? null,
    divergenceNote: parting?.reason ?? null,
    p50Ms: { before: median(a.timesMs), after: median(b.timesMs) },
    ratio: ratioInterval(b.roundMs, a.roundMs, SEED),
  };
}

/** On the first rows: enough to see a difference that is there on all. */
async function whereTheyPart(
  before: Side,
  after: Side,
  rows: Dataset,
  perCall: number,
  signal: AbortSignal,
): Promise<Diverged> {
  const workDirectory = await mkdtemp(path.join(tmpdir(), 'slipway-diff-'));
  const session = { threads: cpuPlan().threads, spinning: false };
  const log = createLogger('silent');
  try {
    const calls = [...chunksOf(rows, perCall)].flatMap((chunk) => chunk.calls.map(({ inputs }) => inputs));
    return await findDivergence(await readModelFile(before.model), await readModelFile(after.model), {
      calls: calls.slice(0, Math.ceil(DIVERGENCE_ROWS / perCall)),
      workDirectory,
      run: (file, inputs) => runModel(file, inputs, { name: 'with more outputs', session, log, signal }),
    });
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}
