/**
 * The best α of each group, by the error that 8 bits would make: what its products compute from rounded activations and
 * rounded weights against what they compute in float, on calibration rows. All groups are tried at once, so the search takes one
 * run of the model per α whatever its size, and one copy of the weights.
 *
 * Each product is fed with what the float model computes, not with what rounding before it left: groups are judged apart.
 */
import type { PassName } from '@slipway/core';
import { GraphEditor, intAttribute, type Model, opsetOf, tensorInfo, withModel, withNode } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { affineOf, dequantizeArray, quantizeArray } from '../affine.ts';
import type { ChannelStatistics } from '../calibrate/channels.ts';
import { run } from '../calibrate/collect.ts';
import { type Writer, writerTo } from '../calibrate/probe.ts';
import { calibrationRows, walk } from '../calibrate/rows.ts';
import { type Reader, scaledWeight } from '../channel-scale/consume.ts';
import type { Group } from './groups.ts';
import { scalesOf } from './scales.ts';

/** 0 … 1 by 0.1. */
const ALPHAS = Array.from({ length: 11 }, (_, step) => step / 10);
/** Rows the error is averaged over: it is an average over many elements already. */
const SEARCH_ROWS = 32;
/** What share of the error must be left at most, for the change to be worth it: a folded one is free, a node costs time. */
const WORTH = { folded: 0.95, node: 0.5 } as const;

/**
 * The α of each group, null where none is clearly better than to leave it alone.
 * @param folds true when the division of a group needs no node of its own
 */
export async function searchAlphas(
  pass: PassName,
  model: Model,
  groups: readonly Group[],
  statistics: ReadonlyMap<string, ChannelStatistics>,
  folds: (group: Group) => boolean,
  context: PassContext,
): Promise<ReadonlyMap<Group, number | null>> {
  const rows = calibrationRows(pass, context);
  const errorsWith = async (scales: (group: Group) => Float64Array): Promise<number[]> => {
    const { model: trial, errors } = withErrors(model, groups, statistics, scales);
    const sums = groups.map(() => 0);
    for await (const outputs of run(trial, walk(rows, undefined, SEARCH_ROWS), context, 'smooth')) {
      errors.forEach((names, group) => {
        for (const name of names) sums[group] = (sums[group] ?? 0) + ((outputs[name]?.data as Float32Array)[0] ?? NaN);
      });
    }
    return sums;
  };
  const plain = await errorsWith(({ channels }) => new Float64Array(channels).fill(1));
  const best = groups.map((group, i): { alpha: number | null; error: number } => ({
    alpha: null,
    error: (plain[i] ?? NaN) * WORTH[folds(group) ? 'folded' : 'node'],
  }));
  for (const alpha of ALPHAS) {
    const errors = await errorsWith((group) => scalesOf(group, required(statistics, group), alpha));
    errors.forEach((error, i) => {
      if (error < (best[i]?.error ?? NaN)) best[i] = { alpha, error };
    });
  }
  return new Map(groups.map((group, i) => [group, best[i]?.alpha ?? null]));
}

export function required(
  statistics: ReadonlyMap<string, ChannelStatistics>,
  { input, channels }: Group,
): ChannelStatistics {
  const zeros = new Float64Array(channels);
  return statistics.get(input) ?? { min: zeros, max: zeros, mean: zeros };
}

/** The model with the squared error of each product, relative to the power of its output, as its only outputs. */
function withErrors(
  model: Model,
  groups: readonly Group[],
  statistics: ReadonlyMap<string, ChannelStatistics>,
  scalesFor: (group: Group) => Float64Array,
): { readonly model: Model; readonly errors: readonly (readonly string[])[] } {
  const editor = new GraphEditor(model.graph);
  const writer = writerTo(editor, opsetOf(model), () => editor.uniqueName('smooth'));
  const errors = groups.map((group) => {
    const scales = scalesFor(group);
    const rounded = roundedInput(group, required(statistics, group), scales, writer);
    return group.readers.map((reader) => errorOf(editor, reader, rounded, scales, writer));
  });
  editor.setOutputs(errors.flat().map((name) => tensorInfo(name, 'float32', [])));
  return { model: withModel(model, { graph: editor.finish() }), errors };
}

function roundedInput(
  { input, axis, channels, readers }: Group,
  { min, max }: ChannelStatistics,
  scales: Float64Array,
  { node, constant }: Writer,
): string {
  const low = min.reduce((least, value, c) => Math.min(least, value / (scales[c] ?? 1)), 0);
  const high = max.reduce((most, value, c) => Math.max(most, value / (scales[c] ?? 1)), 0);
  const { scale, zeroPoint } = affineOf(low, high, 'uint8', false);
  const scalar = (value: number): string => constant({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
  const rank = readers[0]?.weight.dims.length ?? 2;
  const shape = axis === 'last' ? [channels] : [channels, ...new Array<number>(rank - 2).fill(1)];
  const steps = constant({ dtype: 'float32', shape, data: Float32Array.from(scales, (s) => s * scale) });
  const quantized = node('Round', [node('Div', [input, steps])]);
  const clipped = node('Clip', [quantized, scalar(-zeroPoint), scalar(255 - zeroPoint)]);
  return node('Mul', [clipped, scalar(scale)]);
}

function errorOf(editor: GraphEditor, reader: Reader, input: string, scales: Float64Array, writer: Writer): string {
  const { node, weight, outputAxis } = reader;
  const [output = ''] = node.outputs;
  const scaled = scaledWeight(reader, scales);
  const data = dequantizeArray(quantizeArray(scaled, weight.dims, outputAxis, 'int8'), weight.dims);
  const changed = writer.constant({ dtype: 'float32', shape: weight.dims, data });
  const result = editor.uniqueName('smooth');
  editor.append(
    withNode(node, {
      name: editor.uniqueNodeName(`${node.name}_smooth`),
      inputs: [input, changed, ...node.inputs.slice(2)],
      outputs: [result],
    }),
  );
  const keepdims = [intAttribute('keepdims', 0)];
  const error = writer.node('ReduceSumSquare', [writer.node('Sub', [result, output])], keepdims);
  const power = writer.node('ReduceSumSquare', [output], keepdims);
  const least = writer.constant({ dtype: 'float32', shape: [], data: Float32Array.of(1e-30) });
  return writer.node('Div', [error, writer.node('Add', [power, least])]);
}
