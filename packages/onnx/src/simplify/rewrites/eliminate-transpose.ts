/** A Transpose that keeps the order of the axes goes. */
import { getInts } from '../../ir/node.ts';
import { bypassing, type Rewrite } from '../rewrite.ts';

export const eliminateTranspose: Rewrite = {
  name: 'eliminate-transpose',
  exactness: 'exact',
  summary: 'Removes a Transpose that keeps the order of the axes.',
  apply: bypassing(['Transpose'], (node, site) => {
    const perm = getInts(node, 'perm');
    if (perm !== undefined) return perm.every((axis, index) => axis === index);
    return (site.shape(node.inputs[0])?.length ?? 2) < 2;
  }),
};
