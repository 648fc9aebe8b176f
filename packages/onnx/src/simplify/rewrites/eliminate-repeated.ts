/** An operator that does nothing the second time goes, and so do two that undo each other. */
import { isOp, type Node } from '../../ir/node.ts';
import { bypassing, eachNode, onlyFirstOutput, type Rewrite, type Site } from '../rewrite.ts';

const IDEMPOTENT = ['Abs', 'Ceil', 'Floor', 'Relu', 'Round', 'Sign'];
const INVOLUTIONS = ['Neg', 'Not', 'BitwiseNot'];

const repeats = (node: Node, site: Site): boolean => {
  const before = site.editor.producer(node.inputs[0] ?? '');
  return before !== undefined && isOp(before, node.op);
};

export const eliminateRepeated: Rewrite = {
  name: 'eliminate-repeated',
  exactness: 'exact',
  summary: 'Removes the second of two equal operators where once is enough, and both where they undo each other.',
  apply(site) {
    const once = bypassing(IDEMPOTENT, repeats)(site);
    return once + undo(site);
  },
};

const undo = eachNode(INVOLUTIONS, (node, site) => {
  // An output may have to stay connected: then neither goes, as one alone would undo nothing.
  if (!repeats(node, site) || !onlyFirstOutput(node) || site.editor.isOutput(node.outputs[0] ?? '')) return false;
  const before = site.editor.producer(node.inputs[0] ?? '');
  const [origin = ''] = before?.inputs ?? [];
  return site.editor.bypass(site.editor.update(node, { inputs: [origin] }));
});
