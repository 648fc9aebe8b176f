/**
 * Scaled dot-product attention over several heads becomes one operator. Anchored at the Softmax; acts only where every axis
 * is accounted for by the shapes.
 */
import { type Attribute, floatAttribute, intAttribute } from '../ir/attribute.ts';
import { createNode, getInt, getInts, isOp, MS_DOMAIN, type Node } from '../ir/node.ts';
import { type Dim, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, otherOperand } from '../simplify/pattern.ts';
import { eachNode, type Rewrite, type Site } from '../simplify/rewrite.ts';
import { withoutBias } from './gelu.ts';
import { type Heads, splitHeads, unitedBy, withoutScale } from './heads.ts';
import { paddingMask, type PaddingMask } from './mask.ts';

const SPLIT = [0, 2, 1, 3];
const SPLIT_AND_TURNED = [0, 2, 3, 1];

interface AttentionMatch {
  readonly query: Heads;
  readonly key: Heads;
  readonly value: Heads;
  readonly scale: number;
  readonly padding?: PaddingMask;
  /** Added to the scores, [batch or 1, heads or 1, queries, keys]. */
  readonly bias?: string;
  /** The Reshape that gives the result. */
  readonly last: Node;
}

export const fuseAttention: Rewrite = {
  name: 'attention',
  exactness: 'rounding',
  summary: 'Attention spelt out, with or without a mask, becomes `MultiHeadAttention`.',
  apply: eachNode(['Softmax'], (node, site) => {
    const match = attentionAround(node, site);
    if (match === undefined) return false;
    const { query, key, value, scale, padding, last } = match;
    const attributes: Attribute[] = [intAttribute('num_heads', query.heads), floatAttribute('scale', scale)];
    if (padding !== undefined) attributes.push(floatAttribute('mask_filter_value', padding.filter));
    const mask = padding === undefined ? '' : asInt32(padding.source, last, site);
    const inputs = [query.value, key.value, value.value, '', mask, match.bias ?? ''];
    while (inputs.at(-1) === '') inputs.pop();
    const options = { name: last.name, domain: MS_DOMAIN, attributes };
    site.editor.replace(last, createNode('MultiHeadAttention', inputs, last.outputs, options));
    return true;
  }),
};

function attentionAround(softmax: Node, site: Site): AttentionMatch | undefined {
  const [scores = ''] = softmax.inputs;
  const [shares = ''] = softmax.outputs;
  const shape = site.shape(scores);
  const axis = getInt(softmax, 'axis', site.opset >= 13 ? -1 : 1);
  if (shape?.length !== 4 || (axis !== 3 && axis !== -1) || site.type(scores)?.dtype !== 'float32') return undefined;
  const product = site.soleReader(shares);
  if (product === undefined || !isOp(product, 'MatMul') || product.inputs[0] !== shares) return undefined;
  const value = splitHeads(site, product.inputs[1] ?? '', SPLIT);
  const turned = site.soleReader(product.outputs[0] ?? '');
  if (value === undefined || turned === undefined || !isOp(turned, 'Transpose')) return undefined;
  if (getInts(turned, 'perm')?.join() !== SPLIT.join()) return undefined;
  const last = unitedBy(site, turned.outputs[0] ?? '', value.heads * value.width);
  if (last === undefined || site.soleReader(scores) === undefined) return undefined;

  const masked = scored(site, scores);
  for (const { value: name, mask } of masked) {
    const scaled = withoutScale(site, name);
    const found = queryAndKey(site, scaled.value);
    if (found === undefined || !fit(found.query, found.key, value, site)) continue;
    const base = { ...found, value, scale: scaled.scale * found.scale, last };
    if (mask === undefined) return base;
    const keys = site.shape(found.key.value)?.[1];
    const padding = paddingMask(site, mask, keys);
    if (padding !== undefined && sameBatch(site, padding.source, found.query.value)) return { ...base, padding };
    if (isBias(site.shape(mask), found.query, keys, site)) return { ...base, bias: mask };
  }
  return undefined;
}

/** The scores before a mask was added to them, and the mask; either operand may be either. */
function scored(site: Site, scores: string): readonly { readonly value: string; readonly mask?: string }[] {
  const sum = madeBy(site, scores, 'Add');
  if (sum === undefined) return [{ value: scores }];
  return sum.inputs.map((value) => ({ value, mask: otherOperand(sum, value) }));
}

function queryAndKey(
  site: Site,
  name: string,
): { readonly query: Heads; readonly key: Heads; readonly scale: number } | undefined {
  const product = madeBy(site, name, 'MatMul');
  if (product === undefined || site.soleReader(name) === undefined) return undefined;
  const left = withoutScale(site, product.inputs[0] ?? '');
  const right = withoutScale(site, product.inputs[1] ?? '');
  const query = splitHeads(site, left.value, SPLIT);
  const key = splitHeads(site, right.value, SPLIT_AND_TURNED);
  return query === undefined || key === undefined ? undefined : { query, key, scale: left.scale * right.scale };
}

/** True when the heads are the same in number and size, and rows of a batch meet rows of the same batch. */
function fit(query: Heads, key: Heads, value: Heads, site: Site): boolean {
  if (query.heads !== key.heads || query.heads !== value.heads || query.width !== key.width) return false;
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

/** The mask in the type the operators take. One Cast per use: equal ones are united afterwards. */
function asInt32(source: string, before: Node, site: Site): string {
  if (site.type(source)?.dtype === 'int32') return source;
  const name = site.editor.uniqueName(`${source}_int32`);
  site.editor.insertBefore(
    before,
    createNode('Cast', [source], [name], {
      name: site.editor.uniqueNodeName(name),
      attributes: [intAttribute('to', 6)],
    }),
  );
  return name;
}
