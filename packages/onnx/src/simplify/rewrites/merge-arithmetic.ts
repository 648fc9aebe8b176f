/** Two sums, or two products, with constants become one. */
import { otherOperand } from '../pattern.ts';
import { eachNode, type Rewrite, type Site } from '../rewrite.ts';
import { isFinite64, isWide, narrowed, putConstant, wideOf } from '../weights.ts';

export const mergeArithmetic: Rewrite = {
  name: 'merge-arithmetic',
  exactness: 'rounding',
  summary: 'Merges + with a constant after + with a constant, and × after ×.',
  apply: eachNode(['Add', 'Mul'], (node, site) => {
    for (const name of node.inputs) {
      const before = site.feeder(name, node.op);
      const second = otherOperand(node, name);
      const first = before?.inputs.find((input) => site.constant(input) !== undefined);
      if (before === undefined || first === undefined || first === second) continue;
      const merged = combined(node.op, first, second, site);
      if (merged === undefined) continue;
      const kept = otherOperand(before, first);
      site.editor.remove(before);
      site.editor.update(node, { inputs: [kept, merged] });
      return true;
    }
    return false;
  }),
};

/** The constant that does what both do; undefined where one of them decides the shape, or numbers get lost. */
function combined(op: string, first: string, second: string, site: Site): string | undefined {
  const [a, b] = [site.constant(first), site.constant(second)];
  if (!isWide(a) || !isWide(b) || a.dtype !== b.dtype) return undefined;
  // Equal dims, or one of both a scalar: the other is as large as the result.
  const dims = b.dims.length === 0 ? a.dims : b.dims;
  if (a.dims.join() !== b.dims.join() && a.dims.length > 0 && b.dims.length > 0) return undefined;
  const [left, right] = [wideOf(a), wideOf(b)];
  const length = Math.max(left.length, right.length);
  const data = Float64Array.from({ length }, (_, index) => {
    const [x, y] = [left[left.length === 1 ? 0 : index] ?? 0, right[right.length === 1 ? 0 : index] ?? 0];
    return op === 'Add' ? x + y : x * y;
  });
  const values = narrowed(a.dtype, data);
  if (!isFinite64(values) || (op === 'Mul' && values.some((value, index) => value === 0 && data[index] !== 0))) {
    return undefined;
  }
  return putConstant(site, undefined, `${second}_${op.toLowerCase()}`, { dtype: a.dtype, dims, data: values });
}
