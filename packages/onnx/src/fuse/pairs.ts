/** The pairs of rotary positions: how exporters turn the elements of a head, and how they give both of a pair the same angle. */
import { toTensor } from '../ir/elements.ts';
import type { Initializer } from '../ir/initializer.ts';
import { getInt, getInts, type Node } from '../ir/node.ts';
import { isFixed, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, scalarOperand } from '../simplify/pattern.ts';
import { onlyAttributes, type Site } from '../simplify/rewrite.ts';

/** `halves`: element i and i + width / 2; `neighbours`: 2 i and 2 i + 1. */
export type Pairing = 'halves' | 'neighbours';

/** `name` as x with the elements of each pair exchanged and the one that then comes first negated. */
export function turned(site: Site, name: string): { readonly x: string; readonly pairing: Pairing } | undefined {
  const halves = madeBy(site, name, 'Concat');
  if (halves !== undefined) {
    const found = joined(site, halves, 'halves');
    return found === undefined || !joinsLast(halves, site) ? undefined : { x: found, pairing: 'halves' };
  }
  const flat = madeBy(site, name, 'Reshape');
  const stacked = madeBy(site, flat?.inputs[0], 'Concat');
  if (stacked === undefined || !joinsLast(stacked, site)) return undefined;
  const x = joined(site, stacked, 'neighbours');
  const [from, to] = [site.shape(x), site.shape(name)];
  return x !== undefined && known(from) && from.join() === to?.join() ? { x, pairing: 'neighbours' } : undefined;
}

/** What both operands are parts of: (−second, first), each with an axis of its own for neighbours. */
function joined(site: Site, concat: Node, pairing: Pairing): string | undefined {
  if (concat.inputs.length !== 2) return undefined;
  const [left = '', right = ''] = concat.inputs.map((name) =>
    pairing === 'halves' ? name : (addedAxis(site, name) ?? ''),
  );
  const negated = madeBy(site, left, 'Neg');
  const [second, first] = [partOf(site, negated?.inputs[0]), partOf(site, right)];
  if (second === undefined || first?.x !== second.x) return undefined;
  const width = site.shape(first.x)?.at(-1);
  if (!isFixed(width) || width % 2 !== 0) return undefined;
  const isPart = (part: Part, index: number): boolean =>
    pairing === 'halves'
      ? part.step === 1 && part.start === index * (width / 2) && part.end === part.start + width / 2
      : part.step === 2 && part.start === index && part.end === width;
  return isPart(first, 0) && isPart(second, 1) ? first.x : undefined;
}

/** What `name` was before it got an axis of one element at its end. */
function addedAxis(site: Site, name: string): string | undefined {
  const node = madeBy(site, name, 'Unsqueeze', 'Reshape');
  const [from, to] = [site.shape(node?.inputs[0]), site.shape(name)];
  return known(from) && to?.join() === [...from, 1].join() ? node?.inputs[0] : undefined;
}

interface Part {
  readonly x: string;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** `name` as every so many elements of the last axis. */
function partOf(site: Site, name: string | undefined): Part | undefined {
  const node = madeBy(site, name, 'Slice', 'Split');
  const [x = ''] = node?.inputs ?? [];
  const shape = site.shape(x);
  const width = shape?.at(-1);
  if (node === undefined || shape === undefined || !isFixed(width)) return undefined;
  const isLast = (axis: number | undefined): boolean => axis === -1 || axis === shape.length - 1;
  if (node.op === 'Split') {
    const sizes = node.outputs.map((output) => site.shape(output)?.at(-1));
    const index = node.outputs.indexOf(name ?? '');
    if (!isLast(getInt(node, 'axis', 0)) || sizes.length !== 2 || sizes.some((size) => size !== width / 2)) {
      return undefined;
    }
    return { x, start: (index * width) / 2, end: ((index + 1) * width) / 2, step: 1 };
  }
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((input) => site.integers(node.inputs[input]));
  const [start, end] = [starts?.[0], ends?.[0]];
  if (starts?.length !== 1 || start === undefined || end === undefined || axes === undefined || !isLast(axes[0])) {
    return undefined;
  }
  const [step = 1] = (node.inputs[4] ?? '') === '' ? [1] : (steps ?? [NaN]);
  const within = (at: number): number => Math.min(width, at < 0 ? at + width : at);
  return { x, start: within(start), end: within(end), step };
}

/** True when the two elements of each pair are always equal along the last axis of `name`. */
export function isDoubled(site: Site, name: string, pairing: Pairing): boolean {
  const constant = site.constant(name);
  if (constant !== undefined) return hasEqualPairs(constant, pairing);
  const node = site.editor.producer(name);
  const to = site.shape(name);
  if (node?.domain !== '' || to === undefined) return false;
  const [input = ''] = node.inputs;
  const from = site.shape(input);
  const through = (): boolean => from?.at(-1) === to.at(-1) && isDoubled(site, input, pairing);
  switch (node.op) {
    case 'Cos':
    case 'Sin':
    case 'Cast':
    case 'Neg':
    case 'Identity':
      return through();
    case 'Mul':
    case 'Div': {
      const operand = scalarOperand(site, node);
      return operand !== undefined && isDoubled(site, operand.other, pairing);
    }
    case 'Unsqueeze':
    case 'Squeeze':
    case 'Expand':
      return through();
    case 'Reshape':
      return through() || (pairing === 'neighbours' && isPairwise(site, input, to));
    case 'Transpose':
      return getInts(node, 'perm')?.at(-1) === to.length - 1 && through();
    case 'Slice': {
      const axes = site.integers(node.inputs[3]);
      const isLast = (axis: number): boolean => axis === -1 || axis === to.length - 1;
      return axes !== undefined && !axes.some(isLast) && through();
    }
    case 'Gather': {
      const axis = getInt(node, 'axis', 0);
      return axis >= 0 && from !== undefined && axis < from.length - 1 && through();
    }
    case 'Concat':
      return pairing === 'halves' && joinsLast(node, site) && node.inputs.length === 2 && input === node.inputs[1];
    default:
      return false;
  }
}

/** True for [… width / 2, 2] whose last two elements are one value twice, flattened to [… width]. */
function isPairwise(site: Site, name: string, flat: Shape): boolean {
  const shape = site.shape(name);
  const width = flat.at(-1);
  if (shape === undefined || !isFixed(width) || shape.at(-1) !== 2 || shape.at(-2) !== width / 2) return false;
  const concat = madeBy(site, name, 'Concat');
  if (concat !== undefined) {
    return (
      joinsLast(concat, site) &&
      concat.inputs.length === 2 &&
      concat.inputs[0] === concat.inputs[1] &&
      site.shape(concat.inputs[0])?.at(-1) === 1
    );
  }
  const expanded = madeBy(site, name, 'Expand', 'Tile');
  return site.shape(expanded?.inputs[0])?.at(-1) === 1;
}

function hasEqualPairs(constant: Initializer, pairing: Pairing): boolean {
  const width = constant.dims.at(-1) ?? 0;
  if (constant.dtype !== 'float32' || width % 2 !== 0) return false;
  const { data } = toTensor(constant);
  const [distance, step] = pairing === 'halves' ? [width / 2, 1] : [1, 2];
  for (let row = 0; row < data.length; row += width) {
    for (let pair = 0; pair < width / 2; pair++) {
      if (data[row + pair * step] !== data[row + pair * step + distance]) return false;
    }
  }
  return true;
}

function joinsLast(concat: Node, site: Site): boolean {
  const rank = site.shape(concat.outputs[0])?.length;
  const axis = getInt(concat, 'axis', 0);
  return rank !== undefined && onlyAttributes(concat, 'axis') && (axis === -1 || axis === rank - 1);
}

const known = (shape: Shape | undefined): shape is Shape => shape?.includes(UNKNOWN_DIM) === false;
