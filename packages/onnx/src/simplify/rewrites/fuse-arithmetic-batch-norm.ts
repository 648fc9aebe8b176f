/** Arithmetic with one constant per channel after a batch normalization goes into its scale and its offset. */
import { eachNode, type Rewrite } from '../rewrite.ts';
import { isFinite64, isWide, narrowed, putConstant, vectorOf } from '../weights.ts';
import { affineWith } from './affine-operand.ts';
import { isInference } from './batch-norm.ts';

export const fuseArithmeticIntoBatchNorm: Rewrite = {
  name: 'fuse-arithmetic-into-batch-norm',
  exactness: 'rounding',
  summary: 'Puts + − × ÷ with a constant per channel into the scale and offset of the BatchNormalization before it.',
  apply: eachNode(['Add', 'Sub', 'Mul', 'Div'], (node, site) => {
    for (const name of node.inputs) {
      const norm = site.feeder(name, 'BatchNormalization');
      const rank = site.shape(name)?.length;
      const gamma = site.constant(norm?.inputs[1]);
      if (norm === undefined || rank === undefined || !isWide(gamma) || !isInference(norm)) continue;
      const channels = gamma.dims[0] ?? 0;
      const affine = affineWith(node, name, rank, channels, site);
      const offset = affine && vectorOf(site.constant(norm.inputs[2]), channels);
      if (affine === undefined || offset === undefined) continue;
      const factor = (channel: number): number => affine.scale?.[channel] ?? 1;
      const newScale = Float64Array.from(vectorOf(gamma, channels) ?? [], (value, channel) => value * factor(channel));
      const newOffset = offset.map((value, channel) => value * factor(channel) + (affine.shift[channel] ?? 0));
      if (!isFinite64(newScale) || !isFinite64(newOffset)) return false;
      const { dtype, dims } = gamma;
      const [x = '', scaleName = '', offsetName = '', ...statistics] = norm.inputs;
      const put = (replaces: string, values: Float64Array): string =>
        putConstant(site, replaces, `${replaces}_fused`, { dtype, dims, data: narrowed(dtype, values) });
      const scale = affine.scale === null ? scaleName : put(scaleName, newScale);
      const inputs = [x, scale, put(offsetName, newOffset), ...statistics];
      site.editor.remove(node);
      site.editor.update(norm, { inputs, outputs: node.outputs });
      return true;
    }
    return false;
  }),
};
