/**
 * `quantize.smooth`: makes activations easier to quantize. One scale for all channels of a value fits badly where one
 * channel is a hundred times as large as the others, as happens in transformers; weights have no such channels. So each channel of the
 * activations is divided by a number and the weights that read it are multiplied with it: the model computes the same, and what
 * is hard to round has been shared between both. The division goes into the constants of what computes the value, and
 * becomes a node only where that cannot be done.
 */
import { fail, type PassSpec } from '@slipway/core';
import { createNode, describeNode, GraphEditor, type Model, type Node, spillTo, withModel } from '@slipway/onnx';
import type { Pass } from '../../pass.ts';
import { channelStatistics } from '../calibrate/channels.ts';
import { type Reader, replaceConstant, scaledWeight } from '../channel-scale/consume.ts';
import { type Fold, foldIntoProducer } from '../channel-scale/produce.ts';
import { dropUnread, store } from '../constants.ts';
import { listNames, plural } from '../describe.ts';
import { exclusion, nodeExclusion } from '../exclude.ts';
import { assessing, preparedForQuantization } from '../prepared.ts';
import { type Group, groupsOf } from './groups.ts';
import { required, searchAlphas } from './search.ts';
import { scalesOf } from './scales.ts';

type Spec = Extract<PassSpec, { pass: 'quantize.smooth' }>;

export const smoothPass: Pass<Spec> = {
  name: 'quantize.smooth',
  version: 2,

  assess: assessing((model) => {
    const groups = groupsOf(preparedForQuantization('quantize.smooth', model).model.graph, () => false);
    return groups.length === 0
      ? {
          applicable: false,
          targets: 0,
          summary: 'no product reads a value of several channels with constant float32 weights',
        }
      : {
          applicable: true,
          targets: groups.length,
          summary: `can balance ${plural(groups.length, 'input')} of products against their weights before quantization; needs calibration data`,
        };
  }),

  async apply(model, spec, context) {
    const { pass, alpha = 'search' } = spec;
    const excluded = exclusion(pass, spec, model, context.source);
    const keep = spillTo(context.workDirectory);
    const { model: start, origins, raisedFrom } = preparedForQuantization(pass, model, undefined, keep);
    const isExcluded = nodeExclusion(excluded, (name) => start.graph.initializers.has(name), origins);
    const groups = groupsOf(start.graph, isExcluded);
    if (groups.length === 0) {
      const problem = 'no product reads a value of several channels with constant float32 weights';
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }
    const places = new Map(groups.map((group) => [group.input, group]));
    const statistics = await channelStatistics(pass, start, places, context);
    const untouched = new GraphEditor(start.graph);
    const folds = (group: Group): boolean => foldOf(untouched, group, group.readers, isExcluded) !== null;
    const alphas =
      alpha === 'search'
        ? await searchAlphas(pass, start, groups, statistics, folds, context)
        : new Map(groups.map((group) => [group, alpha]));

    const editor = new GraphEditor(start.graph, [], keep);
    const smoothed: { readonly group: Group; readonly alpha: number; readonly inserted: boolean }[] = [];
    for (const group of groups) {
      const chosen = alphas.get(group) ?? null;
      if (chosen === null) continue;
      const scales = scalesOf(group, required(statistics, group), chosen);
      smoothed.push({ group, alpha: chosen, inserted: !smooth(editor, group, scales, isExcluded) });
    }
    if (smoothed.length === 0) {
      const problem = `no channel stands out: 8 bits are no worse without it for any of ${plural(groups.length, 'input')} of products; leave it out, or give a fixed alpha`;
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }
    dropUnread(editor, start.graph.initializers.keys());
    const notes = [
      `${plural(smoothed.length, 'input')} of ${plural(groups.length, 'product group')} divided channel by channel, their weights multiplied: the model computes the same.`,
    ];
    const used = Map.groupBy(smoothed, (one) => one.alpha);
    const list = [...used].sort(([a], [b]) => a - b).map(([value, { length }]) => `${value} (${length})`);
    notes.push(`α${alpha === 'search' ? ' by the error of 8 bits' : ''}: ${list.join(', ')}.`);
    const inserted = smoothed.filter((one) => one.inserted);
    if (inserted.length > 0) {
      const names = inserted.map(({ group }) => group.input);
      notes.push(`A Div node each, because the division fits no constant before it: ${listNames(names)}.`);
    }
    if (alpha === 'search' && smoothed.length < groups.length) {
      notes.push(
        `Left alone, because 8 bits are no worse without: ${plural(groups.length - smoothed.length, 'input')}.`,
      );
    }
    const kept = start.graph.nodes.filter((node) => isExcluded(node));
    if (kept.length > 0) notes.push(`Left alone because excluded: ${listNames(kept.map(describeNode))}.`);
    if (raisedFrom !== null) notes.push(`Operator set raised from ${raisedFrom}.`);
    return { model: withGraph(start, editor), notes };
  },
};

const withGraph = (model: Model, editor: GraphEditor): Model => withModel(model, { graph: editor.finish() });

/** Divide the channels of the input by `scales` and multiply the weights. True when no node was needed. */
function smooth(editor: GraphEditor, group: Group, scales: Float64Array, isExcluded: (node: Node) => boolean): boolean {
  const { input, axis, channels, readers } = group;
  // A weight two readers share is scaled for each: readers read constants of their own.
  const current = readers.map((reader) => {
    const node = editor.current(reader.node) ?? reader.node;
    const weight = editor.initializer(node.inputs[1] ?? '') ?? reader.weight;
    return { ...reader, node, weight };
  });
  const fold = foldOf(editor, group, current, isExcluded);
  const rank = axis === 'last' ? null : (current[0]?.weight.dims.length ?? null);
  if (fold !== null) fold.apply(scales.map((scale) => 1 / scale));
  else {
    const shape = axis === 'last' ? [channels] : [channels, ...new Array<number>((rank ?? 2) - 2).fill(1)];
    const divisor = store(editor, `${input}_smooth`, { dtype: 'float32', shape, data: Float32Array.from(scales) });
    const smoothed = editor.uniqueName(`${input}_smoothed`);
    const division = createNode('Div', [input, divisor], [smoothed], { name: editor.uniqueNodeName(smoothed) });
    const nodes = new Set(current.map(({ node }) => node));
    editor.replaceUses(input, smoothed, (node) => nodes.has(node));
    editor.append(division);
  }
  for (const reader of current) {
    const node = editor.current(reader.node) ?? reader.node;
    replaceConstant(editor, node, 1, reader.weight.dims, scaledWeight(reader, scales));
  }
  return fold !== null;
}

/** How the division goes into the constants before the readers, or null when it does not. */
function foldOf(
  editor: GraphEditor,
  { input, axis, channels }: Group,
  readers: readonly Reader[],
  isExcluded: (node: Node) => boolean,
): Fold | null {
  const nodes = new Set(readers.map(({ node }) => node));
  const rank = axis === 'last' ? null : (readers[0]?.weight.dims.length ?? null);
  const isReader = (node: Node): boolean => nodes.has(node);
  return foldIntoProducer(editor, input, { axis, channels, rank }, isReader, (node) => !isExcluded(node));
}
