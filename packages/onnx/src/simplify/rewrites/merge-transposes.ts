/** A Transpose of a Transpose becomes one. */
import { intsAttribute } from '../../ir/attribute.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';
import { composed, permutationOf } from './permutation.ts';

export const mergeTransposes: Rewrite = {
  name: 'merge-transposes',
  exactness: 'exact',
  summary: 'Lets a Transpose of a Transpose read the original.',
  apply: eachNode(['Transpose'], (node, site) => {
    const first = site.editor.producer(node.inputs[0] ?? '');
    const [inner, outer] = [permutationOf(first, site), permutationOf(node, site)];
    if (first === undefined || inner === undefined || inner.length !== outer?.length) return false;
    site.editor.update(node, {
      inputs: first.inputs,
      attributes: new Map([['perm', intsAttribute('perm', composed(inner, outer))]]),
    });
    return true;
  }),
};
