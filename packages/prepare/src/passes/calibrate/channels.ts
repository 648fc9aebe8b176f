/** The range of each channel of some tensors over the calibration rows, for passes that balance channels. */
import type { PassName } from '@slipway/core';
import type { Model } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { run } from './collect.ts';
import { expose } from './expose.ts';
import { type ChannelAxis, elementCount, largestOfChannels, smallestOfChannels, sumOfChannels } from './probe.ts';
import { calibrationRows, walk } from './rows.ts';

export interface ChannelStatistics {
  readonly min: Float64Array;
  readonly max: Float64Array;
  /** Over all elements of all rows. */
  readonly mean: Float64Array;
}

/**
 * Reduced inside the model: what leaves the runner is a few numbers per channel and call.
 * @param places where the channels of each tensor are
 * @param limit look at the first rows only
 * @throws PASS_NOT_APPLICABLE when there are no usable rows
 */
export async function channelStatistics(
  pass: PassName,
  model: Model,
  places: ReadonlyMap<string, ChannelAxis>,
  context: PassContext,
  limit?: number,
): Promise<ReadonlyMap<string, ChannelStatistics>> {
  const rows = calibrationRows(pass, context);
  const found = new Map<string, { min: Float64Array; max: Float64Array; sum: Float64Array; count: number }>();
  const exposed = expose(
    model,
    new Map(
      [...places].map(([tensor, at]) => [
        tensor,
        [smallestOfChannels(at), largestOfChannels(at), sumOfChannels(at), elementCount],
      ]),
    ),
  );
  for await (const outputs of run(exposed.model, walk(rows, undefined, limit), context)) {
    for (const [tensor, names] of exposed.outputs) {
      const channels = places.get(tensor)?.channels ?? 0;
      const [min, max, sum, count] = names.map((name) => outputs[name]?.data as Float32Array | undefined);
      const known = found.get(tensor) ?? {
        min: new Float64Array(channels).fill(Infinity),
        max: new Float64Array(channels).fill(-Infinity),
        sum: new Float64Array(channels),
        count: 0,
      };
      for (let c = 0; c < channels; c++) {
        known.min[c] = Math.min(known.min[c] ?? 0, min?.[c] ?? NaN);
        known.max[c] = Math.max(known.max[c] ?? 0, max?.[c] ?? NaN);
        known.sum[c] = (known.sum[c] ?? 0) + (sum?.[c] ?? NaN);
      }
      found.set(tensor, { ...known, count: known.count + (count?.[0] ?? 0) / channels });
    }
  }
  return new Map(
    [...found].map(([tensor, { min, max, sum, count }]) => [
      tensor,
      { min, max, mean: sum.map((s) => s / Math.max(1, count)) },
    ]),
  );
}
