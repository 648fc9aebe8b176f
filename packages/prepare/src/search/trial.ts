/**
 * One trial: a recipe is applied, and what comes of it is measured, cheap figures first. A gate that is broken ends it there:
 *
 *   passes → size → the metric on some rows → metric and parity on all rows → latency and memory
 *
 * What a trial found is a stage of the cache, under everything it depends on. So a search that was killed repeats the trial it
 * was in and takes the others over, and a search over the same model goes on where an earlier one ended.
 */
import {
  asSlipwayError,
  type GateResult,
  type PassSpec,
  SlipwayError,
  SOURCE_CANDIDATE,
  type TrialEnd,
} from '@slipway/core';
import { hostFacts } from '@slipway/runtime';
import path from 'node:path';
import { describeCandidate } from '../pipeline/account.ts';
import { assemble } from '../pipeline/assemble.ts';
import { FATAL, makeCandidate } from '../pipeline/candidate.ts';
import { evaluateGates, missOf } from '../pipeline/gates.ts';
import { examine } from '../pipeline/examine.ts';
import { measure } from '../pipeline/measure.ts';
import { bytesOf, MODEL_FILE } from '../pipeline/model-files.ts';
import { PASSES } from '../passes/index.ts';
import { formatCount } from '../report/format.ts';
import { describeGate } from '../report/gates.ts';
import { identityOf } from '../validate/metrics/custom.ts';
import { type Bench, evaluationOf } from './bench.ts';
import { rejectEarly, WRONG_REJECTION } from './subset.ts';

/** Raised when the same recipe could be judged differently. */
const TRIAL_VERSION = 1;

export interface TrialRecord {
  readonly end: TrialEnd;
  /** null when it holds all gates that were looked at. */
  readonly reason: string | null;
  /** 0 when it does; Infinity is written as null. */
  readonly violation: number | null;
  readonly failed: boolean;
  readonly digest: string | null;
  readonly bytes: number | null;
  readonly compressedBytes: number | null;
  readonly metric: number | null;
  readonly sqnrDb: number | null;
  readonly timeRatio: number | null;
  readonly peakRssBytes: number | null;
  readonly durationMs: number;
}

const NOTHING: TrialRecord = {
  end: 'done',
  reason: null,
  violation: 0,
  failed: false,
  digest: null,
  bytes: null,
  compressedBytes: null,
  metric: null,
  sqnrDb: null,
  timeRatio: null,
  peakRssBytes: null,
  durationMs: 0,
};

/** Gates that need the model to be timed. */
const TIMED: ReadonlySet<GateResult['gate']> = new Set(['p50Ms', 'p99Ms', 'slowdown', 'peakRssBytes']);

export interface TrialOptions {
  /** Time it, when it got that far. */
  readonly timed: boolean;
}

/** @returns what was found, and whether an earlier build had found it */
export async function runTrial(
  name: string,
  passes: readonly PassSpec[],
  options: TrialOptions,
  bench: Bench,
): Promise<TrialRecord & { readonly cached: boolean }> {
  const { context, data, imported, source } = bench;
  const { config, cache, clock, session, tools, signal } = context;
  const { gates, labels, measure: measuring, seed } = config;
  const material = {
    version: TRIAL_VERSION,
    passes,
    versions: passes.map(({ pass }) => PASSES[pass].version),
    source: [imported.model.digest, source.made.model.digest],
    rows: [data.calibration?.digest ?? null, data.evaluation.digest],
    reads: { metrics: await Promise.all(data.specs.map(identityOf)), output: data.output, labels },
    slices: gates.slices === undefined ? null : data.slices.map(({ by, name, rows }) => [by, name, [...rows]]),
    options,
    gates,
    measuring,
    seed,
    session,
    tools,
    host: hostFacts(),
  };
  const found = await cache.find<TrialRecord>('trial', material);
  if (found !== null) return { ...found.value, cached: true };
  const started = clock.now();
  const result = await attempt(name, passes, options, bench);
  signal.throwIfAborted();
  const record: TrialRecord = { ...result.record, durationMs: clock.now() - started };
  // A runner that died may have been out of memory for a moment: that is worth another try in another build.
  if (result.lasting) await cache.stage('trial', material, () => Promise.resolve(record));
  return { ...record, cached: false };
}

async function attempt(
  name: string,
  passes: readonly PassSpec[],
  options: TrialOptions,
  bench: Bench,
): Promise<{ readonly record: TrialRecord; readonly lasting: boolean }> {
  const seen: { record: TrialRecord } = { record: { ...NOTHING, end: 'passes' } };
  try {
    await measureTrial(name, passes, options, bench, (more) => (seen.record = { ...seen.record, ...more }));
    return { record: seen.record, lasting: true };
  } catch (error) {
    bench.context.signal.throwIfAborted();
    const problem = asSlipwayError(error);
    if (FATAL.has(problem.code)) throw problem;
    const record: TrialRecord = { ...seen.record, failed: true, violation: null, reason: problem.message };
    return { record, lasting: !problem.code.startsWith('RUNNER_') };
  }
}

/** @param tell receives figures as they become known */
async function measureTrial(
  name: string,
  passes: readonly PassSpec[],
  { timed }: TrialOptions,
  bench: Bench,
  tell: (more: Partial<TrialRecord>) => void,
): Promise<void> {
  const { context, data, imported, source, account } = bench;
  const { gates } = context.config;
  const reject = (end: TrialEnd, broken: readonly GateResult[], reason?: string): void =>
    tell({
      end,
      reason: reason ?? broken.map(describeGate).join('; '),
      violation: Math.max(...broken.map(missOf)),
    });

  const made = await makeCandidate(name, passes, imported, data.calibration, context);
  const bytes = await bytesOf(made.directory, made.model.files);
  tell({ digest: made.model.digest, bytes, end: 'size' });
  if (gates.bytes !== undefined && bytes > gates.bytes) {
    reject('size', [{ gate: 'bytes', of: null, bound: gates.bytes, actual: bytes, passed: false }]);
    return;
  }

  await using runners = bench.openRunners();
  tell({ end: 'rows' });
  const candidate = await runners.get(name, path.join(made.directory, MODEL_FILE));
  const reference = await runners.get(SOURCE_CANDIDATE, path.join(source.made.directory, MODEL_FILE));
  const early = await rejectEarly(candidate, reference, bench);
  if (early !== null) {
    const { gate, of, bound, seen } = early;
    const broken = { gate, of, bound, actual: seen, passed: false };
    const odds = `wrong with probability below ${WRONG_REJECTION}`;
    reject('rows', [broken], `${describeGate(broken)}, seen on ${formatCount(early.rows)} rows (${odds})`);
    return;
  }

  tell({ end: 'evaluation' });
  const examined = await examine(made, data, runners, context);
  const subject = { made, examined, assembled: await assemble(made, examined, imported, data, context) };
  const evaluation = await evaluationOf(made, [source.made, made], data, runners, context);
  const outcome = { name, passes, subject, evaluation };
  const own = describeCandidate(outcome, bench.evaluation, data, context);
  tell({
    compressedBytes: own.report.size?.compressedBytes ?? null,
    metric: own.report.metrics[0]?.value?.value ?? null,
    sqnrDb: own.report.parity?.sqnrDb ?? null,
  });
  const untimed = evaluateGates(gates, own.report, account.report).filter(({ gate }) => !TIMED.has(gate));
  const broken = untimed.filter(({ passed }) => !passed);
  if (broken.length > 0) {
    reject('evaluation', broken);
    return;
  }
  if (!timed) {
    tell({ end: 'done' });
    return;
  }

  tell({ end: 'latency' });
  const measured = (await measure([source, subject], data, context)).get(name);
  if (measured instanceof SlipwayError) throw measured;
  if (measured === undefined) return;
  const whole = describeCandidate({ ...outcome, measured }, bench.evaluation, data, context);
  tell({ timeRatio: whole.report.latency?.versusSource?.ratio ?? null, peakRssBytes: measured.peakRssBytes });
  const late = evaluateGates(gates, whole.report, account.report).filter(({ passed }) => !passed);
  if (late.length > 0) reject('latency', late);
  else tell({ end: 'done' });
}

/** Whether trials must be timed to know which is better, or which holds the gates. */
export function needsTiming(bench: Bench, objective: string, everything: boolean): boolean {
  const { gates } = bench.context.config;
  const gated = [...TIMED].some((gate) => gates[gate] !== undefined);
  return everything || gated || objective === 'latency';
}
