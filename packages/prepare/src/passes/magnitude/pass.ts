/**
 * `prune.magnitude`: zero the weights that matter least by absolute value.
 *
 * The rule says where the bound lies. `mean`: below the mean of |w| (58 % of normally distributed weights). `threshold`: below a
 * value. `ratio`: exactly round(share · count) weights, the smallest first. `nm`: all but the n largest of every m
 * along the input axis. With `block`, the first three decide about whole blocks by their root mean square. The bound holds per
 * tensor or, for `mean` and `ratio`, over all weights of the model.
 *
 * Everything happens on the weights as they are in the file, in bodies of If, Loop and Scan too; no node changes.
 */
import { fail, numbersToFloat16, type PassOptions, type PassSpec } from '@slipway/core';
import { createInitializer, type Initializer, mapGraphs, type Model, spillTo, withModel } from '@slipway/onnx';
import type { Pass, PassResult } from '../../pass.ts';
import { listNames, percent, plural } from '../describe.ts';
import { exclusion } from '../exclude.ts';
import { allFinite } from '../loops.ts';
import { type Floats, readFloats } from '../weights.ts';
import type { Bound } from './bound.ts';
import { countQuantized, findWeights, type Weight } from './find.ts';
import { type Layout, layoutOf } from './layout.ts';
import { type Matrices, zeroBlocks, zeroElements, zeroWithinGroups } from './zero.ts';

type Spec = Extract<PassSpec, { pass: 'prune.magnitude' }>;

const HONEST =
  'Zeros compress well, so downloads and stored layers get smaller; the file itself and the latency do not change, ' +
  'because ONNX Runtime multiplies zeros like any other number.';

interface Target {
  readonly initializer: Initializer;
  /** null where the rule does not ask for it. */
  readonly layout: Layout | null;
}

interface Left {
  readonly name: string;
  /** Continues “Left alone because ”. */
  readonly reason: string;
}

export const magnitudePass: Pass<Spec> = {
  name: 'prune.magnitude',
  version: 3,

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
    const excluded = exclusion(pass, spec, model, context.source);
    const targets: Target[] = [];
    const { weights, shared } = findWeights(model.graph);
    const left: Left[] = shared.map((name) => ({ name, reason: 'also read elsewhere (tied weights)' }));
    for (const weight of weights) {
      const target = excluded.has(weight.initializer.name, ...weight.uses.map(({ node }) => node))
        ? 'excluded'
        : targetOf(weight, spec);
      if (typeof target === 'string') left.push({ name: weight.initializer.name, reason: target });
      else targets.push(target);
    }
    if (targets.length === 0) {
      const problem = left.length === 0 ? nothing(model) : `all weights are left alone: ${reasons(left).join('; ')}`;
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }

    const keep = spillTo(context.workDirectory);
    const changed = new Map<Initializer, Initializer>();
    let total = 0;
    let before = 0;
    let now = 0;
    const groups = spec.scope === 'global' ? [targets] : targets.map((target) => [target]);
    for (const group of groups) {
      context.signal.throwIfAborted();
      const copies = group.map((target) => ({ ...target, values: readFloats(target.initializer).slice() }));
      for (const { initializer, values } of copies) {
        if (!allFinite(values)) {
          const problem = `the weight "${initializer.name}" has values that are not finite, so that none can be said to be small; exclude it, or repair the model`;
          throw fail('PASS_NOT_APPLICABLE', { pass, problem });
        }
        total += values.length;
        before += zeros(values);
      }
      zero(copies, spec);
      for (const { initializer, values } of copies) {
        now += zeros(values);
        changed.set(initializer, keep(withValues(initializer, values)));
      }
    }

    const notes = [
      `${percent(now / total)} of ${plural(total, 'weight')} in ${plural(targets.length, 'tensor')} are zero (before: ${percent(before / total)}).`,
    ];
    if (spec.rule === 'nm') {
      notes.push(
        `Of every ${spec.m ?? 0} consecutive weights along the input axis at most ${spec.n ?? 0} ${spec.n === 1 ? 'is' : 'are'} not zero.`,
      );
    }
    if (spec.block !== undefined) {
      notes.push(`Zeroed in whole blocks of ${spec.block[0]} outputs × ${spec.block[1]} inputs.`);
    }
    notes.push(...reasons(left).map((reason) => `Left alone because ${reason}.`));
    const quantized = countQuantized(model.graph);
    if (quantized > 0) {
      notes.push(`Left alone because already quantized: the constants of ${plural(quantized, 'node')}.`);
    }
    notes.push(HONEST);
    return Promise.resolve<PassResult>({ model: replaced(model, changed), notes });
  },
};

/** The target that a weight is, or why the rule cannot be applied to it. */
function targetOf(weight: Weight, spec: Spec): Target | string {
  const { initializer } = weight;
  if (spec.rule !== 'nm' && spec.block === undefined) return { initializer, layout: null };
  const layout = layoutOf(weight);
  if (typeof layout === 'string') return layout;
  const inputs = (initializer.dims[layout.input] ?? 0) / layout.inputParts;
  const outputs = (initializer.dims[layout.output] ?? 0) / layout.outputParts;
  if (!Number.isInteger(inputs) || !Number.isInteger(outputs)) return 'its shape does not fit its operator';
  if (spec.rule === 'nm' && inputs < (spec.m ?? 0)) return `its input axis is shorter than ${spec.m ?? 0}`;
  return { initializer, layout };
}

/** Zero, in place, what the rule says, with one bound for all of them. @throws PASS_NOT_APPLICABLE */
function zero(
  targets: readonly (Target & { readonly values: Floats })[],
  options: PassOptions<'prune.magnitude'>,
): void {
  const matrices = targets.flatMap(({ initializer: { name, dims }, layout, values }): Matrices[] =>
    layout === null ? [] : [{ name, dims, values, layout }],
  );
  if (options.rule === 'nm') {
    const [n, m] = [needed(options, 'n'), needed(options, 'm')];
    for (const one of matrices) zeroWithinGroups(one, n, m);
  } else if (options.block !== undefined) {
    zeroBlocks(matrices, options.block, boundOf(options));
  } else {
    const arrays = targets.map(({ values }) => values);
    zeroElements(arrays, boundOf(options));
  }
}

function boundOf(options: PassOptions<'prune.magnitude'>): Bound {
  if (options.rule === 'threshold') return { rule: 'threshold', threshold: needed(options, 'threshold') };
  if (options.rule === 'ratio') return { rule: 'ratio', ratio: needed(options, 'ratio') };
  return { rule: 'mean' };
}

/** The config has been checked; whoever builds a spec by hand is told too. */
function needed(options: PassOptions<'prune.magnitude'>, name: 'threshold' | 'ratio' | 'n' | 'm'): number {
  const value = options[name];
  if (value !== undefined) return value;
  const problem = `rule "${options.rule}" needs the option \`${name}\``;
  throw fail('PASS_NOT_APPLICABLE', { pass: 'prune.magnitude', problem });
}

function withValues({ name, dtype, dims }: Initializer, values: Floats): Initializer {
  const stored = dtype === 'float16' ? numbersToFloat16(values) : values;
  return createInitializer(name, dtype, dims, new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength));
}

function replaced(model: Model, changed: ReadonlyMap<Initializer, Initializer>): Model {
  const result = mapGraphs(model, (graph) => {
    const initializers = [...graph.initializers].map(
      ([name, initializer]) => [name, changed.get(initializer) ?? initializer] as const,
    );
    const same = initializers.every(([name, initializer]) => graph.initializers.get(name) === initializer);
    return same ? graph : Object.freeze({ ...graph, initializers: new Map(initializers) });
  });
  return withModel(result, {});
}

/** `excluded: a, b`, one per reason. */
function reasons(left: readonly Left[]): string[] {
  return [...Map.groupBy(left, ({ reason }) => reason)].map(
    ([reason, group]) => `${reason}: ${listNames(group.map(({ name }) => name))}`,
  );
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
