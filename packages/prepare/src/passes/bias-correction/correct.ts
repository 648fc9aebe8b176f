/**
 * Takes the mean error of each output channel back (Nagel et al., 2019): rounding a weight shifts what a channel computes by
 * about the same for every row, because activations are not centred, and a shift is what a bias is for. What the channel
 * computes on average in float and in the quantized model is measured on calibration rows, and the difference added to the bias.
 *
 * In order: a product is measured when all before it are corrected, because their shifts move its input too. Products of
 * the same depth do not see each other and share a run.
 */
import type { PassName } from '@slipway/core';
import { initializerOf, type Model, type Node, withModel } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { channelStatistics } from '../calibrate/channels.ts';
import type { ChannelAxis } from '../calibrate/probe.ts';
import { plural } from '../describe.ts';
import { readFloat32 } from '../weights.ts';
import { type BiasPlace, biasPlaces } from './places.ts';

/** Rows the means are taken over: a mean of many elements each. */
const ROWS = 64;

export interface Quantized {
  readonly model: Model;
  /** What the value a product computes is called there; undefined when it is gone. */
  outputOf(product: Node): string | undefined;
}

/**
 * @param model the float model, whose biases are corrected
 * @param quantize quantizes a model that differs in biases only
 */
export async function correctBiases(
  pass: PassName,
  model: Model,
  products: readonly Node[],
  quantize: (model: Model) => Quantized,
  context: PassContext,
): Promise<{ readonly model: Model; readonly note: string }> {
  const places = biasPlaces(model.graph, products);
  if (places.length === 0) {
    return { model, note: 'No bias was corrected: no quantized product has one of its own.' };
  }
  const outputOf = ({ outputs }: Node): string => outputs[0] ?? '';
  const wanted = await means(pass, model, places, outputOf, context);
  const levels = Map.groupBy(places, ({ depth }) => depth);
  let current = model;
  for (const depth of [...levels.keys()].sort((a, b) => a - b)) {
    const level = levels.get(depth) ?? [];
    const quantized = quantize(current);
    const found = await means(pass, quantized.model, level, (node) => quantized.outputOf(node) ?? '', context);
    const initializers = new Map(current.graph.initializers);
    for (const place of level) {
      const [want, have] = [wanted.get(place), found.get(place)];
      const old = initializers.get(place.bias);
      if (want === undefined || have === undefined || old === undefined) continue;
      const data = readFloat32(old).map((value, c) => value + ((want[c] ?? 0) - (have[c] ?? 0)) / place.factor);
      initializers.set(place.bias, initializerOf(place.bias, { dtype: 'float32', shape: old.dims, data }));
    }
    current = withModel(current, { graph: Object.freeze({ ...current.graph, initializers }) });
  }
  const left = products.length - places.length;
  const without = left === 0 ? '' : `; ${plural(left, 'other')} ${left === 1 ? 'has' : 'have'} no bias of its own`;
  const note = `Biases of ${plural(places.length, 'product')} corrected by the mean error of each output channel, in ${plural(levels.size, 'step')}${without}.`;
  return { model: current, note };
}

/** The mean of each output channel of these products. */
async function means(
  pass: PassName,
  model: Model,
  places: readonly BiasPlace[],
  outputOf: (product: Node) => string,
  context: PassContext,
): Promise<ReadonlyMap<BiasPlace, Float64Array>> {
  const named = places.map((place) => [outputOf(place.node), place] as const);
  const statistics = await channelStatistics(pass, model, new Map<string, ChannelAxis>(named), context, ROWS);
  return new Map(
    named.flatMap(([name, place]) => {
      const found = statistics.get(name);
      return found === undefined ? [] : [[place, found.mean]];
    }),
  );
}
