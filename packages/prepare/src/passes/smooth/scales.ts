/**
 * What each channel is divided by: s = max|X|^α / max|W|^(1 − α) (Xiao et al., "SmoothQuant", 2022). At α = 1 all channels of
 * the activations become equally large, at 0 all rows of the weight do. Weights of all readers count, for they share s.
 */
import { largestWeights } from '../channel-scale/consume.ts';
import type { ChannelStatistics } from '../calibrate/channels.ts';
import type { Group } from './groups.ts';

/** Beyond this a channel is dead or broken, and dividing by it would only lose bits of what is multiplied in exchange. */
const LARGEST_FACTOR = 1e5;

export function scalesOf(group: Group, { min, max }: ChannelStatistics, alpha: number): Float64Array {
  const weights = group.readers.map(largestWeights);
  return min.map((low, channel) => {
    const activation = Math.max(-low, max[channel] ?? 0);
    const weight = weights.reduce((largest, each) => Math.max(largest, each[channel] ?? 0), 0);
    // A channel that is always zero, or that nobody multiplies with anything but zero, needs no scale.
    if (!(activation > 0) || !(weight > 0) || !Number.isFinite(activation)) return 1;
    const scale = activation ** alpha / weight ** (1 - alpha);
    return Math.min(LARGEST_FACTOR, Math.max(1 / LARGEST_FACTOR, scale));
  });
}
