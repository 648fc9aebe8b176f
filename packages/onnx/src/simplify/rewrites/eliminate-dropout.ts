/** Dropout does nothing at inference, which is when its mask is not asked for and training is not switched on. */
import { eachNode, type Rewrite } from '../rewrite.ts';

export const eliminateDropout: Rewrite = {
  name: 'eliminate-dropout',
  exactness: 'exact',
  summary: 'Removes Dropout in inference mode whose mask is not used.',
  apply: eachNode(['Dropout'], (node, site) => {
    const { editor } = site;
    const [output = '', mask = ''] = node.outputs;
    const training = node.inputs[2] ?? '';
    const off = training === '' || site.integers(training)?.[0] === 0;
    if (!off || output === '') return false;
    if (mask !== '' && (editor.consumers(mask).length > 0 || editor.isOutput(mask))) return false;
    return editor.bypass(node);
  }),
};
