/** What became of a candidate, as far as it got, in the words and figures of the report. */
import {
  type CandidateReport,
  isBatchable,
  type Latency,
  type MetricValue,
  type PassSpec,
  type SensitivityReport,
  type SlipwayError,
  SOURCE_CANDIDATE,
} from '@slipway/core';
import { formatShare } from '../report/format.ts';
import { ratioInterval } from '../validate/compare.ts';
import type { Evaluation } from '../validate/evaluate.ts';
import { metricValue } from '../validate/slices.ts';
import type { Contender } from './choose.ts';
import type { BuildContext } from './context.ts';
import type { BuildData } from './data.ts';
import type { Measured, Subject } from './measure.ts';

export interface Outcome {
  readonly name: string;
  readonly passes: readonly PassSpec[];
  readonly error?: SlipwayError | undefined;
  readonly subject?: Subject | undefined;
  readonly evaluation?: Evaluation | undefined;
  readonly measured?: Measured | undefined;
  readonly sensitivity?: SensitivityReport | undefined;
}

export interface Account extends Contender {
  readonly outcome: Outcome;
}

/** Below this share a difference between batches is rounding, and nobody's concern. */
const NOTABLE_SENSITIVITY = 1e-4;

/**
 * Everything but verdict and reason, which depend on the others.
 * @param source the evaluation of the source, which metrics are compared with
 */
export function describeCandidate(
  outcome: Outcome,
  source: Evaluation | undefined,
  data: BuildData,
  context: BuildContext,
): Account {
  const { name, passes, subject, evaluation, measured } = outcome;
  const report: Omit<CandidateReport, 'verdict' | 'reason'> = {
    name,
    passes,
    digest: subject?.made.model.digest ?? null,
    size: subject?.examined.size ?? null,
    metrics: metricsOf(name, evaluation, source, data, context.config.seed),
    latency: latencyOf(name, measured, context.config.seed),
    peakRssBytes: measured?.peakRssBytes ?? null,
    parity: evaluation?.parity ?? null,
    steps: subject?.made.compared ?? [],
    sparsity: subject?.examined.sparsity ?? [],
    gates: [],
    sensitivity: outcome.sensitivity ?? null,
    notes: subject === undefined ? [] : [...subject.made.notes, ...observations(subject, data)],
  };
  return {
    outcome,
    report,
    relative: measured?.relative ?? null,
    primary: primaryOf(evaluation, data),
    batchable: subject !== undefined && isBatchable(subject.examined.signature),
  };
}

function metricsOf(
  name: string,
  evaluation: Evaluation | undefined,
  source: Evaluation | undefined,
  { metrics, slices }: BuildData,
  seed: number,
): readonly MetricValue[] {
  return metrics.flatMap((metric, i) => {
    const own = evaluation?.kept[i];
    const before = name === SOURCE_CANDIDATE ? null : (source?.kept[i] ?? null);
    return own === undefined ? [] : [metricValue(metric, own, before, slices, seed)];
  });
}

function primaryOf(evaluation: Evaluation | undefined, { metrics }: BuildData): Contender['primary'] {
  const [metric] = metrics;
  const kept = evaluation?.kept[0];
  return metric === undefined || kept === undefined ? null : { metric, kept };
}

function latencyOf(name: string, measured: Measured | undefined, seed: number): Latency | null {
  if (measured === undefined) return null;
  const ones = new Float64Array(measured.relative.length).fill(1);
  const versusSource = name === SOURCE_CANDIDATE ? null : ratioInterval(measured.relative, ones, seed);
  return { ...measured.summary, versusSource, cached: measured.cached };
}

function observations({ examined }: Subject, data: BuildData): string[] {
  const notes: string[] = [];
  if (examined.batchSensitivity > NOTABLE_SENSITIVITY) {
    const share = formatShare(examined.batchSensitivity);
    notes.push(`Answers depend on which rows share a batch, by up to ${share} of the largest output.`);
  }
  if (data.generated) notes.push('Measured on generated inputs: accuracy was not measured.');
  return notes;
}
