/** Operators that only give a tensor another shape go where that is the shape it has. */
import { isFixed, type Shape, UNKNOWN_DIM } from '../../ir/type.ts';
import { bypassing, type Rewrite } from '../rewrite.ts';

export const eliminateReshape: Rewrite = {
  name: 'eliminate-reshape',
  exactness: 'exact',
  summary: 'Removes Reshape, Flatten, Squeeze, Unsqueeze and Expand that keep the shape.',
  apply: bypassing(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Expand'], (node, site) => {
    const [from, to] = [site.shape(node.inputs[0]), site.shape(node.outputs[0])];
    // The number of elements is kept by all but Expand, so that one dimension need not be known.
    return from !== undefined && to !== undefined && keepsShape(from, to, node.op === 'Expand' ? 0 : 1);
  }),
};

function keepsShape(from: Shape, to: Shape, unknown: number): boolean {
  if (from.length !== to.length) return false;
  let open = 0;
  for (const [axis, dim] of from.entries()) {
    const other = to[axis];
    if (dim === other && dim !== UNKNOWN_DIM && dim !== 0) continue;
    if (isFixed(dim) && isFixed(other) && dim !== other) return false;
    open += 1;
  }
  return open <= unknown;
}
