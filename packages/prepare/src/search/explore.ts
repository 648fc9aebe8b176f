/**
 * The search itself: try recipes until nothing is left or the budget is spent, and say which of them deserve to be
 * measured side by side.
 *
 * The budget in minutes counts the time trials took when they were tried, also those taken over from an earlier build: a search
 * that was killed spends what was left of its budget, and ends where it would have ended.
 */
import {
  type Objective,
  type PassSpec,
  type RecipeStep,
  type SearchPlan,
  type SearchReport,
  type SensitivityReport,
  type Trial,
} from '@slipway/core';
import type { Bench } from './bench.ts';
import { type Judged, rank } from './order.ts';
import { type Resolved, resolvePartial } from './partial.ts';
import { defaultSampler, propose } from './sampler.ts';
import { openSpace } from './space.ts';
import type { Observation } from './tpe.ts';
import { needsTiming, runTrial, type TrialRecord } from './trial.ts';

const DEFAULT_TRIALS = 32;
/** Measured side by side in the end: as many as a reader can compare. */
const FINALISTS = 8;

export interface Explored {
  /** Recipes to measure side by side, by name. */
  readonly finalists: ReadonlyMap<string, Resolved>;
  readonly report: SearchReport;
}

interface Tried {
  readonly number: number;
  readonly name: string;
  readonly passes: readonly PassSpec[];
  readonly sensitivity: SensitivityReport | null;
  readonly record: TrialRecord & { readonly cached: boolean };
  /** The trial that gave the same model before. */
  readonly same: string | null;
}

/** @param known recipes that are candidates anyway, which need no trial */
export async function explore(
  plan: SearchPlan,
  known: readonly (readonly RecipeStep[])[],
  bench: Bench,
): Promise<Explored> {
  const { context } = bench;
  const { objective, seed } = context.config;
  const space = openSpace(plan);
  const sampler = plan.sampler ?? defaultSampler(space);
  const most = plan.trials ?? (sampler === 'exhaustive' ? Infinity : DEFAULT_TRIALS);
  const timed = needsTiming(bench, objective, sampler === 'pareto');
  const lossesOf = sampler === 'pareto' ? paretoLosses(bench) : objectiveLosses(objective, bench);
  const seen = new Set(known.map((steps) => space.keyOf(steps)));
  const history: Observation[] = [];
  const tried: Tried[] = [];
  let spentMs = 0;
  let ended: SearchReport['ended'];
  for (;;) {
    context.signal.throwIfAborted();
    if (tried.length >= most) {
      ended = 'trials';
      break;
    }
    if (spentMs >= (plan.minutes ?? Infinity) * 60_000) {
      ended = 'minutes';
      break;
    }
    const proposal = propose(sampler, space, history, seen, seed);
    if (proposal === null) {
      ended = 'exhausted';
      break;
    }
    seen.add(proposal.key);
    const number = tried.length + 1;
    const name = `${proposal.recipe}#${number}`;
    const total = Math.min(most, space.size);
    context.tell(
      'search',
      name,
      `trial ${number}${Number.isFinite(total) ? ` of ${total}` : ''}`,
      tried.length / total,
    );
    const { passes, sensitivity } = await resolvePartial(name, proposal.steps, bench);
    const record = await runTrial(name, passes, { timed }, bench);
    const twin = tried.find(
      (other) => other.same === null && other.record.digest !== null && other.record.digest === record.digest,
    );
    tried.push({ number, name, passes, sensitivity, record, same: twin?.name ?? null });
    history.push({ point: proposal.point, ...judge(record, lossesOf) });
    spentMs += record.durationMs;
  }
  return conclude(
    tried,
    { sampler, points: Number.isFinite(space.size) ? space.size : null, ended },
    lossesOf,
    objectiveLosses(objective, bench),
  );
}

type Losses = (record: TrialRecord) => readonly number[];

const judge = (record: TrialRecord, lossesOf: Losses): Judged => ({
  losses: lossesOf(record),
  violation: record.violation ?? Infinity,
});

/** The metric to be small; without one the noise of the outputs stands for it. */
function errorOf({ metric, sqnrDb }: TrialRecord, { data }: Bench): number {
  const [primary] = data.metrics;
  if (primary === undefined) return -(sqnrDb ?? Infinity);
  if (metric === null) return Infinity;
  return primary.better === 'lower' ? metric : -metric;
}

/** One figure; of equals in size on disk, the compressed size decides by less than a byte. */
function objectiveLosses(objective: Objective, bench: Bench): Losses {
  if (objective === 'size') return ({ bytes, compressedBytes }) => [(bytes ?? 0) + (compressedBytes ?? 0) * 1e-12];
  if (objective === 'latency') return ({ timeRatio }) => [timeRatio ?? Infinity];
  return (record) => [errorOf(record, bench)];
}

/** Size, time, error and memory. */
function paretoLosses(bench: Bench): Losses {
  return (record) => [
    record.bytes ?? Infinity,
    record.timeRatio ?? Infinity,
    errorOf(record, bench),
    // Runners of one model differ by a few megabytes: what is less than that is nobody's reason.
    Math.round((record.peakRssBytes ?? Infinity) / 4e6),
  ];
}

function conclude(
  tried: readonly Tried[],
  about: Omit<SearchReport, 'trials'>,
  lossesOf: Losses,
  objectiveOf: Losses,
): Explored {
  const distinct = tried.filter(({ same, record }) => same === null && !record.failed);
  const holding = distinct.filter(({ record }) => record.violation === 0);
  // When none holds the gates, the one that came closest shows by how much.
  const field = holding.length > 0 ? holding : distinct.slice(0);
  const byObjective = rank(field.map(({ record }) => judge(record, objectiveOf)));
  const byFront = rank(field.map(({ record }) => judge(record, lossesOf)));
  const order = [...byObjective.slice(0, 1), ...byFront].flatMap((i) => field[i] ?? []);
  const chosen = new Set(order.slice(0, holding.length > 0 ? undefined : 1));
  const finalists = new Set([...chosen].slice(0, FINALISTS));
  let best: Judged | null = null;
  const trials = tried.map((one): Trial => {
    const { number, name, passes, record, same } = one;
    const own = judge(record, objectiveOf);
    const leads = same === null && !record.failed && (best === null || rank([best, own])[0] === 1);
    if (leads) best = own;
    const outcome = finalists.has(one)
      ? 'finalist'
      : record.failed
        ? 'error'
        : same !== null
          ? 'same'
          : record.violation === 0
            ? 'held'
            : 'rejected';
    const reason =
      outcome === 'same'
        ? `the same model as ${same ?? ''}`
        : outcome === 'held'
          ? 'outdone by the finalists'
          : record.reason;
    const { end, bytes, compressedBytes, metric, timeRatio, peakRssBytes, durationMs, cached } = record;
    return {
      number,
      name,
      passes,
      end,
      outcome,
      reason,
      bytes,
      compressedBytes,
      metric,
      timeRatio,
      peakRssBytes,
      durationMs,
      cached,
      best: leads,
    };
  });
  return {
    finalists: new Map([...finalists].map(({ name, passes, sensitivity }) => [name, { passes, sensitivity }])),
    report: { ...about, trials },
  };
}
