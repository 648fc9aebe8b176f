/** Arithmetic with one constant per channel after a convolution goes into its weights or its bias. */
import { eachNode, type Rewrite } from '../rewrite.ts';
import { absorb, convolutionBehind } from './convolution.ts';
import { affineWith } from './affine-operand.ts';

export const fuseArithmeticIntoConv: Rewrite = {
  name: 'fuse-arithmetic-into-conv',
  exactness: 'rounding',
  summary: 'Puts + − × ÷ with a constant per channel into the weights or the bias of the convolution before it.',
  apply: eachNode(['Add', 'Sub', 'Mul', 'Div'], (node, site) => {
    for (const name of node.inputs) {
      const convolution = convolutionBehind(name, site);
      if (convolution === undefined) continue;
      const affine = affineWith(node, name, convolution.rank, convolution.channels, site);
      if (affine !== undefined) return absorb(convolution, node, affine.scale, affine.shift, site);
    }
    return false;
  }),
};
