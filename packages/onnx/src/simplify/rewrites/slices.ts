/** What a Slice node cuts, when that is constant. */
import { getInts, type Node } from '../../ir/node.ts';
import { type Cut, cutsOf } from '../evaluate/layout.ts';
import type { Site } from '../rewrite.ts';

export function constantCuts(node: Node, site: Site, rank: number): readonly Cut[] | undefined {
  const read = (attribute: string, index: number): readonly number[] | null | undefined => {
    const name = node.inputs[index] ?? '';
    return name === '' ? (getInts(node, attribute) ?? null) : site.integers(name);
  };
  const [starts, ends, axes, steps] = [read('starts', 1), read('ends', 2), read('axes', 3), read('steps', 4)];
  if (!starts || !ends || axes === undefined || steps === undefined) return undefined;
  return cutsOf(rank, starts, ends, axes, steps);
}
