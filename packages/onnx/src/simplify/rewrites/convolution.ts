/** Conv and ConvTranspose with a constant weight, as fusions see them. */
import type { Initializer } from '../../ir/initializer.ts';
import { getInt, type Node } from '../../ir/node.ts';
import {
  isWide,
  putConstant,
  scaledBy,
  vectorOf,
  type WideDType,
  wideOf,
  wouldDuplicate,
  narrowed,
  isFinite64,
} from '../weights.ts';
import type { Site } from '../rewrite.ts';

export interface Convolution {
  readonly node: Node;
  readonly weight: Initializer & { readonly dtype: WideDType };
  /** Output channels. */
  readonly channels: number;
  /** Axes of the output. */
  readonly rank: number;
  /** One value per output channel; zeros where there is none. */
  readonly bias: Float64Array;
  /** The weight lies in blocks of this size that belong to one output channel each, */
  readonly block: number;
  /** this one. */
  readonly channelOf: (block: number) => number;
}

/** The convolution that makes `name` and whose result only one node reads; undefined where it cannot be changed. */
export function convolutionBehind(name: string | undefined, site: Site): Convolution | undefined {
  const node = site.feeder(name, 'Conv') ?? site.feeder(name, 'ConvTranspose');
  const weight = site.constant(node?.inputs[1]);
  if (node === undefined || !isWide(weight) || weight.dims.length < 3) return undefined;
  const [first = 0, second = 0, ...kernel] = weight.dims;
  const area = kernel.reduce((product, dim) => product * dim, 1);
  const transposed = node.op === 'ConvTranspose';
  const group = getInt(node, 'group', 1);
  const channels = transposed ? second * group : first;
  if (weight.dims.includes(0) || first % group !== 0) return undefined;
  const biasName = node.inputs[2] ?? '';
  const bias = biasName === '' ? new Float64Array(channels) : vectorOf(site.constant(biasName), channels);
  if (bias === undefined || site.constant(biasName)?.dtype === (weight.dtype === 'float32' ? 'float64' : 'float32')) {
    return undefined;
  }
  const perGroup = first / group;
  const channelOf = (block: number): number =>
    transposed ? Math.floor(block / (second * perGroup)) * second + (block % second) : block;
  const block = transposed ? area : area * second;
  return { node, weight, channels, rank: weight.dims.length, bias, block, channelOf };
}

/**
 * Let the convolution compute `scale · result + shift` per channel in the place of `after`, the node that did so.
 * @param scale null: 1 everywhere, the weight stays as it is
 */
export function absorb(
  convolution: Convolution,
  after: Node,
  scale: Float64Array | null,
  shift: Float64Array,
  site: Site,
): boolean {
  const { node, weight, bias, channels, block, channelOf } = convolution;
  const [x = '', weightName = '', biasName = ''] = node.inputs;
  const fused = bias.map((value, channel) => value * (scale?.[channel] ?? 1) + (shift[channel] ?? 0));
  if (!isFinite64(fused) || (scale !== null && wouldDuplicate(site, weightName, weight))) return false;
  const data = scale && scaledBy(wideOf(weight), block, (index) => scale[channelOf(index)] ?? 1);
  if (data === undefined) return false;
  const { editor } = site;
  const { dtype, dims } = weight;
  const name = data === null ? weightName : putConstant(site, weightName, `${weightName}_fused`, { dtype, dims, data });
  const biasValue = { dtype, dims: [channels], data: narrowed(dtype, fused) };
  const added = putConstant(
    site,
    biasName === '' ? undefined : biasName,
    `${biasName === '' ? weightName : biasName}_bias`,
    biasValue,
  );
  editor.remove(after);
  editor.setType(node.outputs[0] ?? '', null);
  editor.update(node, { inputs: [x, name, added], outputs: after.outputs.slice(0, 1) });
  return true;
}
