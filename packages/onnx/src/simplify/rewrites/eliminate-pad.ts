/** A Pad by nothing goes. */
import { getInts } from '../../ir/node.ts';
import { bypassing, type Rewrite } from '../rewrite.ts';

export const eliminatePad: Rewrite = {
  name: 'eliminate-pad',
  exactness: 'exact',
  summary: 'Removes a Pad by zero elements.',
  apply: bypassing(['Pad'], (node, site) => {
    const pads = getInts(node, 'pads') ?? site.integers(node.inputs[1]);
    return pads?.every((pad) => pad === 0) ?? false;
  }),
};
