/**
 * The heads of attention: [batch, sequence, heads · width] split into [batch, heads, sequence, width], and back. Between the
 * two, positions may have been turned in (`RotaryEmbedding`), and heads of keys and values repeated for the queries that share them.
 */
import { getInts, isOp, MS_DOMAIN, type Node } from '../ir/node.ts';
import { isFixed, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, scalarOperand } from '../simplify/pattern.ts';
import type { Site } from '../simplify/rewrite.ts';

export interface Heads {
  /** The value before it was split, of rank 3. */
  readonly value: string;
  /** As many as the product of attention sees. */
  readonly heads: number;
  readonly width: number;
  /** How often each head of `value` is repeated. */
  readonly repeats: number;
  /** The node that turns positions in, on split heads. */
  readonly rotary?: Node;
}

const SPLIT = '0,2,1,3';
const SPLIT_AND_TURNED = '0,2,3,1';
const TURNED = '0,1,3,2';

/** `name`, [batch, heads, sequence, width], as a split value. */
export function splitHeads(site: Site, name: string): Heads | undefined {
  const node = site.editor.producer(name);
  if (node?.op === 'RotaryEmbedding' && (isOp(node, node.op) || isOp(node, node.op, MS_DOMAIN))) {
    const inner = splitHeads(site, node.inputs[0] ?? '');
    return inner === undefined || inner.rotary !== undefined || inner.repeats > 1
      ? undefined
      : { ...inner, rotary: node };
  }
  return transposedHeads(site, name, SPLIT) ?? repeatedHeads(site, name);
}

/** `name`, [batch, heads, width, sequence], as a split value. */
export function splitAndTurnedHeads(site: Site, name: string): Heads | undefined {
  const direct = transposedHeads(site, name, SPLIT_AND_TURNED);
  const turned = direct === undefined ? madeBy(site, name, 'Transpose') : undefined;
  if (turned === undefined || getInts(turned, 'perm')?.join() !== TURNED) return direct;
  return splitHeads(site, turned.inputs[0] ?? '');
}

function transposedHeads(site: Site, name: string, perm: string): Heads | undefined {
  const transpose = madeBy(site, name, 'Transpose');
  if (transpose === undefined || getInts(transpose, 'perm')?.join() !== perm) return undefined;
  const reshape = madeBy(site, transpose.inputs[0], 'Reshape');
  const [value = ''] = reshape?.inputs ?? [];
  const [from, to] = [site.shape(value), site.shape(transpose.inputs[0])];
  if (reshape === undefined || from?.length !== 3 || to?.length !== 4) return undefined;
  const [, , heads, width] = to;
  if (!isFixed(heads) || !isFixed(width) || from[2] !== heads * width) return undefined;
  return keepsLeading(reshape, from, to, site) ? { value, heads, width, repeats: 1 } : undefined;
}

/** [batch, groups, sequence, width] → [batch, groups, 1, …] → [batch, groups, times, …] → [batch, groups · times, …]. */
function repeatedHeads(site: Site, name: string): Heads | undefined {
  const united = madeBy(site, name, 'Reshape');
  const expanded = madeBy(site, united?.inputs[0], 'Expand');
  const apart = madeBy(site, expanded?.inputs[0], 'Unsqueeze', 'Reshape');
  const [source = ''] = apart?.inputs ?? [];
  const shapes = [source, apart?.outputs[0], expanded?.outputs[0], name].map((each) => site.shape(each));
  const [from, single, many, to] = shapes;
  if (shapes.some((shape) => shape === undefined || shape.includes(UNKNOWN_DIM)) || from?.length !== 4) {
    return undefined;
  }
  const [batch, groups, sequence, width] = from;
  const times = many?.[2];
  if (!isFixed(groups) || !isFixed(times)) return undefined;
  const fits =
    is(single, [batch, groups, 1, sequence, width]) &&
    is(many, [batch, groups, times, sequence, width]) &&
    is(to, [batch, groups * times, sequence, width]);
  const inner = fits ? splitHeads(site, source) : undefined;
  return inner === undefined || inner.repeats > 1 ? undefined : { ...inner, heads: groups * times, repeats: times };
}

const is = (shape: Shape | undefined, expected: Shape | readonly unknown[]): boolean =>
  shape?.length === expected.length && shape.every((dim, axis) => dim === expected[axis]);

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
