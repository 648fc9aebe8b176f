/** What is added to a Gemm without a bias becomes its bias. */
import { withAttributes } from '../../ir/node.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';
import { isBias } from './fuse-matmul-add.ts';

export const fuseBiasIntoGemm: Rewrite = {
  name: 'fuse-bias-into-gemm',
  exactness: 'rounding',
  summary: 'Puts the Add after a Gemm that has no bias into it.',
  apply: eachNode(['Add'], (node, site) => {
    for (const [index, name] of node.inputs.entries()) {
      const gemm = site.feeder(name, 'Gemm');
      const bias = node.inputs[1 - index] ?? '';
      if (gemm === undefined || (gemm.inputs[2] ?? '') !== '' || bias === name || !isBias(bias, name, site)) continue;
      const { attributes } = withAttributes(gemm, [], ['beta']);
      site.editor.remove(gemm);
      site.editor.update(node, { op: 'Gemm', inputs: [...gemm.inputs.slice(0, 2), bias], attributes });
      return true;
    }
    return false;
  }),
};
