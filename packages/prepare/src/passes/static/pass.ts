/**
 * `quantize.static`: convolutions and matrix products compute in 8-bit integers, with ranges of activations measured once
 * on calibration rows. The result is a graph of QuantizeLinear/DequantizeLinear pairs (QDQ), which is standard ONNX,
 * runs anywhere, and becomes integer kernels where the runtime has them.
 */
import { fail, type PassSpec } from '@slipway/core';
import {
  describeNode,
  type Graph,
  GraphEditor,
  inferShapes,
  isTensorType,
  type Keep,
  type Model,
  MS_DOMAIN,
  type Node,
  spillTo,
  type ValueType,
  withModel,
} from '@slipway/onnx';
import type { Pass } from '../../pass.ts';
import { QUANTIZED } from '../affine.ts';
import { dropUnread } from '../constants.ts';
import { listNames, plural } from '../describe.ts';
import { emitEmbedding } from '../dynamic/embedding.ts';
import { judgeEmbedding, type Target } from '../dynamic/plan.ts';
import { Scope } from '../dynamic/scope.ts';
import { type Exclusion, exclusion } from '../exclude.ts';
import { assessing, constantBytes, preparedForQuantization } from '../prepared.ts';
import { correctBiases, type Quantized } from '../bias-correction/correct.ts';
import { ensureBiases } from '../bias-correction/places.ts';
import { calibrate } from '../calibrate/calibrate.ts';
import { emitStatic } from './emit.ts';
import { fuseChannelwise } from './fuse.ts';
import { planEverywhere } from './everywhere-plan.ts';
import { planInputs } from './inputs-plan.ts';
import { type PlanOptions, planStatic, type StaticPlan } from './plan.ts';
import { toIntegerOperators } from './qoperator.ts';
import { describeScheme, opsetOfScheme, type Scheme, schemeOf, warningsOf, widthOf } from './scheme.ts';

type Spec = Extract<PassSpec, { pass: 'quantize.static' }>;

const NOTHING: Exclusion = { has: () => false };

export const staticPass: Pass<Spec> = {
  name: 'quantize.static',
  version: 5,

  assess: assessing((model) => {
    const { plan } = simplified(model, NOTHING, schemeOf({}));
    const products = productsOf(plan).length;
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
    const {
      model: start,
      plan,
      embeddings,
      folded,
      raisedFrom,
      kept,
    } = simplified(model, excluded, scheme, {
      keep,
      biases: spec.biasCorrection ?? false,
    });
    const products = productsOf(plan);
    if (products.length === 0) {
      const problem = 'there is no convolution or matrix product with constant float32 weights to quantize';
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }

    const options = {
      method: spec.calibration,
      levels: 2 ** QUANTIZED[scheme.activations].bits,
      symmetric: scheme.symmetricActivations,
    };
    const calibrated = await calibrate(pass, start, [...new Set(plan.ranges.values())], options, context);
    const quantized = (from: Model): GraphEditor => {
      const editor = new GraphEditor(from.graph, [], keep);
      emitStatic(editor, from.graph, plan, calibrated.ranges, pass, scheme);
      return editor;
    };
    const attempt = (from: Model): Quantized => {
      const editor = quantized(from);
      return {
        model: withModel(from, { graph: editor.finish() }),
        outputOf: (product) => editor.current(product)?.outputs[0],
      };
    };
    const corrected =
      spec.biasCorrection === true ? await correctBiases(pass, start, products, attempt, context) : null;
    const editor = quantized(corrected?.model ?? start);
    const scope = new Scope(start.graph, editor, null);
    for (const embedding of embeddings) emitEmbedding(scope, pass, embedding, scheme.perChannel);
    if (scheme.format === 'qoperator') toIntegerOperators(editor);
    dropUnread(editor, new Set(editor.initializers.keys()));
    const result = withModel(start, { graph: editor.finish(), opsets: opsetsWith(start, scheme) });

    const [was, is] = [constantBytes(model), constantBytes(result)];
    const joins = plan.steps.filter(({ kind }) => kind === 'join').length;
    const notes = [
      `${plural(products.length, 'convolution or matrix product', 'convolutions and matrix products')} and ${plural(joins, 'operator')} between them compute in ${widthOf(scheme)}; ` +
        `constants ${was.toLocaleString('en')} → ${is.toLocaleString('en')} bytes.`,
      ...calibrated.notes,
      ...(spec.preset === undefined ? [] : [describeScheme(spec.preset, scheme)]),
      ...(corrected === null ? [] : [corrected.note]),
      ...warningsOf(scheme),
    ];
    if (plan.storage.length > 0) {
      notes.push(
        `${plural(plan.storage.length, 'transposed convolution')} stored with ${scheme.weights} weights, computed in float: there is no integer kernel.`,
      );
    }
    if (embeddings.length > 0) notes.push(`${plural(embeddings.length, 'embedding')} stored in 8 bits.`);
    if (folded > 0) {
      notes.push(
        `${plural(folded, 'bias, factor or batch normalization', 'biases, factors and batch normalizations')} folded into the weights before.`,
      );
    }
    if (kept.length > 0) notes.push(`Left alone because excluded: ${listNames(kept.map(describeNode))}.`);
    for (const [reason, left] of Map.groupBy(plan.untouched, (one) => one.reason)) {
      notes.push(`Left in float: ${listNames(left.map(({ node }) => describeNode(node)))}: ${reason}.`);
    }
    if (raisedFrom !== null) notes.push(`Operator set raised from ${raisedFrom} to ${opsetOfScheme(scheme)}.`);
    return { model: result, notes };
  },
};

interface Simplified {
  readonly model: Model;
  readonly plan: StaticPlan;
  /** Tables to store in 8 bits; what is gathered from them is float again. */
  readonly embeddings: readonly Target[];
  readonly folded: number;
  readonly raisedFrom: number | null;
  /** Nodes left alone because excluded. */
  readonly kept: readonly Node[];
}

/** The model with constants folded and biases where kernels want them, and what to quantize in it. */
function simplified(
  model: Model,
  excluded: Exclusion,
  scheme: Scheme,
  { keep, biases = false }: { readonly keep?: Keep; readonly biases?: boolean } = {},
): Simplified {
  const {
    model: start,
    origins,
    raisedFrom,
  } = preparedForQuantization('quantize.static', model, opsetOfScheme(scheme), keep);
  const sources = new Map(origins);
  const isExcluded = (node: Node): boolean =>
    excluded.has(
      node,
      ...node.inputs.flatMap((name) => [
        ...(start.graph.initializers.has(name) ? [name] : []),
        ...(sources.get(name) ?? []),
      ]),
    );
  const editor = new GraphEditor(start.graph, [], keep);
  const types = inferShapes(start).values;
  const folded = fuseChannelwise(editor, {
    isExcluded,
    rankOf: (name) => {
      const type = types.get(name);
      return isTensorType(type) ? type.shape?.length : undefined;
    },
    made: (name, from) =>
      sources.set(
        name,
        from.flatMap((source) => [source, ...(sources.get(source) ?? [])]),
      ),
  });
  if (biases) ensureBiases(editor, isExcluded);
  const graph = editor.finish();
  const isFloat32 = (name: string): boolean => {
    const type = types.get(name);
    return isTensorType(type) && type.dtype === 'float32';
  };
  return {
    model: withModel(start, { graph }),
    plan: planFor(graph, { scheme, isExcluded, isFloat32 }, types),
    embeddings: graph.nodes
      .filter((node) => scheme.placement === 'between' && !isExcluded(node))
      .map((node) => judgeEmbedding(node, (name) => graph.initializers.get(name)))
      .filter((one) => one !== null && typeof one !== 'string'),
    folded,
    raisedFrom,
    kept: graph.nodes.filter(isExcluded),
  };
}

function planFor(
  graph: Graph,
  options: PlanOptions & { scheme: Scheme },
  types: ReadonlyMap<string, ValueType>,
): StaticPlan {
  switch (options.scheme.placement) {
    case 'between':
      return planStatic(graph, options);
    case 'inputs':
      return planInputs(graph, options, types);
    case 'everywhere':
      return planEverywhere(graph, options);
  }
}

/** Integer operators are in a domain of their own, which a model must import. */
const opsetsWith = ({ opsets }: Model, { format }: Scheme): Model['opsets'] =>
  format === 'qoperator' ? new Map(opsets).set(MS_DOMAIN, opsets.get(MS_DOMAIN) ?? 1) : opsets;

const productsOf = (plan: StaticPlan): readonly Node[] =>
  plan.steps.filter(({ kind }) => kind === 'product').map(({ node }) => node);
