/**
 * Scaled dot-product attention over several heads becomes one operator. Anchored at the Softmax; acts only where every axis
 * is accounted for by the shapes.
 */
import { getInt, getInts, isOp, type Node } from '../ir/node.ts';
import { type Dim, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, otherOperand, scalarOf } from '../simplify/pattern.ts';
import { eachNode, type Rewrite, type Site } from '../simplify/rewrite.ts';
import { emitAttention } from './emit.ts';
import { withoutBias } from './gelu.ts';
import { type Heads, splitAndTurnedHeads, splitHeads, unitedBy, withoutScale } from './heads.ts';
import { additiveMask, choosingMask, type Mask } from './mask.ts';

export interface AttentionMatch {
  readonly query: Heads;
  readonly key: Heads;
  readonly value: Heads;
  readonly scale: number;
  readonly mask?: Mask;
  /** Added to the scores, [batch or 1, heads or 1, queries, keys]. */
  readonly bias?: string;
  /** What `mask` was read from, where it is added. */
  readonly added?: string;
  /** The Reshape that gives the result. */
  readonly last: Node;
}

export const fuseAttention: Rewrite = {
  name: 'attention',
  exactness: 'rounding',
  summary:
    'Attention spelt out, with or without a mask, becomes `MultiHeadAttention`; `GroupQueryAttention` where queries share keys and values; from operator set 23 on the standard `Attention`.',
  apply: eachNode(['Softmax'], (node, site) => {
    const match = attentionAround(node, site);
    return match !== undefined && emitAttention(match, site);
  }),
};

function attentionAround(softmax: Node, site: Site): AttentionMatch | undefined {
  const [scores = ''] = softmax.inputs;
  const shape = site.shape(scores);
  const axis = getInt(softmax, 'axis', site.opset >= 13 ? -1 : 1);
  if (shape?.length !== 4 || (axis !== 3 && axis !== -1) || site.type(scores)?.dtype !== 'float32') return undefined;
  const { shares, guarded } = sharesOf(softmax, site);
  const product = site.soleReader(shares);
  if (product === undefined || !isOp(product, 'MatMul') || product.inputs[0] !== shares) return undefined;
  const value = splitHeads(site, product.inputs[1] ?? '');
  const turned = site.soleReader(product.outputs[0] ?? '');
  if (value === undefined || turned === undefined || !isOp(turned, 'Transpose')) return undefined;
  if (getInts(turned, 'perm')?.join() !== '0,2,1,3') return undefined;
  const last = unitedBy(site, turned.outputs[0] ?? '', value.heads * value.width);
  if (last === undefined || soleUser(site, scores) === undefined) return undefined;

  for (const masked of scored(site, scores)) {
    const scaled = withoutScale(site, masked.value);
    const found = queryAndKey(site, scaled.value);
    if (found === undefined || !fit(found.query, found.key, value, site)) continue;
    const base = { ...found, value, scale: scaled.scale * found.scale, last };
    if (masked.kind === 'plain') return base;
    const [batch = UNKNOWN_DIM, queries = UNKNOWN_DIM] = site.shape(found.query.value) ?? [];
    const sizes = { batch, queries, keys: site.shape(found.key.value)?.[1] ?? UNKNOWN_DIM };
    const mask =
      masked.kind === 'added'
        ? additiveMask(site, masked.mask, sizes)
        : choosingMask(site, masked.mask, masked.filter, masked.kept, sizes);
    if (mask?.kind === 'causal') return { ...base, mask };
    if (mask?.kind === 'padding' && sameBatch(site, mask.source, found.query.value)) {
      return { ...base, mask, ...(masked.kind === 'added' && { added: masked.mask }) };
    }
    // Where a row is hidden as a whole, what is guarded gives zeros, and the operators do not.
    if (masked.kind === 'added' && !guarded && isBias(site.shape(masked.mask), found.query, sizes.keys, site)) {
      return { ...base, bias: masked.mask };
    }
  }
  return undefined;
}

/** The shares of attention, and whether NaN among them is replaced by 0, as newer exporters do. */
function sharesOf(softmax: Node, site: Site): { readonly shares: string; readonly guarded: boolean } {
  const [shares = ''] = softmax.outputs;
  const readers = site.editor.consumers(shares);
  const test = readers.find((reader) => isOp(reader, 'IsNaN'));
  const choice = readers.find((reader) => isOp(reader, 'Where'));
  const [condition, zero, otherwise] = choice?.inputs ?? [];
  const isGuard =
    readers.length === 2 && condition === test?.outputs[0] && otherwise === shares && scalarOf(site, zero) === 0;
  return isGuard && !site.editor.isOutput(shares)
    ? { shares: choice?.outputs[0] ?? '', guarded: true }
    : { shares, guarded: false };
}

type Scored = { readonly value: string } & (
  | { readonly kind: 'plain' }
  | { readonly kind: 'added'; readonly mask: string }
  | { readonly kind: 'chosen'; readonly mask: string; readonly filter: number; readonly kept: boolean }
);

/** The scores before a mask was added to them, or chose among them; either operand may be either. */
function scored(site: Site, scores: string): readonly Scored[] {
  const sum = madeBy(site, scores, 'Add');
  if (sum !== undefined) return sum.inputs.map((value) => ({ kind: 'added', value, mask: otherOperand(sum, value) }));
  const [mask = '', yes = '', no = ''] = madeBy(site, scores, 'Where')?.inputs ?? [];
  const [left, right] = [scalarOf(site, yes), scalarOf(site, no)];
  if (right !== undefined) return [{ kind: 'chosen', value: yes, mask, filter: right, kept: true }];
  if (left !== undefined) return [{ kind: 'chosen', value: no, mask, filter: left, kept: false }];
  return [{ kind: 'plain', value: scores }];
}

function queryAndKey(
  site: Site,
  name: string,
): { readonly query: Heads; readonly key: Heads; readonly scale: number } | undefined {
  const product = madeBy(site, name, 'MatMul');
  if (product === undefined || soleUser(site, name) === undefined) return undefined;
  const left = withoutScale(site, product.inputs[0] ?? '');
  const right = withoutScale(site, product.inputs[1] ?? '');
  const query = splitHeads(site, left.value);
  const key = splitAndTurnedHeads(site, right.value);
  return query === undefined || key === undefined ? undefined : { query, key, scale: left.scale * right.scale };
}

/** The node that alone uses the elements of `name`: masks are often cut to the size of the scores. */
function soleUser(site: Site, name: string): Node | undefined {
  const users = site.editor.consumers(name).filter((node) => !isOp(node, 'Shape'));
  return users.length === 1 && !site.editor.isOutput(name) ? users[0] : undefined;
}

/** True when the heads are the same in number and size, and rows of a batch meet rows of the same batch. */
function fit(query: Heads, key: Heads, value: Heads, site: Site): boolean {
  if (query.heads !== key.heads || query.heads !== value.heads || query.width !== key.width) return false;
  if (query.repeats !== 1 || key.repeats !== value.repeats || value.rotary !== undefined) return false;
  const inputs = [query, key, value].map((part) => madeBy(site, withoutBias(part.value, site).value, 'MatMul'));
  const shared = new Set(inputs.map((node) => node?.inputs[0]));
  if (shared.size === 1 && !shared.has(undefined)) return true;
  const axis = (part: Heads, index: number): Dim => site.shape(part.value)?.[index] ?? UNKNOWN_DIM;
  const same = (a: Dim, b: Dim): boolean => a === b && a !== UNKNOWN_DIM;
  return (
    same(axis(query, 0), axis(key, 0)) && same(axis(query, 0), axis(value, 0)) && same(axis(key, 1), axis(value, 1))
  );
}

function sameBatch(site: Site, a: string, b: string): boolean {
  const [left, right] = [site.shape(a)?.[0], site.shape(b)?.[0]];
  return left === right && left !== undefined && left !== UNKNOWN_DIM;
}

/** The operators take a bias of the scores whose last two axes are not broadcast. */
function isBias(shape: Shape | undefined, query: Heads, keys: Dim | undefined, site: Site): boolean {
  const [batch, queries] = site.shape(query.value) ?? [];
  if (shape?.length !== 4 || queries === undefined || shape.includes(UNKNOWN_DIM)) return false;
  const [rows, heads, ...rest] = shape;
  return (
    (rows === 1 || rows === batch) && (heads === 1 || heads === query.heads) && rest[0] === queries && rest[1] === keys
  );
}
