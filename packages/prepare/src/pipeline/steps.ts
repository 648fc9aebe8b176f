/**
 * Parity after every pass: a few rows through the model before the pass and the model after it. A recipe that ends badly is
 * then known to have gone wrong at one step, and a pass that breaks a model is named before anything else is measured.
 *
 * Every model of a recipe runs once on these rows: what the last one answered is kept for the next step, and what the source
 * answered for the next recipe. The figures are cached like the pass itself. A step after which inputs or outputs are others
 * because its options ask for that is not compared, and says so. Where the outputs differ much, the node is looked for at which that
 * begins.
 */
import path from 'node:path';
import {
  asSlipwayError,
  type Dataset,
  describeSpec,
  fail,
  fixedBatch,
  type PassSpec,
  pickRows,
  SlipwayError,
  type StepReport,
  type Tensors,
} from '@slipway/core';
import { describeDivergence } from '../report/steps.ts';
import { callSize } from '../validate/calls.ts';
import { type Diverged, findDivergence } from '../validate/diverge/diverge.ts';
import { isNotable } from '../validate/notable.ts';
import { parityMeter } from '../validate/parity.ts';
import { FATAL } from './candidate.ts';
import type { BuildContext } from './context.ts';
import type { BuildData } from './data.ts';
import { loadModel, MODEL_FILE, type ModelFiles } from './model-files.ts';
import { runModel } from './runners.ts';

const STEP_VERSION = 1;
/** Enough to see that something broke; how good a candidate is, all rows decide. */
const STEP_ROWS = 8;

/** A model between two passes. */
export interface StepModel {
  readonly directory: string;
  readonly model: ModelFiles;
}

export interface StepChecker {
  /** @throws PASS_BROKEN when the model after the pass gives what is not finite, or outputs of another shape or dtype */
  check(before: StepModel, after: StepModel, spec: PassSpec): Promise<StepReport>;
}

interface Call {
  readonly inputs: Tensors;
  readonly rows: number;
}

export function stepChecker(
  data: Pick<BuildData, 'evaluation' | 'generated' | 'output'>,
  context: BuildContext,
): StepChecker {
  const { cache, session, tools, log, signal } = context;
  const calls = callsOf(data.evaluation);
  // On made-up rows the largest output is anybody's guess.
  const classOutput = data.generated ? null : data.output;
  /** Of the first model, which mostly is the source of all recipes, and of the one asked for last. */
  const answers = new Map<string, Promise<readonly Tensors[]>>();
  const answersOf = ({ directory, model }: StepModel): Promise<readonly Tensors[]> => {
    const known = answers.get(model.digest);
    if (known !== undefined) return known;
    const inputs = calls.map((call) => call.inputs);
    const running = collect(
      runModel(path.join(directory, MODEL_FILE), inputs, { name: 'after a pass', session, log, signal }),
    );
    running.catch(() => undefined);
    answers.set(model.digest, running);
    const [first] = answers.keys();
    for (const other of answers.keys()) {
      if (other !== first && other !== model.digest) answers.delete(other);
    }
    return running;
  };

  const compare = async (before: StepModel, after: StepModel, { pass }: PassSpec): Promise<StepReport> => {
    const expected = await answersOf(before);
    const actual = await answersOf(after);
    const meter = parityMeter(`after ${pass}`, classOutput);
    for (const [i, outputs] of expected.entries()) {
      const own = actual[i] ?? {};
      const changed = otherInterface(outputs, own);
      if (changed !== null) throw fail('PASS_BROKEN', { pass, problem: changed });
      try {
        meter.add(outputs, own, calls[i]?.rows ?? 0);
      } catch (error) {
        const { params } = asSlipwayError(error);
        const { found } = await locate(before, after);
        const where = found === null ? '' : `; it ${describeDivergence(found)}`;
        throw fail('PASS_BROKEN', { pass, problem: `${String(params['problem'])}${where}` }, { cause: error });
      }
    }
    const parity = meter.result();
    if (!isNotable(parity)) return { pass, parity, divergence: null, note: null };
    const { found, reason } = await locate(before, after);
    return { pass, parity, divergence: found, note: reason };
  };

  const locate = async (before: StepModel, after: StepModel): Promise<Diverged> => {
    try {
      return await findDivergence(await loadModel(before.directory), await loadModel(after.directory), {
        calls: calls.map((call) => call.inputs),
        workDirectory: await cache.scratch(),
        run: (file, inputs) => runModel(file, inputs, { name: 'with more outputs', session, log, signal }),
      });
    } catch (error) {
      signal.throwIfAborted();
      const problem = asSlipwayError(error);
      if (FATAL.has(problem.code)) throw problem;
      // That something is wrong is known; only where is not.
      return { found: null, reason: `where it begins could not be found: ${problem.message}` };
    }
  };

  return {
    async check(before, after, spec) {
      const { pass } = spec;
      const reason = asksForOtherInterface(spec);
      if (reason !== null) return { pass, parity: null, divergence: null, note: `not compared: ${reason}` };
      const material = {
        version: STEP_VERSION,
        before: before.model.digest,
        after: after.model.digest,
        rows: data.evaluation.digest,
        output: classOutput,
        threads: session.threads,
        tools,
      };
      try {
        return (await cache.stage('step', material, () => compare(before, after, spec))).value;
      } catch (error) {
        signal.throwIfAborted();
        // What cannot be run here may be mended by the next pass; if not, the measurement will say so.
        if (!(error instanceof SlipwayError) || RAISED.has(error.code)) throw error;
        return { pass, parity: null, divergence: null, note: `not compared: ${error.message}` };
      }
    },
  };
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

/** Not about the model. */
const RAISED: ReadonlySet<string> = new Set(['PASS_BROKEN', 'INTERNAL', ...FATAL]);

/** Why the rows of the source do not fit what the pass was asked to make; null when they do. */
function asksForOtherInterface(spec: PassSpec): string | null {
  if ('keepIo' in spec && spec.keepIo === false) return 'its inputs and outputs are float16, as `keepIo: false` asks';
  if ('inputShapes' in spec && spec.inputShapes !== undefined) {
    return 'it takes only the shapes that `inputShapes` names';
  }
  return null;
}

/** How the outputs of a pass differ in kind from those before it. */
function otherInterface(before: Tensors, after: Tensors): string | null {
  for (const [name, expected] of Object.entries(before)) {
    const own = after[name];
    if (own === undefined) return `the output "${name}" is gone`;
    const [is, was] = [describeSpec(own), describeSpec(expected)];
    if (is !== was) return `the output "${name}" is ${is} and was ${was}`;
  }
  return null;
}

/** Rows from all over the evaluation data, as the calls they fill. */
function callsOf(dataset: Dataset): Call[] {
  const { rowCount, signature } = dataset;
  const fixed = fixedBatch(signature);
  const size = fixed ?? Math.min(STEP_ROWS, callSize(signature, dataset));
  const count =
    fixed === null
      ? Math.min(rowCount, STEP_ROWS)
      : Math.max(1, Math.floor(Math.min(rowCount, STEP_ROWS) / fixed)) * fixed;
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * rowCount) / count));
  const calls: Call[] = [];
  for (let at = 0; at < count; at += size) {
    const own = indices.slice(at, at + size);
    calls.push({ inputs: pickRows(dataset, own), rows: own.length });
  }
  return calls;
}
