/**
 * `optimize`: what ONNX Runtime would do at every load, done once: constants folded, batch normalization and bias fused,
 * operators that do nothing removed. Level `basic` only, whose result is standard ONNX and the same on every machine;
 * higher levels write operators and memory layouts of the machine they ran on.
 *
 * The runtime names what it makes after what it replaces, so that the result is the same bytes every time; the test
 * of this file checks that rather than believing it.
 */
import path from 'node:path';
import { fail, LIMITS, type PassSpec } from '@slipway/core';
import { type Model, readModelFile, withModel, writeModelFile } from '@slipway/onnx';
import type { Pass, PassContext } from '../pass.ts';
import { plural } from './describe.ts';
import { constantBytes } from './prepared.ts';

type Spec = Extract<PassSpec, { pass: 'optimize' }>;

export const optimizePass: Pass<Spec> = {
  name: 'optimize',
  version: 1,

  assess(model) {
    const targets = model.graph.nodes.length;
    return targets === 0
      ? { applicable: false, targets: 0, summary: 'there are no nodes' }
      : {
          applicable: true,
          targets,
          summary: `can fold and fuse among ${plural(targets, 'node')}; the results stay the same`,
        };
  },

  async apply(model, _spec, context) {
    const optimized = await optimizeBasic(model, context);
    const [was, is] = [model.graph.nodes.length, optimized.graph.nodes.length];
    const notes = [
      was === is
        ? `There was nothing to fold or fuse: ${plural(was, 'node')}.`
        : `${plural(was, 'node')} → ${plural(is, 'node')} with the basic optimizations of ONNX Runtime; the results stay the same.`,
    ];
    return { model: optimized, notes };
  },
};

async function optimizeBasic(model: Model, context: PassContext): Promise<Model> {
  if (constantBytes(model) > LIMITS.maxProtobufBytes) {
    const problem = 'the model is larger than 2 GB, more than ONNX Runtime can write to one file';
    throw fail('PASS_NOT_APPLICABLE', { pass: 'optimize', problem });
  }
  const source = path.join(context.workDirectory, 'source.onnx');
  const target = path.join(context.workDirectory, 'optimized.onnx');
  await writeModelFile(source, model);
  const session = { optimization: 'basic', saveOptimizedTo: target } as const;
  for await (const _ of context.runModel(source, [], session)) {
    throw fail('INTERNAL', { problem: 'a run without batches gave outputs' });
  }
  const optimized = await readModelFile(target);
  // The runtime imports every operator set it knows, and does not carry over who made the model.
  const used = new Set(['', ...optimized.graph.nodes.map(({ domain }) => domain)]);
  const opsets = [...optimized.opsets].filter(([domain]) => used.has(domain) || model.opsets.has(domain)).sort();
  return withModel(optimized, { opsets: new Map(opsets), producer: model.producer, metadata: model.metadata });
}
