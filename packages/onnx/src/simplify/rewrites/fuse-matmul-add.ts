/** A product of matrices and the bias added to it become one Gemm. Rank 2 only: Gemm has no other. */
import { isFixed } from '../../ir/type.ts';
import { eachNode, type Rewrite, type Site } from '../rewrite.ts';

/** Half precision is left alone: a Gemm of it sums in half precision, a MatMul of it need not. */
const FLOATS = ['float32', 'float64'];

export const fuseMatmulAdd: Rewrite = {
  name: 'fuse-matmul-add',
  exactness: 'rounding',
  summary: 'Makes one Gemm of a MatMul of two matrices and the Add of a bias.',
  apply: eachNode(['Add'], (node, site) => {
    for (const [index, name] of node.inputs.entries()) {
      const product = site.feeder(name, 'MatMul');
      const bias = node.inputs[1 - index] ?? '';
      if (product === undefined || bias === name || !product.inputs.every((input) => isMatrix(input, site))) continue;
      if (!isBias(bias, name, site)) continue;
      site.editor.remove(product);
      site.editor.update(node, { op: 'Gemm', inputs: [...product.inputs, bias], attributes: new Map() });
      return true;
    }
    return false;
  }),
};

function isMatrix(name: string, site: Site): boolean {
  const type = site.type(name);
  return type?.shape?.length === 2 && FLOATS.includes(type.dtype);
}

/** True when `bias` broadcasts to the product and does not make it larger. */
export function isBias(bias: string, product: string, site: Site): boolean {
  const [own, shape] = [site.shape(bias), site.shape(product)];
  if (own === undefined || shape?.length !== 2 || own.length > 2) return false;
  return own.every((dim, axis) => dim === 1 || (isFixed(dim) && dim === shape[axis + 2 - own.length]));
}
