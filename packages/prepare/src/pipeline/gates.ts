/**
 * Gates: bounds on measured figures. What could not be measured has not passed.
 *
 * A bound on a metric is held against the estimate, or against one end of its 95 % interval: the good end when only what is
 * shown to be bad is to fail (`shown`), the bad end when the model must be shown to be good enough (`confident`).
 */
import type {
  CandidateReport,
  Evidence,
  GateResult,
  Gates,
  GateSubject,
  MetricValue,
  NumericGate,
  SliceValue,
} from '@slipway/core';
import { NO_NOISE_DB } from '../report/format.ts';
import { describeGate, GATES } from '../report/gates.ts';

type Figures = Pick<CandidateReport, 'name' | 'size' | 'metrics' | 'latency' | 'parity' | 'peakRssBytes'>;

/** Slices of fewer rows say too little: one row of 30 is three points. */
export const MIN_SLICE_ROWS = 30;

/** @param source figures of the source, which relative gates compare with */
export function evaluateGates(gates: Gates, own: Figures, source: Figures): GateResult[] {
  const figures = measured(own);
  const others = (Object.keys(figures) as (keyof typeof figures)[]).flatMap((gate) => {
    const bound = gates[gate];
    if (bound === undefined) return [];
    const actual = figures[gate];
    return [{ gate, of: null, bound, actual, passed: within(GATES[gate].bound, actual, bound) }];
  });
  return [...metricGates(gates, own, own.name === source.name), ...others];
}

const within = (side: 'at most' | 'at least', actual: number | null, bound: number): boolean =>
  actual !== null && (side === 'at most' ? actual <= bound : actual >= bound);

function measured(own: Figures): Record<Exclude<NumericGate, 'metric' | 'drop'>, number | null> {
  const { latency, parity, size } = own;
  return {
    p50Ms: latency?.p50Ms ?? null,
    p99Ms: latency?.p99Ms ?? null,
    // The source is as fast as itself. A candidate's ratio is that of paired rounds, which noise reaches least.
    slowdown: latency === null ? null : (latency.versusSource?.ratio ?? 1),
    bytes: size?.bytes ?? null,
    compressedBytes: size?.compressedBytes ?? null,
    peakRssBytes: own.peakRssBytes,
    sqnrDb: parity === null ? null : (parity.sqnrDb ?? NO_NOISE_DB),
    cosine: parity?.cosine ?? null,
    argmaxAgreement: parity?.argmaxAgreement ?? null,
  };
}

interface Bounds {
  readonly metric?: number | undefined;
  readonly drop?: number | undefined;
}

function metricGates(gates: Gates, { metrics }: Figures, isSource: boolean): GateResult[] {
  const { evidence = 'estimate', slices } = gates;
  const [primary] = metrics;
  const results = judge(gates, subjectOf(primary, 'metric', evidence), primary ?? null, isSource);
  for (const [name, bounds] of Object.entries(gates.metrics ?? {})) {
    const metric = metrics.find((each) => each.name === name);
    results.push(...judge(bounds, subjectOf(metric, name, evidence), metric ?? null, isSource));
  }
  if (slices === undefined) return results;
  const base = subjectOf(primary, 'metric', slices.evidence ?? evidence);
  for (const slice of primary?.slices ?? []) {
    if (slice.rows < (slices.rows ?? MIN_SLICE_ROWS)) continue;
    const { by, name, rows } = slice;
    results.push(...judge(slices, { ...base, slice: { by, name, rows } }, slice, isSource));
  }
  return results;
}

const subjectOf = (metric: MetricValue | undefined, name: string, evidence: Evidence): GateSubject => ({
  metric: metric?.name ?? name,
  unit: metric?.unit ?? 'plain',
  better: metric?.better ?? 'higher',
  slice: null,
  evidence,
});

type Measured = Pick<MetricValue | SliceValue, 'value' | 'versusSource'>;

function judge(bounds: Bounds, of: GateSubject, figure: Measured | null, isSource: boolean): GateResult[] {
  const results: GateResult[] = [];
  if (bounds.metric !== undefined) {
    const actual = endOf(figure?.value ?? null, of.evidence, of.better);
    const side = of.better === 'higher' ? 'at least' : 'at most';
    results.push({ gate: 'metric', of, bound: bounds.metric, actual, passed: within(side, actual, bounds.metric) });
  }
  if (bounds.drop !== undefined) {
    const actual = dropOf(figure, of, isSource);
    results.push({ gate: 'drop', of, bound: bounds.drop, actual, passed: within('at most', actual, bounds.drop) });
  }
  return results;
}

/** How much worse than the source, positive when worse. */
function dropOf(figure: Measured | null, { evidence, better }: GateSubject, isSource: boolean): number | null {
  if (isSource) return (figure?.value ?? null) === null ? null : 0;
  const change = endOf(figure?.versusSource ?? null, evidence, better);
  // Not −0, which reads as a drop.
  return change === null ? null : better === 'higher' ? 0 - change : change;
}

interface Uncertain {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
}

function endOf(figure: Uncertain | null, evidence: Evidence, better: GateSubject['better']): number | null {
  if (figure === null || evidence === 'estimate') return figure?.value ?? null;
  return (evidence === 'shown') === (better === 'higher') ? figure.high : figure.low;
}

export interface NearMiss {
  readonly candidate: string;
  /** The gates it broke, for people. */
  readonly broken: string;
}

/** The candidate that came closest to passing: whose worst broken gate is missed by the smallest share of its bound. */
export function nearestMiss(candidates: readonly Pick<CandidateReport, 'name' | 'gates'>[]): NearMiss | null {
  let best: NearMiss | null = null;
  let least = Infinity;
  for (const { name, gates } of candidates) {
    const broken = gates.filter((gate) => !gate.passed);
    if (broken.length === 0) continue;
    const worst = Math.max(...broken.map(missOf));
    if (worst < least || best === null) {
      least = worst;
      best = { candidate: name, broken: broken.map(describeGate).join('; ') };
    }
  }
  return best;
}

/** By which share of its bound a gate is missed. */
export function missOf({ actual, bound }: GateResult): number {
  if (actual === null) return Number.MAX_VALUE;
  return Math.abs(actual - bound) / Math.max(Math.abs(bound), Number.EPSILON);
}
