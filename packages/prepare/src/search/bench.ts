/**
 * What every trial of a search shares: the source, evaluated, with a runner that stays up, because each trial is
 * compared with it; and progress that tells one stage, whatever a trial does inside.
 */
import { fail, SlipwayError, SOURCE_CANDIDATE } from '@slipway/core';
import type { Imported } from '../import/import.ts';
import { type Account, describeCandidate } from '../pipeline/account.ts';
import { assemble } from '../pipeline/assemble.ts';
import { makeCandidate, type Made } from '../pipeline/candidate.ts';
import type { BuildContext } from '../pipeline/context.ts';
import type { BuildData } from '../pipeline/data.ts';
import { evaluate, examine } from '../pipeline/examine.ts';
import type { Subject } from '../pipeline/measure.ts';
import { openRunners, type Runners } from '../pipeline/runners.ts';
import type { Evaluation } from '../validate/evaluate.ts';
import { type Answers, keepAnswers } from './answers.ts';

export interface Bench {
  readonly imported: Imported;
  readonly data: BuildData;
  readonly context: BuildContext;
  readonly source: Subject;
  readonly evaluation: Evaluation;
  readonly account: Account;
  /** Of models that candidates are compared with, the source among them. */
  readonly answers: Answers;
  /** Runners for one trial: its own end with it, that of the source does not. */
  openRunners(): Runners;
}

/** @param runners hold the source; they must outlive the bench */
export async function openBench(
  imported: Imported,
  data: BuildData,
  outer: BuildContext,
  runners: Runners,
): Promise<Bench> {
  const context: BuildContext = {
    ...outer,
    tell: (_stage, candidate, detail, fraction) => outer.tell('search', candidate, detail, fraction),
  };
  const answers = keepAnswers();
  const made = await makeCandidate(SOURCE_CANDIDATE, [], imported, data.calibration, context);
  const examined = await examine(made, data, runners, context);
  const source: Subject = { made, examined, assembled: await assemble(made, examined, imported, data, context) };
  const evaluation = await evaluationOf(made, [made], data, runners, context);
  const account = describeCandidate(
    { name: SOURCE_CANDIDATE, passes: [], subject: source, evaluation },
    evaluation,
    data,
    context,
  );
  return {
    imported,
    data,
    context,
    source,
    evaluation,
    account,
    answers,
    openRunners: () => {
      const own = openRunners(context.session, context.log, context.signal);
      return {
        get: async (model, path) =>
          model === SOURCE_CANDIDATE ? answers.of(await runners.get(model, path)) : own.get(model, path),
        [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
      };
    },
  };
}

/** The evaluation of one of `all` (the source first). @throws the error that ended it */
export async function evaluationOf(
  made: Made,
  all: readonly Made[],
  data: BuildData,
  runners: Runners,
  context: BuildContext,
): Promise<Evaluation> {
  const result = (await evaluate(all, data, runners, context)).get(made.name);
  if (result === undefined) throw fail('INTERNAL', { problem: `${made.name} was not evaluated` });
  if (result instanceof SlipwayError) throw result;
  return result;
}
