/**
 * `quantize.dynamic`: weights of MatMul, Gemm and embeddings become 8-bit integers now; activations are quantized while the
 * model runs, each call with the range it sees, so no calibration data is needed.
 *
 * What is left alone, and said so: convolutions (ONNX Runtime's ConvInteger has one scale for all channels, which ruins
 * depthwise ones, and is slower than float on most machines: `quantize.static` is the pass for them), recurrent
 * layers, weights that are computed or not float32, and nodes inside control flow.
 */
import { fail, type PassSpec } from '@slipway/core';
import { describeNode, GraphEditor, type Model, type Node, spillTo, withModel } from '@slipway/onnx';
import type { Pass, PassResult } from '../../pass.ts';
import { dropUnread, type StoredConstant } from '../constants.ts';
import { listNames, plural } from '../describe.ts';
import { exclusion } from '../exclude.ts';
import { assessing, constantBytes, preparedForQuantization, QUANTIZATION_OPSET } from '../prepared.ts';
import { activationQuantizer, emitMatMul } from './matmul.ts';
import { emitEmbedding } from './embedding.ts';
import { planDynamic, type Target } from './plan.ts';

type Spec = Extract<PassSpec, { pass: 'quantize.dynamic' }>;

const NEIGHBOURS =
  'All rows of a call share the ranges of their activations: in a batch, the answer for a row depends a little on the other rows.';

export const dynamicPass: Pass<Spec> = {
  name: 'quantize.dynamic',
  version: 1,

  assess: assessing((model) => {
    const { targets, untouched } = planDynamic(preparedForQuantization('quantize.dynamic', model).model.graph);
    const convolutions = untouched.filter(({ node }) => node.op === 'Conv').length;
    if (targets.length === 0) {
      const summary =
        convolutions > 0
          ? 'only convolutions: quantize.static is the pass for them'
          : 'no constant float32 MatMul, Gemm or embedding weights';
      return { applicable: false, targets: 0, summary };
    }
    const elements = targets.reduce((sum, target) => sum + target.elements, 0);
    const summary = `can store ${plural(elements, 'weight')} of ${plural(targets.length, 'node')} in 8 bits: about a quarter of their size; no data needed`;
    return { applicable: true, targets: targets.length, summary };
  }),

  apply(model, spec, context) {
    const { pass } = spec;
    const keep = spillTo(context.workDirectory);
    const excluded = exclusion(pass, spec, model, context.source);
    const { model: start, origins, raisedFrom } = preparedForQuantization(pass, model, QUANTIZATION_OPSET, keep);
    const plan = planDynamic(start.graph);
    const isExcluded = (target: Target): boolean =>
      excluded.has(target.node, target.weight.name, ...(origins.get(target.weight.name) ?? []));
    const targets = plan.targets.filter((target) => !isExcluded(target));
    if (targets.length === 0) {
      const problem = 'there is no constant float32 weight of a MatMul, Gemm or embedding to quantize';
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }

    const editor = new GraphEditor(start.graph, [], keep);
    const quantizeActivation = activationQuantizer(editor);
    const stored = new Map<string, StoredConstant>();
    const perChannel = spec.perChannel ?? true;
    for (const target of targets) {
      context.signal.throwIfAborted();
      if (target.kind === 'embedding') emitEmbedding(editor, pass, target, perChannel, stored);
      else emitMatMul(editor, target, perChannel, quantizeActivation, stored);
    }
    dropUnread(editor, new Set(targets.flatMap(({ node }) => node.inputs)));
    const result = withModel(start, { graph: editor.finish() });

    const notes = describe(model, result, targets);
    if (targets.some(({ kind }) => kind === 'product')) notes.push(NEIGHBOURS);
    const kept = plan.targets.filter(isExcluded).map(({ node }) => node);
    if (kept.length > 0) notes.push(`Left alone because excluded: ${listNames(kept.map(describeNode))}.`);
    notes.push(...reasons(plan.untouched));
    if (raisedFrom !== null) notes.push(`Operator set raised from ${raisedFrom} to ${QUANTIZATION_OPSET}.`);
    return Promise.resolve<PassResult>({ model: result, notes });
  },
};

function describe(before: Model, after: Model, targets: readonly Target[]): string[] {
  const products = targets.filter(({ kind }) => kind !== 'embedding').length;
  const parts = [
    ...(products > 0
      ? [`${plural(products, 'matrix product')} ${products === 1 ? 'computes' : 'compute'} in 8-bit integers`]
      : []),
    ...(products < targets.length ? [`${plural(targets.length - products, 'embedding')} stored in 8 bits`] : []),
  ];
  const [was, is] = [constantBytes(before), constantBytes(after)];
  return [`${parts.join(', ')}; constants ${was.toLocaleString('en')} → ${is.toLocaleString('en')} bytes.`];
}

/** One sentence per reason, naming the nodes it holds for. */
function reasons(untouched: readonly { readonly node: Node; readonly reason: string }[]): string[] {
  const byReason = Map.groupBy(untouched, ({ reason }) => reason);
  return [...byReason].map(
    ([reason, left]) => `Left in float: ${listNames(left.map(({ node }) => describeNode(node)))}: ${reason}.`,
  );
}
