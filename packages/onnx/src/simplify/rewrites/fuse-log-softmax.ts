/** The logarithm of a Softmax is one operator, which is also more precise. */
import { createNode } from '../../ir/node.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';

export const fuseLogSoftmax: Rewrite = {
  name: 'fuse-log-softmax',
  exactness: 'rounding',
  summary: 'Makes one LogSoftmax of a Softmax and the Log after it.',
  apply: eachNode(['Log'], (node, site) => {
    const softmax = site.feeder(node.inputs[0], 'Softmax');
    if (softmax === undefined) return false;
    const made = createNode('LogSoftmax', softmax.inputs, node.outputs, {
      name: node.name,
      attributes: [...softmax.attributes.values()],
    });
    site.editor.remove(softmax);
    site.editor.replace(node, made);
    return true;
  }),
};
