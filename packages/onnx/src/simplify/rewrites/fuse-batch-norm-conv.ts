/** Batch normalization after a convolution goes into its weights. */
import { eachNode, type Rewrite } from '../rewrite.ts';
import { affineOf } from './batch-norm.ts';
import { absorb, convolutionBehind } from './convolution.ts';

export const fuseBatchNormIntoConv: Rewrite = {
  name: 'fuse-batch-norm-into-conv',
  exactness: 'rounding',
  summary: 'Puts a BatchNormalization into the weights of the Conv or ConvTranspose before it.',
  apply: eachNode(['BatchNormalization'], (node, site) => {
    const convolution = convolutionBehind(node.inputs[0], site);
    const affine = convolution && affineOf(node, site);
    if (convolution === undefined || affine?.scale.length !== convolution.channels) return false;
    return absorb(convolution, node, affine.scale, affine.shift, site);
  }),
};
