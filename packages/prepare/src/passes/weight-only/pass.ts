/**
 * `quantize.weights`: the weights of matrix products and embeddings are stored in 2, 4 or 8 bits, in blocks that each have
 * a scale; activations stay float. For transformers, whose weights are most of the file and whose speed, a row at a time, is that of
 * reading them.
 *
 * Weights are read, quantized and let go one at a time, so a model of several gigabytes needs memory for its largest matrix.
 * A weight that would not become smaller is left alone, and so is one that something else reads as floats.
 */
import { fail } from '@slipway/core';
import {
  describeNode,
  type Graph,
  inferShapes,
  type Initializer,
  MS_DOMAIN,
  type Model,
  withOpset,
} from '@slipway/onnx';
import type { Pass, PassResult } from '../../pass.ts';
import { listNames, plural } from '../describe.ts';
import { exclusion } from '../exclude.ts';
import { assessing, constantBytes } from '../prepared.ts';
import { describeWeights, type Done } from './notes.ts';
import { storedBytes } from './judge.ts';
import { type Plan, planWeights } from './plan.ts';
import { prepareModel, type PreparedModel } from './prepare.ts';
import { quantizeBlind, readGrid } from './quantize.ts';
import { namer, type Replacement, replaceWeights } from './rewrite.ts';
import { type Settings, settingsOf, type WeightsSpec } from './settings.ts';
import { storeBlocks, type Stored } from './store.ts';

export const weightsPass: Pass<WeightsSpec> = {
  name: 'quantize.weights',
  version: 1,

  assess: assessing((model) => {
    const spec: WeightsSpec = { pass: 'quantize.weights' };
    const settings = settingsOf(spec, model, null);
    const { targets } = planFor(spec, settings, { model, source: null }, prepareModel(spec.pass, model, settings)).plan;
    if (targets.length === 0) {
      return {
        applicable: false,
        targets: 0,
        summary: 'no constant matrix of a MatMul, Gemm or embedding that would become smaller',
      };
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

  apply(model, spec, context) {
    const settings = settingsOf(spec, model, context.source);
    const start = prepareModel(spec.pass, model, settings);
    const { plan } = planFor(spec, settings, { model, source: context.source }, start);
    if (plan.targets.length === 0) throw fail('PASS_NOT_APPLICABLE', { pass: spec.pass, problem: nothing(plan) });

    const unique = namer(start.model);
    const known = new Map<Initializer, { home: Graph; key: string; stored: Stored }[]>();
    const done: Done[] = [];
    const replacements: Replacement[] = [];
    for (const target of plan.targets) {
      context.signal.throwIfAborted();
      const forms = known.get(target.weight) ?? [];
      known.set(target.weight, forms);
      let stored = forms.find(({ home, key }) => home === target.home && key === target.key)?.stored;
      if (stored === undefined) {
        const { blocks, error } = quantizeBlind(target, readGrid(spec.pass, target), settings.format);
        stored = storeBlocks(target, blocks, settings.format, unique);
        forms.push({ home: target.home, key: target.key, stored });
        done.push({ target, error });
      }
      replacements.push({ target, stored });
    }
    const accuracyLevel = settings.accuracyLevel;
    const options = { format: settings.format, accuracyLevel, unique };
    const rewritten = replaceWeights(start.model, plan, replacements, options);
    const result = settings.format === 'matmulnbits' ? withOpset(rewritten, MS_DOMAIN, 1) : rewritten;
    const notes = describeWeights(done, settings, constantBytes(model), constantBytes(result));
    if (plan.excluded.length > 0) {
      notes.push(`Left alone because excluded: ${listNames(plan.excluded.map(describeNode))}.`);
    }
    for (const [reason, left] of Map.groupBy(plan.untouched, (one) => one.reason)) {
      notes.push(`Left in float: ${listNames(left.map(({ node }) => describeNode(node)))}: ${reason}.`);
    }
    if (start.raisedFrom !== null) notes.push(`Operator set raised from ${start.raisedFrom} to ${start.raisedTo}.`);
    return Promise.resolve<PassResult>({ model: result, notes });
  },
};

function planFor(
  spec: WeightsSpec,
  settings: Settings,
  { model, source }: { readonly model: Model; readonly source: Model | null },
  start: PreparedModel,
): { readonly plan: Plan } {
  const excluded = exclusion(spec.pass, spec, model, source);
  const types = inferShapes(start.model).values;
  const plan = planWeights(start.model, {
    settings,
    namesOf: (weight) => [weight, ...(start.origins.get(weight) ?? [])],
    isExcluded: (things) => excluded.has(...things),
    typeOf: (name) => types.get(name),
  });
  return { plan };
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
