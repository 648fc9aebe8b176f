/**
 * `simplify`: the rewrites of the ONNX room as a pass. Nothing is run: the graph alone says what can be evaluated, left out
 * or fused. Beside `optimize`, which lets ONNX Runtime do as it does at every load, this also works on models that
 * another engine or a later pass reads, and can be held to results that are equal bit for bit.
 */
import { fail, hasCode, type PassSpec } from '@slipway/core';
import {
  isExternal,
  type Keep,
  type Model,
  simplify,
  type Simplified,
  type SimplifyOptions,
  spillTo,
} from '@slipway/onnx';
import type { Pass } from '../pass.ts';
import { plural } from './describe.ts';

type Spec = Extract<PassSpec, { pass: 'simplify' }>;

export const simplifyPass: Pass<Spec> = {
  name: 'simplify',
  version: 4,

  assess(model) {
    const { nodesBefore, nodesAfter } = simplify(model);
    const targets = nodesBefore - nodesAfter;
    return targets > 0
      ? { applicable: true, targets, summary: `can take ${plural(targets, 'node')} of ${nodesBefore} out of the graph` }
      : { applicable: false, targets: 0, summary: 'there is nothing to fold, remove or fuse' };
  },

  apply: (model, spec, context) =>
    Promise.resolve().then(() => {
      context.signal.throwIfAborted();
      const result = attempt(model, spec, spillTo(context.workDirectory));
      return { model: result.model, notes: notesOf(model, spec, result) };
    }),
};

function notesOf(model: Model, spec: Spec, result: Simplified): string[] {
  const { nodesBefore, nodesAfter, applied, rounds, settled } = result;
  const notes: string[] = [];
  if (applied.size === 0 && nodesBefore === nodesAfter) {
    notes.push(`There was nothing to fold, remove or fuse: ${plural(nodesBefore, 'node')}.`);
  } else {
    const same = spec.exact === true ? 'bit for bit' : 'up to rounding';
    const counts = [...applied].map(([name, count]) => `${name} ${count}`).join(', ');
    notes.push(`${plural(nodesBefore, 'node')} → ${plural(nodesAfter, 'node')}, with the same results ${same}.`);
    notes.push(`Applied: ${counts === '' ? 'dead code only' : counts}.`);
  }
  if (!settled) notes.push(`More could be done: it ended after ${rounds} rounds.`);
  const unread = [...model.graph.initializers.values()].filter(isExternal).length;
  if (unread > 0) {
    notes.push(`${plural(unread, 'weight')} in external data took part in nothing: they are not read here.`);
  }
  return notes;
}

function attempt(model: Model, spec: Spec, keep: Keep): Simplified {
  const options: SimplifyOptions = {
    exact: spec.exact ?? false,
    skip: spec.skip ?? [],
    keep,
    inputShapes: new Map(Object.entries(spec.inputShapes ?? {})),
    ...(spec.maxFoldedBytes === undefined ? {} : { maxFoldedBytes: spec.maxFoldedBytes }),
  };
  try {
    return simplify(model, options);
  } catch (error) {
    // What is wrong is in the recipe, so the error says so.
    if (!hasCode(error, 'USAGE') || !(error instanceof Error)) throw error;
    throw fail('PASS_NOT_APPLICABLE', { pass: spec.pass, problem: error.message }, { cause: error });
  }
}
