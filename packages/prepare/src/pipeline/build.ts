/**
 * A build: from a trained model to a validated release, or to a report that says why there is none.
 *
 *   import → data → candidates (passes) → examine and evaluate → measure → gates → winner → release
 *
 * Everything before `measure` depends on content only and is cached. A candidate that cannot be made or run is reported
 * as such and costs the others nothing; the source must work, because everything is compared with it. Nothing is
 * visible in the store before the last step, which is one atomic `add`.
 */
import {
  asSlipwayError,
  type Config,
  createLogger,
  fail,
  openStore,
  type PassSpec,
  type Release,
  type Report,
  SlipwayError,
  SOURCE_CANDIDATE,
  systemClock,
} from '@slipway/core';
import { hostFacts } from '@slipway/runtime';
import { importSource } from '../import/import.ts';
import { adoptTransforms } from '../transforms/adopt.ts';
import { firstOfFailedRecipes } from '../report/recipes.ts';
import { describeCandidate, type Outcome } from './account.ts';
import { assemble } from './assemble.ts';
import { openCache } from './cache.ts';
import { FATAL, makeCandidate, type Made } from './candidate.ts';
import { type BuildContext, sessionOf, teller, toolVersions } from './context.ts';
import { loadData } from './data.ts';
import { groupBySize } from './groups.ts';
import { evaluate, examine } from './examine.ts';
import { besideStore, writeReport } from './files.ts';
import { nearestMiss } from './gates.ts';
import type { BuildHooks, BuildResult } from './hooks.ts';
import { measure, type Subject } from './measure.ts';
import { bytesOf } from './model-files.ts';
import { settle } from './settle.ts';
import { openRunners } from './runners.ts';
import { stepChecker } from './steps.ts';
import type { Resolved } from '../search/partial.ts';
import { chooseRecipes } from '../search/recipes.ts';

/**
 * @throws whatever is wrong with the source, the data, the disk or the store; the reason of `hooks.signal` when aborted
 */
export async function build(config: Config, hooks: BuildHooks = {}): Promise<BuildResult> {
  const log = hooks.log ?? createLogger('silent');
  const clock = hooks.clock ?? systemClock;
  const signal = hooks.signal ?? new AbortController().signal;
  const started = clock.now();
  // First, so that a damaged store is known before an hour of work and not after.
  const store = await openStore(config.store);
  const cache = await openCache(besideStore(config.store, 'cache'), log);
  try {
    const session = sessionOf(config);
    const memoryBytes = hooks.memoryBytes ?? hostFacts().memoryBytes;
    const context: BuildContext = {
      config,
      cache,
      log,
      signal,
      clock,
      memoryBytes,
      session,
      tools: toolVersions(),
      tell: teller(hooks.progress),
    };
    const { outcomes, report } = await prepare(context);
    signal.throwIfAborted();
    const finished = { ...report, durationMs: clock.now() - started };
    const winner = outcomes.find((outcome) => outcome.name === report.winner);
    if (winner?.subject === undefined) {
      const files = await writeReport(finished, config.store);
      return { report: finished, release: null, failure: failureOf(finished), files };
    }
    context.tell('release', winner.name, 'adding to the store', 0);
    const release = await store.add(winner.subject.assembled.directory, finished);
    const released: Report = { ...finished, release: { digest: release.digest, version: release.version } };
    const files = await writeReport(released, config.store);
    context.tell('release', winner.name, describeRelease(release), 1);
    return { report: released, release, failure: null, files };
  } finally {
    await cache.close();
  }
}

const describeRelease = ({ name, version }: Release): string => `${name}:${version}`;

/** Why nothing was released. */
function failureOf({ candidates }: Report): SlipwayError {
  const failed = firstOfFailedRecipes(candidates);
  if (failed !== null) return fail('RECIPES_FAILED', { problem: `"${failed.name}": ${failed.reason}` });
  const nearest = nearestMiss(candidates);
  const problem =
    nearest === null ? 'no candidate could be measured' : `"${nearest.candidate}" came closest: ${nearest.broken}`;
  return fail('GATE_FAILED', { problem });
}

async function prepare(context: BuildContext): Promise<{ outcomes: readonly Outcome[]; report: Report }> {
  const { config, tell, log } = context;
  tell('import', null, config.source, 0);
  const imported = await adoptTransforms(await importSource(context), context);
  tell('import', null, config.source, 1);
  const data = await loadData(imported, context);
  const outcomes = new Map<string, Outcome>();
  const attempt = async <T>(name: string, passes: readonly PassSpec[], work: () => Promise<T>): Promise<T | null> => {
    context.signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      context.signal.throwIfAborted();
      const problem = asSlipwayError(error);
      if (name === SOURCE_CANDIDATE || FATAL.has(problem.code)) throw problem;
      log.info({ candidate: name, code: problem.code, problem: problem.message }, 'a candidate cannot be made or run');
      outcomes.set(name, { name, passes, error: problem });
      return null;
    }
  };

  const chosen = await chooseRecipes(imported, data, context, attempt);
  const checker = stepChecker(data, context);
  const made: Made[] = [];
  const recipes: [string, Resolved][] = [[SOURCE_CANDIDATE, { passes: [], sensitivity: null }], ...chosen.recipes];
  for (const [i, [name, { passes, sensitivity }]] of recipes.entries()) {
    outcomes.set(name, { name, passes, sensitivity: sensitivity ?? undefined });
    tell('passes', name, 'applying passes', i / recipes.length);
    const candidate = await attempt(name, passes, () =>
      makeCandidate(name, passes, imported, data.calibration, context, checker),
    );
    if (candidate !== null) made.push(candidate);
  }

  const subjects: Subject[] = [];
  const [source, ...others] = made;
  if (source === undefined) throw fail('INTERNAL', { problem: 'a build without its source' });
  const sizes = new Map<Made, number>();
  for (const each of made) sizes.set(each, await bytesOf(each.directory, each.model.files));
  const sizeOf = (each: Made): number => sizes.get(each) ?? 0;
  for (const [turn, group] of groupBySize(sizeOf(source), others, sizeOf, context.memoryBytes).entries()) {
    await using runners = openRunners(context.session, log, context.signal);
    const examinedNow: Subject[] = [];
    for (const candidate of [source, ...group]) {
      const subject = await attempt(candidate.name, candidate.passes, async () => {
        const examined = await examine(candidate, data, runners, context);
        return { made: candidate, examined, assembled: await assemble(candidate, examined, imported, data, context) };
      });
      if (subject !== null) examinedNow.push(subject);
    }
    const evaluations = await evaluate(
      examinedNow.map((subject) => subject.made),
      data,
      runners,
      context,
    );
    for (const subject of examinedNow) {
      if (subject.made === source && turn > 0) continue;
      const { name, passes } = subject.made;
      const evaluation = evaluations.get(name);
      const failed = evaluation instanceof SlipwayError;
      const { sensitivity } = outcomes.get(name) ?? {};
      outcomes.set(
        name,
        failed ? { name, passes, error: evaluation } : { name, passes, subject, evaluation, sensitivity },
      );
      if (!failed) subjects.push(subject);
    }
  }

  const measured = await measure(subjects, data, context);
  for (const [name, result] of measured) {
    const outcome = outcomes.get(name);
    if (outcome === undefined) continue;
    if (!(result instanceof SlipwayError)) outcomes.set(name, { ...outcome, measured: result });
    else if (name === SOURCE_CANDIDATE) throw result;
    else outcomes.set(name, { name, passes: outcome.passes, error: result });
  }
  const accounts = [...outcomes.values()].map((outcome) =>
    describeCandidate(outcome, outcomes.get(SOURCE_CANDIDATE)?.evaluation, data, context),
  );
  return {
    outcomes: [...outcomes.values()],
    report: { ...settle(accounts, imported, data, context), search: chosen.search },
  };
}
