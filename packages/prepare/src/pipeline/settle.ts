/** From measured candidates to the report: gates, the choice of every objective, verdicts, reasons. */
import path from 'node:path';
import {
  type CandidateReport,
  type Objective,
  OBJECTIVES,
  type Report,
  REPORT_SCHEMA,
  SOURCE_CANDIDATE,
} from '@slipway/core';
import { hostFacts } from '@slipway/runtime';
import type { Imported } from '../import/import.ts';
import { describeNotFinite, findNotFinite } from '../validate/not-finite.ts';
import { compressorName } from '../validate/size.ts';
import type { Account } from './account.ts';
import { choose, compare, type Contender, isMeasured, judge } from './choose.ts';
import type { BuildContext } from './context.ts';
import type { BuildData } from './data.ts';
import { besideStore } from './files.ts';
import { evaluateGates } from './gates.ts';
import { refusal } from './wins.ts';

export function settle(
  accounts: readonly Account[],
  imported: Imported,
  data: BuildData,
  context: BuildContext,
): Report {
  const { config, clock, tools } = context;
  const reference = accounts.find(({ report }) => report.name === SOURCE_CANDIDATE);
  const gated = accounts.map((account) => ({
    ...account,
    report: { ...account.report, gates: gatesOf(account, reference ?? account, context) },
  }));
  const measured = gated.filter(({ outcome }) => outcome.error === undefined);
  const source = gated.find(({ report }) => report.name === SOURCE_CANDIDATE);
  const refusedBecause = (account: Account): string | null => {
    if (source === undefined) return null;
    return refusal(account, source, config, compare(config.objective, account, source, config.seed) === 'better');
  };
  const refusals = new Map(measured.map((account) => [account.report.name, refusedBecause(account)]));
  const passed = measured.filter(
    ({ report }) => report.gates.every((gate) => gate.passed) && refusals.get(report.name) === null,
  );
  const pick = (objective: Objective): Contender | null => choose(objective, passed, config.seed);
  // Who asks for passes and gets none of them did not ask for the source as it is.
  const recipes = gated.filter(({ report }) => report.name !== SOURCE_CANDIDATE);
  const unmade = recipes.length > 0 && recipes.every(({ outcome }) => outcome.error !== undefined);
  const winner = unmade ? null : pick(config.objective);
  const candidates = gated.map((account): CandidateReport => {
    const { error } = account.outcome;
    if (error !== undefined) {
      return { ...account.report, verdict: 'error', reason: withoutPlaces(error.message, config.store) };
    }
    const field = { source: source ?? account, winner, passed };
    return {
      ...account.report,
      ...judge(config.objective, account, field, config.seed, refusals.get(account.report.name)),
    };
  });
  const named = (objective: Objective): [Objective, string | null] => {
    const picked = pick(objective);
    return [objective, picked !== null && isMeasured(objective, picked) ? picked.report.name : null];
  };
  const odd = findNotFinite(data.evaluation);
  return {
    schema: REPORT_SCHEMA,
    name: config.name,
    createdAt: new Date(clock.wall()).toISOString(),
    durationMs: 0,
    host: hostFacts(),
    tools: { ...tools, zstd: compressorName() },
    signature: imported.signature,
    metrics: data.metrics.map((metric) => metric.name),
    objective: config.objective,
    gates: config.gates,
    choices: Object.fromEntries(OBJECTIVES.map(named)) as Report['choices'],
    winner: winner?.report.name ?? null,
    release: null,
    candidates,
    search: null,
    lineage: gated.find((account) => account === winner)?.outcome.subject?.assembled.manifest.lineage ?? null,
    rows: { calibration: data.calibration?.rowCount ?? 0, evaluation: data.generated ? 0 : data.evaluation.rowCount },
    oddities: odd === null ? [] : [describeNotFinite(odd, data.evaluation.rowCount)],
  };
}

function gatesOf(account: Account, source: Account, { config }: BuildContext): CandidateReport['gates'] {
  return account.outcome.error === undefined ? evaluateGates(config.gates, account.report, source.report) : [];
}

/** The files of a candidate are in the cache, whose long paths tell a reader nothing. */
function withoutPlaces(message: string, store: string): string {
  const words = message.split(besideStore(store, 'cache') + path.sep);
  return words.map((part, i) => (i === 0 ? part : part.replace(/^\S*\//, ''))).join('');
}
