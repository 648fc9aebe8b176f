/** A Cast to the type its input has already goes. */
import { dtypeFromCode } from '../../ir/dtype.ts';
import { getInt } from '../../ir/node.ts';
import { bypassing, type Rewrite } from '../rewrite.ts';

export const eliminateCast: Rewrite = {
  name: 'eliminate-cast',
  exactness: 'exact',
  summary: 'Removes a Cast to the type its input has already.',
  apply: bypassing(['Cast'], (node, site) => {
    const code = getInt(node, 'to');
    return code !== undefined && site.type(node.inputs[0])?.dtype === dtypeFromCode(code);
  }),
};
