/** A transposed operand of a Gemm is transposed by the Gemm. */
import { intAttribute } from '../../ir/attribute.ts';
import { getInt, withAttributes } from '../../ir/node.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';

export const fuseTransposeIntoGemm: Rewrite = {
  name: 'fuse-transpose-into-gemm',
  exactness: 'rounding',
  summary: 'Lets a Gemm transpose its operands itself.',
  apply: eachNode(['Gemm'], (node, site) => {
    for (const [index, flag] of ['transA', 'transB'].entries()) {
      const transpose = site.feeder(node.inputs[index], 'Transpose');
      // Both operands of a Gemm are matrices: any Transpose that does something swaps their axes.
      const perm = transpose?.attributes.get('perm');
      if (transpose === undefined || (perm?.kind === 'ints' && perm.value[0] === 0n)) continue;
      const { attributes } = withAttributes(node, [intAttribute(flag, getInt(node, flag, 0) === 0 ? 1 : 0)]);
      site.editor.update(node, { inputs: node.inputs.with(index, transpose.inputs[0] ?? ''), attributes });
      return true;
    }
    return false;
  }),
};
