/**
 * Which candidate wins, and the sentence that says why.
 *
 * The source is a candidate like any other, with one privilege: a candidate must be measurably better than it, or the
 * source stays. Nobody should run a changed model for a difference that is noise. Size is exact and needs no evidence,
 * but a thousandth of it is nothing to run another model for.
 */
import {
  type CandidateReport,
  type Objective,
  type RatioInterval,
  SOURCE_CANDIDATE,
  type Verdict,
} from '@slipway/core';
import { formatBytes, formatChange, formatSpeed } from '../report/format.ts';
import { describeGate } from '../report/gates.ts';
import { formatGap, primaryOf } from '../report/metrics.ts';
import { type Difference, judgeRatio, ratioInterval } from '../validate/compare.ts';
import { difference } from '../validate/difference.ts';
import type { Kept } from '../validate/kept.ts';
import type { Metric } from '../validate/metric.ts';

/** What is known of a candidate beyond its report: the evidence behind the figures. */
interface Evidence {
  /** Median time of every interleaved round, relative to the source in that round. */
  readonly relative: Float64Array | null;
  /** The primary metric, and what it keeps of every row. */
  readonly primary: { readonly metric: Metric; readonly kept: Kept } | null;
}

export interface Contender extends Evidence {
  readonly report: Omit<CandidateReport, 'verdict' | 'reason'>;
  /** Takes any number of rows per call, so that a server can batch requests. */
  readonly batchable: boolean;
}

/** Time of `first` relative to `second`: what both have in common with the source cancels out. */
function speedRatio(first: Evidence, second: Evidence, seed: number): RatioInterval | null {
  if (first.relative === null || second.relative === null) return null;
  return ratioInterval(first.relative, second.relative, seed);
}

/** Is `first` better than `second`, worse, or is there no telling? */
export function compare(
  objective: Objective,
  first: Contender,
  second: Contender,
  seed: number,
): 'better' | 'worse' | 'same' {
  if (objective === 'size') {
    const [a, b] = [first.report.size, second.report.size];
    if (a === null || b === null) return 'same';
    const larger = noticeable(a.bytes, b.bytes) || noticeable(a.compressedBytes, b.compressedBytes);
    return larger < 0 ? 'better' : larger > 0 ? 'worse' : 'same';
  }
  if (objective === 'latency') {
    const ratio = speedRatio(first, second, seed);
    return ratio === null ? 'same' : OF_TIME[judgeRatio(ratio)];
  }
  if (first.primary === null || second.primary === null) return 'same';
  const { metric, kept } = first.primary;
  // Against the source it is in the report already; a bootstrap takes its time.
  const known = second.report.name === SOURCE_CANDIDATE ? primaryOf(first.report)?.versusSource : null;
  return (known ?? difference(metric, kept, second.primary.kept, seed))?.verdict ?? 'same';
}

/** The share of a size below which nobody notices a difference: a name that is shorter makes a file smaller too. */
const NOTICEABLE = 0.001;

/** `a − b` where that is noticeable, otherwise 0. */
const noticeable = (a: number, b: number): number => (Math.abs(a - b) < NOTICEABLE * Math.max(a, b) ? 0 : a - b);

/** What a difference means where a small value is wanted. */
const OF_TIME: Readonly<Record<Difference, 'better' | 'worse' | 'same'>> = {
  less: 'better',
  greater: 'worse',
  indistinguishable: 'same',
};

/** Smaller is better, for putting candidates in an order. Of times the paired ratio: a median of all calls keeps the noise of its rounds. */
function figure(objective: Objective, { report }: Contender): number {
  if (objective === 'size') return report.size?.bytes ?? Infinity;
  if (objective === 'latency') return report.latency?.versusSource?.ratio ?? report.latency?.p50Ms ?? Infinity;
  const metric = primaryOf(report);
  const value = metric?.value?.value ?? Number.NaN;
  if (Number.isNaN(value)) return Infinity;
  return metric?.better === 'lower' ? value : -value;
}

/** True when there is a figure for what the objective looks at. */
export function isMeasured(objective: Objective, contender: Contender): boolean {
  return Number.isFinite(figure(objective, contender));
}

/** The best of those that passed, or null. */
export function choose(objective: Objective, passed: readonly Contender[], seed: number): Contender | null {
  const source = passed.find(({ report }) => report.name === SOURCE_CANDIDATE);
  if (source !== undefined) {
    // Only what is shown to be better: the best figure of all may be that of a noisy candidate, which shows nothing.
    const better = passed.filter((one) => one !== source && compare(objective, one, source, seed) === 'better');
    return best(objective, better) ?? batchableEqual(objective, passed, source, seed) ?? source;
  }
  const first = best(objective, passed);
  if (first === null) return null;
  // Among candidates that cannot be told apart, the smaller one costs less to move and keep.
  const equals = passed.filter((other) => other === first || compare(objective, other, first, seed) === 'same');
  return equals.reduce((least, other) => (bytesOf(other) < bytesOf(least) ? other : least), first);
}

/** The one with the best figure; of equals, the one that takes less to download. */
function best(objective: Objective, contenders: readonly Contender[]): Contender | null {
  const [first] = [...contenders].sort(
    (a, b) => figure(objective, a) - figure(objective, b) || bytesOf(a) - bytesOf(b),
  );
  return first ?? null;
}

/**
 * A tie goes to the source, but for one thing that a change can add without being measured: a model that takes any number of
 * rows per call can be served in batches. Of several, the one whose outputs are nearest to those of the source.
 */
function batchableEqual(
  objective: Objective,
  passed: readonly Contender[],
  source: Contender,
  seed: number,
): Contender | null {
  if (source.batchable) return null;
  const equals = passed.filter(
    (one) =>
      one.batchable &&
      compare(objective, one, source, seed) === 'same' &&
      // Unmeasured is not equal, unless the outputs are.
      (isMeasured(objective, one) || one.report.parity?.sqnrDb === null),
  );
  const fidelity = ({ report }: Contender): number =>
    report.parity === null ? -Infinity : (report.parity.sqnrDb ?? Infinity);
  return equals.reduce<Contender | null>(
    (nearest, one) => (nearest === null || fidelity(one) > fidelity(nearest) ? one : nearest),
    null,
  );
}

const bytesOf = ({ report }: Contender): number => report.size?.compressedBytes ?? Infinity;

export interface Judged {
  readonly verdict: Verdict;
  readonly reason: string;
}

/** What an objective looks at, in the words of the report. */
const dimension = (objective: Objective, { report }: Contender): string =>
  objective === 'latency' ? 'speed' : objective === 'size' ? 'size' : (primaryOf(report)?.name ?? 'accuracy');

/** What a batchable model has over an equal one that is not. */
const TAKES_BATCHES = 'takes any number of rows per call';

/** Verdict and reason of one candidate that could be made and measured. */
export function judge(
  objective: Objective,
  contender: Contender,
  field: { readonly source: Contender; readonly winner: Contender | null; readonly passed: readonly Contender[] },
  seed: number,
  refused: string | null = null,
): Judged {
  const { report } = contender;
  const broken = report.gates.filter((gate) => !gate.passed);
  if (broken.length > 0) return { verdict: 'failed', reason: broken.map(describeGate).join('; ') };
  if (refused !== null) return { verdict: 'refused', reason: refused };
  const { source, winner, passed } = field;
  const equal =
    winner !== null && winner !== source && passed.includes(source) && winner.batchable && !source.batchable;
  if (equal && compare(objective, winner, source, seed) === 'same') {
    const alike = `${dimension(objective, source)} is not distinguishable from source`;
    if (contender === winner) return { verdict: 'winner', reason: `${alike}, and it ${TAKES_BATCHES}` };
    if (contender === source) {
      const { name } = winner.report;
      return { verdict: 'passed', reason: `passed, but ${name} ${TAKES_BATCHES}, and its ${alike}` };
    }
  }
  if (contender === winner) return { verdict: 'winner', reason: whyItWon(objective, contender, source, passed) };
  return { verdict: 'passed', reason: whyNot(objective, contender, source, winner, seed) };
}

const UNIMPROVED: Readonly<Record<Objective, string>> = {
  latency: 'no pass made it measurably faster',
  size: 'no pass made it smaller by a thousandth or more',
  accuracy: 'no pass made it measurably more accurate',
};

const FIRST: Readonly<Record<Objective, string>> = {
  latency: 'fastest',
  size: 'smallest',
  accuracy: 'most accurate',
};

function whyItWon(objective: Objective, winner: Contender, source: Contender, passed: readonly Contender[]): string {
  if (passed.length > 1 && !isMeasured(objective, winner)) {
    return `${objective} was not measured${winner === source ? ', so nothing is known to be better' : '; the smallest'}`;
  }
  if (winner === source) return passed.length === 1 ? 'the only candidate that passed' : UNIMPROVED[objective];
  const against = advantage(objective, winner, source);
  const only = passed.length === 1 ? 'the only candidate that passed' : FIRST[objective];
  return against === null ? only : `${only}: ${against}`;
}

/** How a candidate compares with the source in what the objective looks at. */
function advantage(objective: Objective, { report }: Contender, source: Contender): string | null {
  if (objective === 'latency') {
    const ratio = report.latency?.versusSource ?? null;
    return ratio === null ? null : `${formatSpeed(ratio.ratio)} than source`;
  }
  if (objective === 'size') {
    const [own, reference] = [report.size, source.report.size];
    if (own === null || reference === null) return null;
    if (own.bytes !== reference.bytes) return `${formatChange(own.bytes, reference.bytes)} against source`;
    return `as large as source on disk, ${formatChange(own.compressedBytes, reference.compressedBytes)} compressed`;
  }
  const [own, reference] = [primaryOf(report), primaryOf(source.report)];
  const change = (own?.value?.value ?? Number.NaN) - (reference?.value?.value ?? Number.NaN);
  if (own === null || Number.isNaN(change)) return null;
  return `${change < 0 ? '−' : '+'}${formatGap(change, own.unit)} against source`;
}

function whyNot(
  objective: Objective,
  contender: Contender,
  source: Contender,
  winner: Contender | null,
  seed: number,
): string {
  if (contender === source) return winner === null ? 'passed' : `passed, but ${outdone(objective, winner, source)}`;
  const relation = compare(objective, contender, source, seed);
  const name = winner === null || winner === source ? 'source' : winner.report.name;
  if (objective === 'size') {
    const [own, best] = [contender.report.size, winner?.report.size ?? null];
    if (own === null || best === null) return 'passed';
    if (relation === 'same' && best === source.report.size && own.bytes < best.bytes) {
      return `passed; ${best.bytes - own.bytes} bytes smaller than source is less than a thousandth of it`;
    }
    if (own.bytes === best.bytes) {
      const packed = `${formatBytes(own.compressedBytes)} against ${formatBytes(best.compressedBytes)}`;
      return `passed; as large as ${name} on disk, larger compressed (${packed})`;
    }
    return `passed, but is larger than ${name} (${formatBytes(own.bytes)} against ${formatBytes(best.bytes)})`;
  }
  const what = dimension(objective, source);
  if (relation === 'same') {
    const known = objective === 'latency' ? contender.relative !== null : isMeasured(objective, contender);
    return known ? `passed; ${what} is not distinguishable from source` : `passed; ${what} was not measured`;
  }
  const against = advantage(objective, contender, source);
  const is = objective === 'latency' ? `is ${against ?? ''}` : `has ${against ?? ''}`;
  return relation === 'worse' ? `passed, but ${is}` : `passed and ${is}, but ${name} does better`;
}

/** What the winner has over the source. */
function outdone(objective: Objective, winner: Contender, source: Contender): string {
  const { name, latency, size } = winner.report;
  const ratio = latency?.versusSource ?? null;
  if (objective === 'latency' && ratio !== null) return `${name} is ${formatSpeed(ratio.ratio)}`;
  if (objective === 'size' && size !== null) return `${name} is smaller`;
  const against = advantage(objective, winner, source);
  return against === null ? `${name} is better` : `${name} has ${against}`.replace(' against source', '');
}
