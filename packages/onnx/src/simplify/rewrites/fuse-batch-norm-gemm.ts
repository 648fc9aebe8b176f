/** Batch normalization after a Gemm goes into its weights. */
import { floatAttribute } from '../../ir/attribute.ts';
import { getFloat, getInt, withAttributes } from '../../ir/node.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';
import { isFinite64, isWide, narrowed, perChannel, putConstant, scaledBy, wideOf, wouldDuplicate } from '../weights.ts';
import { affineOf } from './batch-norm.ts';

export const fuseBatchNormIntoGemm: Rewrite = {
  name: 'fuse-batch-norm-into-gemm',
  exactness: 'rounding',
  summary: 'Puts a BatchNormalization into the weights of the Gemm before it.',
  apply: eachNode(['BatchNormalization'], (node, site) => {
    const gemm = site.feeder(node.inputs[0], 'Gemm');
    const affine = gemm && affineOf(node, site);
    const [x = '', weightName = '', biasName = ''] = gemm?.inputs ?? [];
    const weight = site.constant(weightName);
    if (gemm === undefined || affine === undefined || !isWide(weight)) return false;
    if (weight.dims.length !== 2 || weight.dims.includes(0)) return false;
    const turned = getInt(gemm, 'transB', 0) !== 0;
    const [rows = 0, columns = 0] = weight.dims;
    const channels = turned ? rows : columns;
    const constant = site.constant(biasName);
    const bias = biasName === '' ? new Float64Array(channels) : constant && perChannel(constant, 2, 1, channels);
    if (bias === undefined || affine.scale.length !== channels || wouldDuplicate(site, weightName, weight)) {
      return false;
    }
    const { dtype, dims } = weight;
    if (constant !== undefined && constant.dtype !== dtype) return false;
    const beta = getFloat(gemm, 'beta', 1);
    const data = scaledBy(wideOf(weight), turned ? columns : 1, (block) => affine.scale[block % channels] ?? 1);
    const fused = bias.map(
      (value, channel) => beta * value * (affine.scale[channel] ?? 1) + (affine.shift[channel] ?? 0),
    );
    if (data === undefined || !isFinite64(fused)) return false;
    const added = { dtype, dims: [channels], data: narrowed(dtype, fused) };
    const inputs = [
      x,
      putConstant(site, weightName, `${weightName}_fused`, { dtype, dims, data }),
      putConstant(
        site,
        biasName === '' ? undefined : biasName,
        `${biasName === '' ? weightName : biasName}_bias`,
        added,
      ),
    ];
    const { attributes } = withAttributes(gemm, beta === 1 ? [] : [floatAttribute('beta', 1)]);
    site.editor.remove(node);
    site.editor.update(gemm, { inputs, outputs: node.outputs.slice(0, 1), attributes });
    return true;
  }),
};
