/** A Concat inside a Concat along the same axis becomes part of it. */
import { getInt } from '../../ir/node.ts';
import { axisOf } from '../evaluate/value.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';

export const mergeConcats: Rewrite = {
  name: 'merge-concats',
  exactness: 'exact',
  summary: 'Merges a Concat into the Concat that reads it along the same axis.',
  apply: eachNode(['Concat'], (node, site) => {
    const rank = site.shape(node.outputs[0])?.length;
    if (rank === undefined) return false;
    const axis = axisOf(getInt(node, 'axis', 1), rank);
    const inputs = node.inputs.flatMap((name) => {
      const part = site.feeder(name, 'Concat');
      const same = part !== undefined && axisOf(getInt(part, 'axis', 1), rank) === axis;
      return same ? part.inputs : [name];
    });
    if (inputs.length === node.inputs.length) return false;
    site.editor.update(node, { inputs });
    return true;
  }),
};
