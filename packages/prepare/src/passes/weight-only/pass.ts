/**
 * `quantize.weights`: the weights of matrix products and embeddings are stored in 2, 4 or 8 bits, in blocks that each have
 * a scale; activations stay float. For transformers, whose weights are most of the file and whose speed, a row at a time, is that of
 * reading them.
 *
 * Weights are read, quantized and let go one at a time, and large codes are kept in a file, so a model of several gigabytes needs
 * memory for its largest matrix.
 * A weight that would not become smaller is left alone, and so is one that something else reads as floats.
 */
import { fail } from '@slipway/core';
import {
  describeNode,
  type Graph,
  inferShapes,
  type Initializer,
  type Keep,
  MS_DOMAIN,
  type Model,
  type Node,
  spillTo,
  withOpset,
} from '@slipway/onnx';
import type { Pass, PassContext, PassResult } from '../../pass.ts';
import { outputError } from '../calibrate/auto.ts';
import { calibrationRows } from '../calibrate/rows.ts';
import { listNames, plural } from '../describe.ts';
import { type Exclusion, exclusion, nodeExclusion } from '../exclude.ts';
import { assessing, constantBytes } from '../prepared.ts';
import type { Blocks } from './blocks.ts';
import { storedBytes, type Target } from './judge.ts';
import { describeLevel, describeWeights, type Done } from './notes.ts';
import { chooseByActivations, splitByNeed } from './observed.ts';
import { type Plan, planWeights } from './plan.ts';
import { prepareModel, type PreparedModel } from './prepare.ts';
import { quantizeBlind, readGrid } from './quantize.ts';
import { namer, replaceWeights } from './rewrite.ts';
import { type InputScale, inputScaler } from './scale.ts';
import { type Settings, settingsOf, type WeightsSpec } from './settings.ts';
import { storeBlocks, type Stored } from './store.ts';

export const weightsPass: Pass<WeightsSpec> = {
  name: 'quantize.weights',
  version: 3,

  assess: assessing((model) => {
    const spec: WeightsSpec = { pass: 'quantize.weights' };
    const settings = settingsOf(spec, model, null);
    const { targets } = planFor(settings, exclusion(spec.pass, spec, model), prepareModel(spec.pass, model, settings));
    if (targets.length === 0) {
      const summary = 'no constant matrix of a MatMul, Gemm or embedding that would become smaller';
      return { applicable: false, targets: 0, summary };
    }
    const weights = new Map(targets.map((target) => [target.weight, target]));
    const before = sum([...weights.values()].map(({ grid }) => grid.rows * grid.columns * (grid.half ? 2 : 4)));
    const after = sum([...weights.values()].map(storedBytes));
    return {
      applicable: true,
      targets: weights.size,
      summary: `can store ${plural(weights.size, 'matrix', 'matrices')} in 4 bits, ${(before / after).toFixed(1)} times smaller; no data needed`,
    };
  }),

  async apply(model, spec, context): Promise<PassResult> {
    const { pass } = spec;
    const settings = settingsOf(spec, model, context.source);
    const spill = spillTo(context.workDirectory);
    const start = prepareModel(pass, model, settings, spill);
    const excluded = exclusion(pass, spec, model, context.source);
    const plan = planFor(settings, excluded, start);
    if (plan.targets.length === 0) throw fail('PASS_NOT_APPLICABLE', { pass, problem: nothing(plan) });

    const unique = namer(start.model);
    const chosen = await chooseAll(start.model, plan, spec, settings, context, { unique, spill });
    const replacements = plan.targets.map((target) => ({ target, stored: chosen.storedFor(target) }));
    const products = new Set(plan.targets.map(({ node }) => node));
    const isExcluded = nodeExclusion(excluded, (name) => start.model.graph.initializers.has(name), start.origins);
    const mayChange = (node: Node): boolean => !products.has(node) && !isExcluded(node);
    const rewrite = (accuracyLevel: number): Model => {
      const options = { format: settings.format, accuracyLevel, unique };
      const scaler = inputScaler(chosen.scaleOf, unique, mayChange);
      const rewritten = replaceWeights(start.model, plan, replacements, options, scaler);
      return settings.format === 'matmulnbits' ? withOpset(rewritten, MS_DOMAIN, 1) : rewritten;
    };
    const level = await findLevel(spec, start.model, settings, rewrite, context);
    const result = level.model;

    const notes = describeWeights(chosen.done, constantBytes(model), constantBytes(result));
    if (settings.format === 'matmulnbits') notes.push(level.note);
    if (chosen.ambiguous.length > 0) {
      const names = listNames(chosen.ambiguous.map(({ node }) => describeNode(node)));
      notes.push(`By k-quant, because their weight is shared by products with different inputs: ${names}.`);
    }
    if (plan.excluded.length > 0) {
      notes.push(`Left alone because excluded: ${listNames(plan.excluded.map(describeNode))}.`);
    }
    for (const [reason, left] of Map.groupBy(plan.untouched, (one) => one.reason)) {
      notes.push(`Left in float: ${listNames(left.map(({ node }) => describeNode(node)))}: ${reason}.`);
    }
    if (start.raisedFrom !== null) notes.push(`Operator set raised from ${start.raisedFrom} to ${start.raisedTo}.`);
    return { model: result, notes };
  },
};

interface Choices {
  readonly storedFor: (target: Target) => Stored;
  readonly scaleOf: (node: Target['node']) => InputScale | undefined;
  readonly done: readonly Done[];
  readonly ambiguous: readonly Target[];
}

/** Codes for every weight: first those that need no activations, then the others. */
async function chooseAll(
  model: Model,
  plan: Plan,
  { pass }: WeightsSpec,
  settings: Settings,
  context: PassContext,
  { unique, spill }: { readonly unique: (base: string) => string; readonly spill: Keep },
): Promise<Choices> {
  const { observed, ambiguous } = splitByNeed(plan.targets);
  // Before any work, so that missing rows are known at once.
  if (observed.length > 0) calibrationRows(pass, context);
  const stored = new Map<Initializer, { readonly home: Graph; readonly key: string; readonly stored: Stored }[]>();
  const done: Done[] = [];
  const scales = new Map<Target['node'], InputScale>();
  const known = ({ weight, home, key }: Target): Stored | undefined =>
    stored.get(weight)?.find((each) => each.home === home && each.key === key)?.stored;
  const keep = (target: Target, blocks: Blocks): void => {
    const made = storeBlocks(target, blocks, settings.format, unique, spill);
    const entry = { home: target.home, key: target.key, stored: made };
    stored.set(target.weight, [...(stored.get(target.weight) ?? []), entry]);
  };
  const waiting = new Set(observed);
  for (const target of plan.targets) {
    context.signal.throwIfAborted();
    if (waiting.has(target) || known(target) !== undefined) continue;
    const { blocks, error } = quantizeBlind(target, readGrid(pass, target), settings.format);
    keep(target, blocks);
    done.push({ target, error, measured: false });
  }
  await chooseByActivations(pass, model, observed, settings, context, ({ target, blocks, error, scales: own }) => {
    done.push({ target, error, measured: true });
    for (const each of observed) {
      if (each.weight !== target.weight) continue;
      if (known(each) === undefined) keep(each, blocks);
      if (own !== null) scales.set(each.node, { scales: own, half: target.grid.half });
    }
  });
  return {
    storedFor(target) {
      const found = known(target);
      if (found === undefined) {
        throw fail('INTERNAL', { problem: `nothing was stored for ${describeNode(target.node)}` });
      }
      return found;
    },
    scaleOf: (node) => scales.get(node),
    done,
    ambiguous: [...ambiguous],
  };
}

/** How much more error, as energy, computing in 8 bits may add: 3 dB. */
const TOLERATED = 2;

/** The model with the accuracy level asked for, or with 4 unless its answers on calibration rows are clearly worse than in float. */
async function findLevel(
  { pass }: WeightsSpec,
  float: Model,
  { accuracyLevel }: Settings,
  rewrite: (level: number) => Model,
  context: PassContext,
): Promise<{ readonly model: Model; readonly note: string }> {
  if (accuracyLevel !== 'search') return { model: rewrite(accuracyLevel), note: describeLevel(accuracyLevel) };
  const rows = calibrationRows(pass, context);
  const [fast, exact] = [rewrite(4), rewrite(0)];
  const inIntegers = await outputError(pass, float, fast, rows, context);
  const inFloat = await outputError(pass, float, exact, rows, context);
  const level = inIntegers <= TOLERATED * inFloat ? 4 : 0;
  const decibels = (energy: number): string => `${(-10 * Math.log10(energy)).toFixed(1)} dB`;
  const note = `On calibration rows the outputs are ${decibels(inIntegers)} from those of the float model with level 4 and ${decibels(inFloat)} with level 0.`;
  return { model: level === 4 ? fast : exact, note: `${describeLevel(level)} ${note}` };
}

function planFor(settings: Settings, excluded: Exclusion, start: PreparedModel): Plan {
  const types = inferShapes(start.model).values;
  return planWeights(start.model, {
    settings,
    namesOf: (weight) => [weight, ...(start.origins.get(weight) ?? [])],
    isExcluded: (things) => excluded.has(...things),
    typeOf: (name) => types.get(name),
  });
}

function nothing({ untouched, excluded }: Plan): string {
  const [first] = untouched;
  if (first !== undefined) {
    return `no weight can be stored in few bits; of ${describeNode(first.node)}: ${first.reason}`;
  }
  return excluded.length > 0
    ? 'everything it could store in few bits is excluded'
    : 'there is no MatMul, Gemm or embedding in the model';
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
