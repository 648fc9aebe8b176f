/**
 * `quantize.static`: convolutions and matrix products compute in 8-bit integers, with ranges of activations measured once
 * on calibration rows. The result is a graph of QuantizeLinear/DequantizeLinear pairs (QDQ), which is standard ONNX,
 * runs anywhere, and becomes integer kernels where the runtime has them. Bodies of If, Loop and Scan are graphs like others.
 */
import { fail, type PassName, type PassSpec } from '@slipway/core';
import {
  describeNode,
  type Graph,
  GraphEditor,
  type Keep,
  mapSubgraphs,
  type Model,
  MS_DOMAIN,
  type Node,
  spillTo,
  withModel,
} from '@slipway/onnx';
import type { Pass } from '../../pass.ts';
import { QUANTIZED } from '../affine.ts';
import { calibrate } from '../calibrate/calibrate.ts';
import type { Range } from '../calibrate/range.ts';
import { describeFolded } from '../channel-scale/fold.ts';
import { dropUnread } from '../constants.ts';
import { listNames, plural } from '../describe.ts';
import { emitEmbedding } from '../dynamic/embedding.ts';
import { Scope } from '../dynamic/scope.ts';
import { type Exclusion, exclusion } from '../exclude.ts';
import { correctBiases, type Quantized } from '../bias-correction/correct.ts';
import { assessing, constantBytes } from '../prepared.ts';
import { emitStatic } from './emit.ts';
import { type GraphPlan, type PreparedStatic, prepareStatic } from './prepare.ts';
import { toIntegerOperators } from './qoperator.ts';
import { describeScheme, opsetOfScheme, type Scheme, schemeOf, warningsOf, widthOf } from './scheme.ts';

type Spec = Extract<PassSpec, { pass: 'quantize.static' }>;

const NOTHING: Exclusion = { has: () => false };

export const staticPass: Pass<Spec> = {
  name: 'quantize.static',
  version: 9,

  assess: assessing((model) => {
    const products = productsOf(prepareStatic(model, NOTHING, schemeOf({})).plans).length;
    return products === 0
      ? { applicable: false, targets: 0, summary: 'no convolution or matrix product with constant float32 weights' }
      : {
          applicable: true,
          targets: products,
          summary: `can compute ${plural(products, 'convolution or matrix product', 'convolutions and matrix products')} in 8-bit integers: about a quarter of the size, faster on large layers; needs calibration data`,
        };
  }),

  async apply(model, spec, context) {
    const { pass } = spec;
    const scheme = schemeOf(spec);
    const keep = spillTo(context.workDirectory);
    const excluded = exclusion(pass, spec, model, context.source);
    const biases = spec.biasCorrection ?? false;
    const prepared = prepareStatic(model, excluded, scheme, { keep, biases });
    const { model: start, plans, folded, raisedFrom, kept } = prepared;
    if (productsOf(plans).length === 0) {
      const problem = 'there is no convolution or matrix product with constant float32 weights to quantize';
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }

    const options = {
      method: spec.calibration,
      levels: 2 ** QUANTIZED[scheme.activations].bits,
      symmetric: scheme.symmetricActivations,
    };
    const tensors = new Set(plans.flatMap(({ plan }) => [...plan.ranges.values()]));
    const calibrated = await calibrate(pass, start, [...tensors], options, context);
    const emit = (from: Model, how: Scheme): Emitted =>
      emitGraphs(from.graph, prepared, calibrated.ranges, { pass, scheme: how, keep });
    // Means are compared as float, whatever the operators will be.
    const attempt = (from: Model): Quantized => {
      const { graph, editor } = emit(from, { ...scheme, format: 'qdq' });
      return { model: withModel(from, { graph }), outputOf: (product) => editor.current(product)?.outputs[0] };
    };
    const corrected = biases ? await correctBiases(pass, start, productsOf([prepared.main]), attempt, context) : null;
    const { graph, done } = emit(corrected?.model ?? start, scheme);
    const result = withModel(start, { graph, opsets: opsetsWith(start, scheme) });
    const products = productsOf(done).length;
    const embeddings = done.reduce((sum, one) => sum + one.embeddings.length, 0);
    const storage = done.reduce((sum, { plan }) => sum + plan.storage.length, 0);
    const untouched = plans.flatMap(({ plan }) => plan.untouched);
    const unreached = plans.filter((one) => !done.includes(one)).flatMap(({ plan }) => plan.steps);

    const [was, is] = [constantBytes(model), constantBytes(result)];
    const joins = done.flatMap(({ plan }) => plan.steps).filter(({ kind }) => kind === 'join').length;
    const notes = [
      `${plural(products, 'convolution or matrix product', 'convolutions and matrix products')} and ${plural(joins, 'operator')} between them compute in ${widthOf(scheme)}; ` +
        `constants ${was.toLocaleString('en')} → ${is.toLocaleString('en')} bytes.`,
      ...calibrated.notes,
      ...(spec.preset === undefined ? [] : [describeScheme(spec.preset, scheme)]),
      ...(corrected === null ? [] : [corrected.note]),
      ...warningsOf(scheme),
    ];
    if (storage > 0) {
      notes.push(
        `${plural(storage, 'transposed convolution')} stored with ${scheme.weights} weights, computed in float: there is no integer kernel.`,
      );
    }
    if (embeddings > 0) notes.push(`${plural(embeddings, 'embedding')} stored in 8 bits.`);
    if (folded > 0) notes.push(describeFolded(folded));
    if (kept.length > 0) notes.push(`Left alone because excluded: ${listNames(kept.map(describeNode))}.`);
    for (const [reason, left] of Map.groupBy(untouched, (one) => one.reason)) {
      notes.push(`Left in float: ${listNames(left.map(({ node }) => describeNode(node)))}: ${reason}.`);
    }
    if (unreached.length > 0) {
      notes.push(
        `Left in float, because no calibration row reached the body they are in: ${listNames(unreached.map(({ node }) => describeNode(node)))}.`,
      );
    }
    if (raisedFrom !== null) notes.push(`Operator set raised from ${raisedFrom} to ${opsetOfScheme(scheme)}.`);
    return { model: result, notes };
  },
};

interface Emitted {
  readonly graph: Graph;
  /** Of the main graph, for who asks what became of a node. */
  readonly editor: GraphEditor;
  readonly done: readonly GraphPlan[];
}

/**
 * Write every plan into its graph, bodies first. A body that no row reached has no ranges and stays as it is.
 * @param main the main graph that was prepared, or one that differs from it in constants
 */
function emitGraphs(
  main: Graph,
  prepared: PreparedStatic,
  ranges: ReadonlyMap<string, Range>,
  { pass, scheme, keep }: { readonly pass: PassName; readonly scheme: Scheme; readonly keep: Keep },
): Emitted {
  const done: GraphPlan[] = [];
  const visit = (graph: Graph, scope: Scope, planned: GraphPlan | undefined): Graph => {
    const { editor } = scope;
    for (const node of graph.nodes) {
      const changed = mapSubgraphs(node, (body) =>
        visit(body, new Scope(body, editor.inside(body), scope), prepared.bodies.get(body)),
      );
      if (changed !== node) editor.update(node, { attributes: changed.attributes });
    }
    if (planned !== undefined && [...planned.plan.ranges.values()].every((tensor) => ranges.has(tensor))) {
      done.push(planned);
      emitStatic(scope, graph === main ? main : planned.view, planned.plan, ranges, pass, scheme);
      for (const embedding of planned.embeddings) emitEmbedding(scope, pass, embedding, scheme.perChannel);
      if (scheme.format === 'qoperator') toIntegerOperators(editor);
    }
    dropUnread(editor, new Set(editor.initializers.keys()));
    return editor.finish();
  };
  const editor = new GraphEditor(main, [], keep);
  return { graph: visit(main, new Scope(main, editor, null), prepared.main), editor, done };
}

/** Integer operators are in a domain of their own, which a model must import. */
const opsetsWith = ({ opsets }: Model, { format }: Scheme): Model['opsets'] =>
  format === 'qoperator' ? new Map(opsets).set(MS_DOMAIN, opsets.get(MS_DOMAIN) ?? 1) : opsets;

const productsOf = (plans: readonly GraphPlan[]): readonly Node[] =>
  plans.flatMap(({ plan }) => plan.steps.filter(({ kind }) => kind === 'product').map(({ node }) => node));
