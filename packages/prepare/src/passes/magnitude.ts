/**
 * `prune.magnitude`: zero the weights that matter least by absolute value.
 *
 * Three rules for where the bound lies. `mean`: |w| below the mean of |w| (58 % of normally distributed weights).
 * `threshold`: |w| below a value. `ratio`: exactly round(share · count) weights, the smallest first; of equal ones the
 * first in the order of the file, so that the result is exact and always the same. The bound holds per tensor or
 * over all weights of the model. Values that are not finite are never zeroed and never counted in a mean.
 *
 * Everything happens on the weights as they are in the file; no node changes.
 */
import { fail, numbersToFloat16, type PassOptions, type PassSpec } from '@slipway/core';
import { createInitializer, describeNode, type Model, subgraphsOf, withModel } from '@slipway/onnx';
import type { Pass, PassResult } from '../pass.ts';
import { listNames, percent, plural } from './describe.ts';
import { exclusion } from './exclude.ts';
import { countQuantized, type Floats, findWeights, readFloats, type Weight } from './weights.ts';

type Spec = Extract<PassSpec, { pass: 'prune.magnitude' }>;

const HONEST =
  'Zeros compress well, so downloads and stored layers get smaller; the file itself and the latency do not change, ' +
  'because ONNX Runtime multiplies zeros like any other number.';

interface Pruned {
  readonly weight: Weight;
  readonly values: Floats;
}

export const magnitudePass: Pass<Spec> = {
  name: 'prune.magnitude',
  version: 1,

  assess(model) {
    const { weights } = findWeights(model.graph);
    const elements = weights.reduce((sum, { initializer }) => sum + count(initializer.dims), 0);
    return weights.length === 0
      ? { applicable: false, targets: 0, summary: nothing(model) }
      : {
          applicable: true,
          targets: weights.length,
          summary: `can zero part of ${plural(elements, 'weight')} in ${plural(weights.length, 'tensor')}: smaller compressed, same speed`,
        };
  },

  apply(model, spec, context) {
    const { pass } = spec;
    const found = findWeights(model.graph);
    const excluded = exclusion(pass, spec, model, context.source);
    const isExcluded = ({ initializer, users }: Weight): boolean => excluded.has(initializer.name, ...users);
    const kept = found.weights.filter(isExcluded);
    const targets = found.weights.filter((weight) => !isExcluded(weight));
    if (targets.length === 0) throw fail('PASS_NOT_APPLICABLE', { pass, problem: nothing(model) });

    const pruned = targets.map((weight): Pruned => {
      context.signal.throwIfAborted();
      return { weight, values: readFloats(weight.initializer).slice() };
    });
    const before = pruned.map(({ values }) => zeros(values));
    const groups = spec.scope === 'global' ? [pruned] : pruned.map((one) => [one]);
    for (const group of groups) {
      context.signal.throwIfAborted();
      zeroSmallest(
        group.map(({ values }) => values),
        spec,
      );
    }

    const initializers = new Map(model.graph.initializers);
    for (const { weight, values } of pruned) {
      const { name, dtype, dims } = weight.initializer;
      const stored = dtype === 'float16' ? numbersToFloat16(values) : values;
      const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
      initializers.set(name, createInitializer(name, dtype, dims, bytes));
    }
    const graph = Object.freeze({ ...model.graph, initializers });
    const notes = describe(pruned, before, kept, found.shared, countQuantized(model.graph));
    const control = model.graph.nodes.filter((node) => subgraphsOf(node).length > 0);
    if (control.length > 0) notes.push(`Left alone: what is inside ${listNames(control.map(describeNode))}.`);
    return Promise.resolve<PassResult>({ model: withModel(model, { graph }), notes });
  },
};

/** Zero, in place, what the rule says, taking the bound over all arrays together. @throws PASS_NOT_APPLICABLE */
export function zeroSmallest(arrays: readonly Floats[], options: PassOptions<'prune.magnitude'>): void {
  const need = (value: number | undefined, name: string): number => {
    if (value !== undefined) return value;
    const problem = `rule "${options.rule}" needs the option \`${name}\``;
    throw fail('PASS_NOT_APPLICABLE', { pass: 'prune.magnitude', problem });
  };
  switch (options.rule) {
    case 'threshold': {
      zeroBelow(arrays, need(options.threshold, 'threshold'));
      return;
    }
    case 'mean': {
      zeroBelow(arrays, meanMagnitude(arrays));
      return;
    }
    case 'ratio': {
      zeroShare(arrays, need(options.ratio, 'ratio'));
      return;
    }
  }
}

function zeroBelow(arrays: readonly Floats[], bound: number): void {
  for (const values of arrays) {
    for (let i = 0; i < values.length; i++) if (Math.abs(values[i] ?? 0) < bound) values[i] = 0;
  }
}

function meanMagnitude(arrays: readonly Floats[]): number {
  let sum = 0;
  let finite = 0;
  for (const values of arrays) {
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      sum += Math.abs(value);
      finite++;
    }
  }
  return finite === 0 ? 0 : sum / finite;
}

function zeroShare(arrays: readonly Floats[], ratio: number): void {
  const total = arrays.reduce((sum, values) => sum + values.length, 0);
  const magnitudes = arrays.every((values) => values instanceof Float32Array)
    ? new Float32Array(total)
    : new Float64Array(total);
  let at = 0;
  let finite = 0;
  for (const values of arrays) {
    for (const value of values) {
      // NaN sorts last, like an infinity: neither is ever among the smallest.
      magnitudes[at++] = Math.abs(value);
      if (Number.isFinite(value)) finite++;
    }
  }
  const quota = Math.min(Math.round(total * ratio), finite);
  if (quota === 0) return;
  magnitudes.sort();
  const bound = magnitudes[quota - 1] ?? 0;
  let below = 0;
  while (below < quota && (magnitudes[below] ?? 0) < bound) below++;
  let ties = quota - below;
  for (const values of arrays) {
    for (let i = 0; i < values.length; i++) {
      const magnitude = Math.abs(values[i] ?? 0);
      if (magnitude < bound || (magnitude === bound && ties-- > 0)) values[i] = 0;
    }
  }
}

function describe(
  pruned: readonly Pruned[],
  before: readonly number[],
  kept: readonly Weight[],
  shared: readonly string[],
  quantized: number,
): string[] {
  const total = pruned.reduce((sum, { values }) => sum + values.length, 0);
  const now = pruned.reduce((sum, { values }) => sum + zeros(values), 0);
  const was = before.reduce((sum, value) => sum + value, 0);
  const names = (weights: readonly Weight[]): string => listNames(weights.map(({ initializer }) => initializer.name));
  const notes = [
    `${percent(now / total)} of ${plural(total, 'weight')} in ${plural(pruned.length, 'tensor')} are zero (before: ${percent(was / total)}).`,
  ];
  if (kept.length > 0) notes.push(`Left alone because excluded: ${names(kept)}.`);
  if (shared.length > 0) notes.push(`Left alone because also read elsewhere (tied weights): ${listNames(shared)}.`);
  if (quantized > 0) notes.push(`Left alone because already quantized: the constants of ${plural(quantized, 'node')}.`);
  notes.push(HONEST);
  return notes;
}

function nothing(model: Model): string {
  return countQuantized(model.graph) > 0
    ? 'the weights are already quantized: prune before quantizing'
    : 'there are no float weights of rank 2 or more left to prune';
}

function zeros(values: Floats): number {
  let found = 0;
  for (const value of values) if (value === 0) found++;
  return found;
}

const count = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);
