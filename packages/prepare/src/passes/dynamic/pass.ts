/**
 * `quantize.dynamic`: weights of MatMul, Gemm, LSTM, Attention and embeddings become 8-bit integers now; activations are
 * quantized while the model runs, each call with the range it sees, so no calibration data is needed. Bodies of If, Loop and
 * Scan are quantized like the graph around them, with weights from wherever they are.
 *
 * What is left alone, and said so: convolutions unless asked for (slower than float on most machines: `quantize.static` is the
 * pass for them), GRU and RNN, for which there is no kernel, and weights that are computed or not float32.
 */
import { fail, type PassSpec } from '@slipway/core';
import { describeNode, isOp, type Model, MS_DOMAIN, spillTo, withModel } from '@slipway/onnx';
import type { Pass, PassResult } from '../../pass.ts';
import { listNames, plural } from '../describe.ts';
import { type Exclusion, exclusion } from '../exclude.ts';
import { assessing, constantBytes, preparedForQuantization, QUANTIZATION_OPSET } from '../prepared.ts';
import { presetOptions } from '../presets.ts';
import { type DynamicOptions, emitDynamic, type Outcome } from './emit.ts';
import { planDynamic, type Target } from './plan.ts';

type Spec = Extract<PassSpec, { pass: 'quantize.dynamic' }>;

const NEIGHBOURS =
  'All rows of a call share the ranges of their activations: in a batch, the answer for a row depends a little on the other rows.';

const DEFAULTS = {
  perChannel: true,
  reduceRange: false,
  convolutions: 'none',
} as const satisfies Partial<DynamicOptions>;

export const dynamicPass: Pass<Spec> = {
  name: 'quantize.dynamic',
  version: 4,

  assess: assessing((model) => {
    const { graph } = preparedForQuantization('quantize.dynamic', model).model;
    const { done, left } = planDynamic(graph, DEFAULTS.convolutions);
    if (done.length === 0) {
      const summary = left.some(({ node }) => isOp(node, 'Conv'))
        ? 'only convolutions: quantize.static is the pass for them'
        : 'no constant float32 MatMul, Gemm, LSTM or embedding weights';
      return { applicable: false, targets: 0, summary };
    }
    const elements = done.flatMap(({ weights }) => weights).reduce((sum, { dims }) => sum + sizeOf(dims), 0);
    const summary = `can store ${plural(elements, 'weight')} of ${plural(done.length, 'node')} in 8 bits: about a quarter of their size; no data needed`;
    return { applicable: true, targets: done.length, summary };
  }),

  apply(model, spec, context) {
    const { pass } = spec;
    const keep = spillTo(context.workDirectory);
    const excluded = exclusion(pass, spec, model, context.source);
    const { model: start, origins, raisedFrom } = preparedForQuantization(pass, model, QUANTIZATION_OPSET, keep);
    const reduceRange = spec.reduceRange ?? presetOptions(pass, spec.preset).reduceRange ?? DEFAULTS.reduceRange;
    const { graph, outcome } = emitDynamic(start.graph, keep, {
      perChannel: spec.perChannel ?? DEFAULTS.perChannel,
      reduceRange,
      convolutions: spec.convolutions ?? DEFAULTS.convolutions,
      isExcluded: ({ node, weights }) => isExcluded(excluded, node, weights, origins),
      pause: () => context.signal.throwIfAborted(),
    });
    if (outcome.done.length === 0) {
      const problem = 'there is no constant float32 weight of a MatMul, Gemm, LSTM or embedding to quantize';
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }
    const opsets = new Map(start.opsets);
    if (outcome.done.some(({ kind }) => kind === 'lstm')) opsets.set(MS_DOMAIN, opsets.get(MS_DOMAIN) ?? 1);
    const result = withModel(start, { graph, opsets });

    const notes = describe(model, result, outcome.done);
    if (spec.preset !== undefined) {
      notes.push(`Preset ${spec.preset}: weights of ${reduceRange ? '7 bits of 8' : '8 bits'}.`);
    }
    if (outcome.done.some(({ kind }) => kind !== 'embedding')) notes.push(NEIGHBOURS);
    if (outcome.excluded.length > 0) {
      notes.push(`Left alone because excluded: ${listNames(outcome.excluded.map(describeNode))}.`);
    }
    notes.push(...reasons(outcome.left));
    if (raisedFrom !== null) notes.push(`Operator set raised from ${raisedFrom} to ${QUANTIZATION_OPSET}.`);
    return Promise.resolve<PassResult>({ model: result, notes });
  },
};

const sizeOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

const isExcluded = (
  excluded: Exclusion,
  node: Target['node'],
  weights: Target['weights'],
  origins: ReadonlyMap<string, readonly string[]>,
): boolean => excluded.has(node, ...weights.flatMap(({ name }) => [name, ...(origins.get(name) ?? [])]));

const NOUNS: Readonly<Record<Target['kind'], readonly [one: string, many: string, done: string]>> = {
  product: ['matrix product', 'matrix products', 'in 8-bit integers'],
  convolution: ['convolution', 'convolutions', 'in 8-bit integers'],
  lstm: ['LSTM', 'LSTMs', 'with 8-bit weights'],
  attention: ['attention', 'attentions', 'with 8-bit weights'],
  embedding: ['embedding', 'embeddings', 'stored in 8 bits'],
};

function describe(before: Model, after: Model, done: readonly Target[]): string[] {
  const parts = [...Map.groupBy(done, ({ kind }) => kind)].map(([kind, targets]) => {
    const [one, many, how] = NOUNS[kind];
    const verb = kind === 'embedding' ? '' : targets.length === 1 ? ' computes' : ' compute';
    return `${plural(targets.length, one, many)}${verb} ${how}`;
  });
  const [was, is] = [constantBytes(before), constantBytes(after)];
  return [`${parts.join(', ')}; constants ${was.toLocaleString('en')} → ${is.toLocaleString('en')} bytes.`];
}

/** One sentence per reason, naming the nodes it holds for. */
function reasons(left: Outcome['left']): string[] {
  return [...Map.groupBy(left, ({ reason }) => reason)].map(
    ([reason, some]) => `Left in float: ${listNames(some.map(({ node }) => describeNode(node)))}: ${reason}.`,
  );
}
