/**
 * `quantize.equalise`: balances the channels between two layers (Nagel et al., "Data-free quantization through weight equalization and
 * bias correction", 2019). Where channel c of the first layer has weights of range r₁ and what reads it weights of
 * range r₂, both get the range √(r₁ r₂): the output of channel c is divided by √(r₁ / r₂), and what reads it multiplied with it. Relu and its
 * like pass a positive factor through, so the model computes the same up to rounding, and one scale for a whole
 * weight fits all its channels. No data is needed.
 *
 * A Clip (Relu6) passes no factor through, as its limit is the same for all channels. Between two layers that are balanced it
 * becomes Relu and Min with a limit per channel, which is exact. To leave the limit out instead, as the paper does, changes every model
 * that reaches it.
 *
 * Batch normalization is folded into the layer before it first, as `quantize.static` would do it.
 *
 * A layer in a chain is the second of one pair and the first of the next, so pairs are gone through until little changes.
 */
import { fail, type PassSpec } from '@slipway/core';
import { describeNode, type Graph, GraphEditor, inferShapes, type Model, type Node, withModel } from '@slipway/onnx';
import type { Pass } from '../../pass.ts';
import { largestWeights, type Reader, readerOf, replaceConstant, scaledWeight } from '../channel-scale/consume.ts';
import { describeFolded, fuseChannelwise } from '../channel-scale/fold.ts';
import { type Fold, foldIntoProducer } from '../channel-scale/produce.ts';
import { dropUnread } from '../constants.ts';
import { listNames, plural } from '../describe.ts';
import { exclusion, nodeExclusion } from '../exclude.ts';
import { walkOf } from '../loops.ts';
import { assessing, preparedForQuantization } from '../prepared.ts';
import { readFinite } from '../weights.ts';

type Spec = Extract<PassSpec, { pass: 'quantize.equalise' }>;

const MAX_ITERATIONS = 20;
/** No channel changes by more than this any more: settled. */
const SETTLED = 1.001;
/** One factor is not larger than this: a channel that is nearly dead must not blow up its partner. */
const LARGEST_FACTOR = 1e4;

interface Pair {
  /** The layer that computes the channels. */
  readonly first: Node;
  readonly second: Reader;
  readonly fold: Fold;
}

export const equalisePass: Pass<Spec> = {
  name: 'quantize.equalise',
  version: 4,

  assess: assessing((model) => {
    const { model: start } = preparedForQuantization('quantize.equalise', model);
    const { graph } = folded(start, new Map(), () => false).model;
    const count = pairsOf(new GraphEditor(graph), graph, () => false).length;
    return count === 0
      ? {
          applicable: false,
          targets: 0,
          summary: 'no layer feeds exactly one other through what passes a factor through',
        }
      : { applicable: true, targets: count, summary: `can balance the channels of ${plural(count, 'pair')} of layers` };
  }),

  apply: (model, spec, context) =>
    Promise.resolve().then(() => {
      const { pass, iterations = MAX_ITERATIONS } = spec;
      const excluded = exclusion(pass, spec, model, context.source);
      const { model: prepared, origins, raisedFrom } = preparedForQuantization(pass, model);
      const sources = new Map(origins);
      const isExcluded = nodeExclusion(excluded, (name) => prepared.graph.initializers.has(name), sources);
      const { model: start, count } = folded(prepared, sources, isExcluded);
      let current: Model = start;
      const pairs = pairsOf(new GraphEditor(start.graph), start.graph, isExcluded);
      if (pairs.length === 0) {
        const problem =
          'no layer with constant float32 weights feeds exactly one other through what passes a factor through';
        throw fail('PASS_NOT_APPLICABLE', { pass, problem });
      }
      let rounds = 0;
      let largest = 1;
      for (let change = Infinity; rounds < iterations && change > SETTLED; rounds++) {
        context.signal.throwIfAborted();
        const result = equaliseOnce(current, isExcluded);
        ({ model: current, change } = result);
        largest = Math.max(largest, change);
      }
      const notes = [
        `Channels balanced between ${plural(pairs.length, 'pair')} of layers in ${plural(rounds, 'round')}; the largest factor was ${Number(largest.toPrecision(3))}. The model computes the same.`,
      ];
      if (count > 0) notes.push(describeFolded(count));
      const kept = start.graph.nodes.filter((node) => isExcluded(node));
      if (kept.length > 0) notes.push(`Left alone because excluded: ${listNames(kept.map(describeNode))}.`);
      if (raisedFrom !== null) notes.push(`Operator set raised from ${raisedFrom}.`);
      return { model: current, notes };
    }),
};

/** Batch normalizations as weights and biases: a factor would be lost between a layer and its normalization. */
function folded(
  model: Model,
  sources: Map<string, readonly string[]>,
  isExcluded: (node: Node) => boolean,
): { readonly model: Model; readonly count: number } {
  const editor = new GraphEditor(model.graph);
  const count = fuseChannelwise(editor, inferShapes(model).values, sources, isExcluded);
  return { model: count === 0 ? model : withModel(model, { graph: editor.finish() }), count };
}

/** Every pair once, in the order of the graph. */
function equaliseOnce(model: Model, isExcluded: (node: Node) => boolean): { model: Model; change: number } {
  const editor = new GraphEditor(model.graph);
  let change = 1;
  for (const node of model.graph.nodes) {
    const pair = pairOf(editor, editor.current(node) ?? node, isExcluded);
    if (pair === null) continue;
    const factors = factorsOf(editor, pair);
    change = factors.reduce((most, factor) => Math.max(most, factor, 1 / factor), change);
    const { second, fold } = pair;
    const data = scaledWeight(second, factors);
    fold.apply(factors.map((factor) => 1 / factor));
    replaceConstant(editor, second.node, 1, second.weight.dims, data);
  }
  dropUnread(editor, [...editor.initializers.keys()]);
  return { model: withModel(model, { graph: editor.finish() }), change };
}

function pairsOf(editor: GraphEditor, graph: Graph, isExcluded: (node: Node) => boolean): Pair[] {
  return graph.nodes.flatMap((node) => pairOf(editor, node, isExcluded) ?? []);
}

/** The pair that ends with `node`, or null. */
function pairOf(editor: GraphEditor, node: Node, isExcluded: (node: Node) => boolean): Pair | null {
  const second = readerOf(node, editor.initializers);
  if (second === null || isExcluded(node)) return null;
  const { axis, channels, weight } = second;
  const rank = axis === 'last' ? null : weight.dims.length;
  const isReader = (reader: Node): boolean => reader === node;
  const mayChange = (changed: Node): boolean => !isExcluded(changed);
  const fold = foldIntoProducer(editor, node.inputs[0] ?? '', { axis, channels, rank }, isReader, mayChange);
  const [first] = fold?.nodes ?? [];
  // A normalization has no range of weights to balance with.
  return fold !== null && first !== undefined && ['Conv', 'Gemm', 'MatMul'].includes(first.op)
    ? { first, second, fold }
    : null;
}

/** √(r₁ / r₂) of each channel: what reads it is multiplied with it. @throws PASS_NOT_APPLICABLE for weights without a range */
function factorsOf(editor: GraphEditor, { first, second }: Pair): Float64Array {
  const weight = editor.initializer(first.inputs[1] ?? '');
  const reader = readerOf(first, editor.initializers);
  readFinite('quantize.equalise', second.weight);
  const produced = new Float64Array(second.channels);
  if (weight !== undefined && reader !== null) {
    const { inner } = walkOf(weight.dims, reader.outputAxis);
    readFinite('quantize.equalise', weight).forEach((value, i) => {
      const channel = Math.floor(i / inner) % second.channels;
      produced[channel] = Math.max(produced[channel] ?? 0, Math.abs(value));
    });
  }
  return largestWeights(second).map((read, channel) => {
    const made = produced[channel] ?? 0;
    if (made === 0 || read === 0) return 1;
    return Math.min(LARGEST_FACTOR, Math.max(1 / LARGEST_FACTOR, Math.sqrt(made / read)));
  });
}
