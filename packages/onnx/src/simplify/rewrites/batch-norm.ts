/** Batch normalization with constant statistics: a scale and a shift per channel. */
import { getFloat, getInt, type Node } from '../../ir/node.ts';
import { onlyAttributes, onlyFirstOutput, type Site } from '../rewrite.ts';
import { isWide, vectorOf } from '../weights.ts';

export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** False in training mode, where statistics are computed. */
export function isInference(node: Node): boolean {
  if (!onlyFirstOutput(node) || !onlyAttributes(node, 'epsilon', 'momentum', 'spatial', 'training_mode')) return false;
  return getInt(node, 'training_mode', 0) === 0 && getInt(node, 'spatial', 1) === 1;
}

/** What the node does per channel; undefined in training mode, and where it is not constant. */
export function affineOf(node: Node, site: Site): Affine | undefined {
  if (!isInference(node)) return undefined;
  const gamma = site.constant(node.inputs[1]);
  const channels = isWide(gamma) ? (gamma.dims[0] ?? 0) : 0;
  const [scale, offset, mean, variance] = [1, 2, 3, 4].map((index) =>
    vectorOf(site.constant(node.inputs[index]), channels),
  );
  if (channels === 0 || !scale || !offset || !mean || !variance) return undefined;
  const epsilon = getFloat(node, 'epsilon', 1e-5);
  const factor = scale.map((value, channel) => value / Math.sqrt((variance[channel] ?? 0) + epsilon));
  return {
    scale: factor,
    shift: offset.map((value, channel) => value - (mean[channel] ?? 0) * (factor[channel] ?? 0)),
  };
}
