/** Adding zero to floats goes. Apart from the exact rewrites because −0 + 0 is +0. */
import { eachNode, type Rewrite } from '../rewrite.ts';
import { handOn, operandHandedOn } from './neutral.ts';

export const eliminateZeroAdd: Rewrite = {
  name: 'eliminate-zero-add',
  exactness: 'rounding',
  summary: 'Removes + 0 of floats (a result of −0 may keep its sign).',
  apply: eachNode(['Add'], (node, site) => {
    const index = operandHandedOn(node, site, () => 0, true);
    return index !== undefined && handOn(node, index, site);
  }),
};
