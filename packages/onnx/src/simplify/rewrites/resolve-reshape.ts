/**
 * A Reshape whose target is computed from the shape of its own input gets a constant one: 0 where a dimension is copied,
 * −1 for at most one that follows from the others. Exact for all tensors that have elements.
 */
import { getInt } from '../../ir/node.ts';
import { isFixed, UNKNOWN_DIM } from '../../ir/type.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';

export const resolveReshape: Rewrite = {
  name: 'resolve-reshape',
  exactness: 'exact',
  summary: 'Gives a Reshape whose target is computed from the shape of its input a constant target.',
  apply: eachNode(['Reshape'], (node, site) => {
    const [input, target = ''] = node.inputs;
    const wanted = site.known(target)?.elements;
    if (wanted === undefined || site.constant(target) !== undefined || getInt(node, 'allowzero', 0) !== 0) return false;
    const shape = site.shape(input);
    let open = 0;
    const dims = wanted.map((dim, axis) => {
      if (isFixed(dim)) {
        if (dim === -1) open += 1;
        return dim;
      }
      if (dim !== UNKNOWN_DIM && shape?.[axis] === dim) return 0;
      open += 1;
      return -1;
    });
    if (open > 1) return false;
    site.editor.update(node, { inputs: [input ?? '', site.addLongs(`${node.outputs[0] ?? ''}_shape`, dims)] });
    return true;
  }),
};
