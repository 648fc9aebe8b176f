/** A Tile that repeats nothing goes. */
import { bypassing, type Rewrite } from '../rewrite.ts';

export const eliminateTile: Rewrite = {
  name: 'eliminate-tile',
  exactness: 'exact',
  summary: 'Removes a Tile that repeats every axis once.',
  apply: bypassing(['Tile'], (node, site) => site.integers(node.inputs[1])?.every((count) => count === 1) ?? false),
};
