/** Pad nodes that add a constant around the spatial axes of [batch, channels, …]. */
import { floatsOf } from '../../ir/elements.ts';
import type { Initializer } from '../../ir/initializer.ts';
import { getFloat, getInts, getString, type Node } from '../../ir/node.ts';
import { isScalar, type Site } from '../rewrite.ts';

export interface Padding {
  readonly source: string;
  /** Begin of every spatial axis, then end of every spatial axis: the order operators have. */
  readonly pads: readonly number[];
  readonly value: number;
}

/** What the only-read Pad behind `name` does; undefined for other modes, negative amounts or other axes. */
export function paddingBehind(name: string | undefined, site: Site): Padding | undefined {
  const node = site.feeder(name, 'Pad');
  if (node === undefined || getString(node, 'mode', 'constant') !== 'constant' || (node.inputs[3] ?? '') !== '') {
    return undefined;
  }
  const pads = getInts(node, 'pads') ?? site.integers(node.inputs[1]);
  const constant = site.constant(node.inputs[2]);
  const value = (node.inputs[2] ?? '') === '' ? getFloat(node, 'value', 0) : constant && floatOrNothing(constant);
  if (pads === undefined || value === undefined || pads.length < 6 || pads.some((pad) => pad < 0)) return undefined;
  const rank = pads.length / 2;
  if ([0, 1, rank, rank + 1].some((index) => pads[index] !== 0)) return undefined;
  return { source: node.inputs[0] ?? '', pads: [...pads.slice(2, rank), ...pads.slice(rank + 2)], value };
}

const floatOrNothing = (constant: Initializer): number | undefined =>
  isScalar(constant) && constant.dtype.startsWith('float') ? floatsOf(constant)[0] : undefined;

/** Those of the node with these added; undefined where it says itself how it pads. */
export function paddedBy(node: Node, pads: readonly number[]): number[] | undefined {
  const auto = getString(node, 'auto_pad', 'NOTSET');
  const own = getInts(node, 'pads') ?? pads.map(() => 0);
  if (auto !== 'NOTSET' || own.length !== pads.length) return undefined;
  return own.map((pad, index) => pad + (pads[index] ?? 0));
}
