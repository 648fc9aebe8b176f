/**
 * `fuse`: what transformers spell out in standard operators becomes the operators that ONNX Runtime has for it. The fusions
 * are those of the ONNX room; nothing is run. The result needs ONNX Runtime wherever it is deployed, so a pass that reads
 * standard operators (quantization) goes before or is told to expect this.
 */
import { fail, hasCode, type PassSpec } from '@slipway/core';
import { type Fused, fuse, isExternal, type Keep, type Model, spillTo } from '@slipway/onnx';
import type { Pass } from '../pass.ts';
import { plural } from './describe.ts';

type Spec = Extract<PassSpec, { pass: 'fuse' }>;

export const fusePass: Pass<Spec> = {
  name: 'fuse',
  version: 4,

  assess(model) {
    // Weights in external data are not read to be counted.
    const isLarge = [...model.graph.initializers.values()].some(isExternal);
    const { applied, nodesBefore, nodesAfter } = fuse(model, { skip: isLarge ? ['merge-projections'] : [] });
    const targets = [...applied.values()].reduce((sum, count) => sum + count, 0);
    return targets > 0
      ? {
          applicable: true,
          targets,
          summary: `can fuse ${[...applied.keys()].join(', ')}: ${plural(nodesBefore, 'node')} → ${nodesAfter}, for ONNX Runtime only`,
        }
      : { applicable: false, targets: 0, summary: 'there is no attention, GELU or residual normalization to fuse' };
  },

  apply: (model, spec, context) =>
    Promise.resolve().then(() => {
      context.signal.throwIfAborted();
      const result = attempt(model, spec, spillTo(context.workDirectory));
      return { model: result.model, notes: notesOf(result) };
    }),
};

function notesOf(fused: Fused): string[] {
  const { model, applied, simplified, nodesBefore, nodesAfter, raised, settled, rounds } = fused;
  const counts = (of: ReadonlyMap<string, number>): string =>
    [...of].map(([name, count]) => `${name} ${count}`).join(', ');
  const notes = [
    `${plural(nodesBefore, 'node')} → ${plural(nodesAfter, 'node')}, with the same results up to rounding.`,
    `Fused: ${counts(applied)}. ${model.graph.nodes.some(({ domain }) => domain === 'com.microsoft') ? 'The operators are of com.microsoft: only ONNX Runtime has them.' : 'All operators are standard ones.'}`,
  ];
  if (simplified.size > 0) notes.push(`Simplified before and after: ${counts(simplified)}.`);
  if (raised !== null) {
    notes.push(
      'to' in raised
        ? `The operator set was raised to ${raised.to}, the first with LayerNormalization.`
        : `Residual normalization was left: the operator set could not be raised (${raised.problem}).`,
    );
  }
  if (applied.has('attention')) {
    notes.push('Masks of attention are taken to hold 0 and 1 only, which is what the exported form is meant for.');
  }
  if (!settled) notes.push(`More could be done: it ended after ${rounds} rounds.`);
  return notes;
}

function attempt(model: Model, spec: Spec, keep: Keep): Fused {
  let result: Fused;
  try {
    result = fuse(model, { skip: spec.skip ?? [], keep });
  } catch (error) {
    // What is wrong is in the recipe, so the error says so.
    if (!hasCode(error, 'USAGE') || !(error instanceof Error)) throw error;
    throw fail('PASS_NOT_APPLICABLE', { pass: spec.pass, problem: error.message }, { cause: error });
  }
  if (result.applied.size > 0) return result;
  const problem =
    'there is no attention, GELU or residual normalization in a form that is recognised; leave the pass out, or use `simplify`';
  throw fail('PASS_NOT_APPLICABLE', { pass: spec.pass, problem });
}
