/** Zeros around the input of a convolution become its own padding. */
import { intsAttribute } from '../../ir/attribute.ts';
import { withAttributes } from '../../ir/node.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';
import { paddedBy, paddingBehind } from './padding.ts';

export const fusePadIntoConv: Rewrite = {
  name: 'fuse-pad-into-conv',
  exactness: 'rounding',
  summary: 'Puts a Pad with zeros into the pads of the Conv after it.',
  apply: eachNode(['Conv'], (node, site) => {
    const padding = paddingBehind(node.inputs[0], site);
    const pads = padding?.value === 0 ? paddedBy(node, padding.pads) : undefined;
    if (padding === undefined || pads === undefined) return false;
    const { attributes } = withAttributes(node, [intsAttribute('pads', pads)], ['auto_pad']);
    site.editor.update(node, { inputs: [padding.source, ...node.inputs.slice(1)], attributes });
    return true;
  }),
};
