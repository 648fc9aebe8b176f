/** The heads of attention: [batch, sequence, heads · width] split into [batch, heads, sequence, width], and back. */
import { getInts, type Node } from '../ir/node.ts';
import { isFixed, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, scalarOperand } from '../simplify/pattern.ts';
import type { Site } from '../simplify/rewrite.ts';

export interface Heads {
  /** The value before it was split, of rank 3. */
  readonly value: string;
  readonly heads: number;
  readonly width: number;
}

/** `name` as a split value whose axes were then put in the order `perm`. */
export function splitHeads(site: Site, name: string, perm: readonly number[]): Heads | undefined {
  const transpose = madeBy(site, name, 'Transpose');
  if (transpose === undefined || getInts(transpose, 'perm')?.join() !== perm.join()) return undefined;
  const reshape = madeBy(site, transpose.inputs[0], 'Reshape');
  const [value = ''] = reshape?.inputs ?? [];
  const [from, to] = [site.shape(value), site.shape(transpose.inputs[0])];
  if (reshape === undefined || from?.length !== 3 || to?.length !== 4) return undefined;
  const [, , heads, width] = to;
  if (!isFixed(heads) || !isFixed(width) || from[2] !== heads * width) return undefined;
  return keepsLeading(reshape, from, to, site) ? { value, heads, width } : undefined;
}

/** The Reshape that unites the heads of `name`, [batch, sequence, heads, width], again. */
export function unitedBy(site: Site, name: string, width: number): Node | undefined {
  const reshape = site.soleReader(name);
  if (reshape?.op !== 'Reshape' || reshape.domain !== '' || reshape.inputs[0] !== name) return undefined;
  const [from, to] = [site.shape(name), site.shape(reshape.outputs[0])];
  if (from?.length !== 4 || to?.length !== 3 || to[2] !== width) return undefined;
  return keepsLeading(reshape, from, to, site) ? reshape : undefined;
}

/** True when the first two axes stay: as the other axes hold as many elements, one of the two says so for both. */
function keepsLeading(reshape: Node, from: Shape, to: Shape, site: Site): boolean {
  const target = site.integers(reshape.inputs[1]);
  return [0, 1].some((axis) => target?.[axis] === 0 || (from[axis] === to[axis] && from[axis] !== UNKNOWN_DIM));
}

/** `name` without the scalars it is multiplied with or divided by, and their product. */
export function withoutScale(site: Site, name: string): { readonly value: string; readonly scale: number } {
  let [value, scale] = [name, 1];
  for (;;) {
    const node = madeBy(site, value, 'Mul', 'Div');
    const operand = node && scalarOperand(site, node);
    if (operand === undefined || (node?.op === 'Div' && node.inputs[0] !== operand.other)) return { value, scale };
    scale = node?.op === 'Mul' ? scale * operand.scalar : scale / operand.scalar;
    value = operand.other;
  }
}
