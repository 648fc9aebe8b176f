/**
 * How exporters write which of two tokens comes first: a constant triangle cut to size, or positions of keys beside those of
 * queries. What each says of a pair may depend on nothing but whether the key comes after the query.
 */
import { floatsOf, toTensor } from '../ir/elements.ts';
import { type Initializer } from '../ir/initializer.ts';
import { type Node } from '../ir/node.ts';
import { type Dim, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, scalarOperand } from '../simplify/pattern.ts';
import { isScalar, type Site } from '../simplify/rewrite.ts';

/** The one number a value is filled with, where it is made of it alone. */
export function filledConstant(site: Site, name: string): number | undefined {
  const filled = madeBy(site, name, 'ConstantOfShape');
  if (filled === undefined) {
    const single = site.constant(name);
    return single !== undefined && isScalar(single) && single.dtype === 'float32' ? floatsOf(single)[0] : undefined;
  }
  const value = filled.attributes.get('value');
  if (value === undefined) return 0;
  return value.kind === 'tensor' ? Number(toTensor(value.value).data[0]) : undefined;
}

interface Triangle {
  readonly before: number;
  readonly after: number;
}

/**
 * The two numbers of a constant whose last two axes are those of the scores, from their first row and column on. A constant
 * that is larger is cut to size by slices; one that turns out too small does not fit the scores, and the model fails as before.
 */
export function triangleOf(site: Site, name: string, queries: Dim, keys: Dim): Triangle | undefined {
  if (queries !== keys || keys === UNKNOWN_DIM) return undefined;
  const cut = new Set<number>();
  let from = name;
  for (let node = madeBy(site, from, 'Slice'); node !== undefined; node = madeBy(site, from, 'Slice')) {
    if (!startsAtFirst(site, node)) return undefined;
    const rank = site.shape(node.inputs[0])?.length ?? 0;
    const axes = site.integers(node.inputs[3])?.map((axis) => (axis < 0 ? axis : axis - rank));
    const ends = site.known(node.inputs[2])?.elements;
    if (axes?.length !== ends?.length || ends?.some((end) => end !== keys) !== false) return undefined;
    for (const axis of axes ?? []) cut.add(axis);
    [from = ''] = node.inputs;
  }
  const constant = site.constant(from);
  const fits = [-1, -2].every((axis) => cut.has(axis) || constant?.dims.at(axis) === keys);
  return constant !== undefined && fits && [...cut].every((axis) => axis >= -2) ? twoSided(constant) : undefined;
}

function startsAtFirst(site: Site, slice: Node): boolean {
  const steps = (slice.inputs[4] ?? '') === '' ? [1] : site.integers(slice.inputs[4]);
  if (steps?.every((step) => step === 1) !== true) return false;
  const starts = slice.inputs[1] ?? '';
  return site.integers(starts)?.every((start) => start === 0) ?? isDifferenceOfSame(site, starts);
}

/** GPT-2 starts at the number of keys less that of queries. */
function isDifferenceOfSame(site: Site, name: string): boolean {
  const inner = madeBy(site, name, 'Unsqueeze', 'Reshape')?.inputs[0] ?? name;
  const difference = madeBy(site, inner, 'Sub');
  const [a, b] = (difference?.inputs ?? []).map((each) => site.known(each)?.elements);
  return a !== undefined && a.length === 1 && a[0] === b?.[0] && a[0] !== UNKNOWN_DIM;
}

function twoSided(constant: Initializer): Triangle | undefined {
  const [columns = 0, rows = 0, ...outer] = constant.dims.toReversed();
  if (outer.some((dim) => dim !== 1) || rows < 2 || columns < 2 || constant.data.kind === 'strings') return undefined;
  const { data } = toTensor(constant);
  const [before, after] = [data[0], data[1]];
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, i++) {
      if (data[i] !== (column > row ? after : before)) return undefined;
    }
  }
  return { before: Number(before), after: Number(after) };
}

/** What a comparison of positions says: true for keys after their query, or for all others. */
export function orderOf(site: Site, node: Node, keys: Dim): { readonly whenAfter: boolean } | undefined {
  const [a, b] = node.inputs.map((name) => positionOf(site, name, keys));
  if (a === undefined || b === undefined || a.axis === b.axis) return undefined;
  const swapped = node.op === 'Greater' || node.op === 'LessOrEqual';
  const negated = node.op === 'LessOrEqual' || node.op === 'GreaterOrEqual';
  // Now it is left < right, or not.
  const [left, right] = swapped ? [b, a] : [a, b];
  const bound = right.offset - left.offset;
  // key − query < 1, or query − key < 0 which is key − query ≥ 1.
  if (left.axis === 'key') return bound === 1 ? { whenAfter: negated } : undefined;
  return bound === 0 ? { whenAfter: !negated } : undefined;
}

interface Position {
  readonly axis: 'query' | 'key';
  readonly offset: number;
}

/** `name` as the positions 0, 1, 2 … along the last axis (keys) or the one before (queries), plus a constant. */
function positionOf(site: Site, name: string, keys: Dim): Position | undefined {
  const shape = site.shape(name);
  if (shape === undefined || shape.length === 0) return undefined;
  const [last, previous, ...outer] = shape.toReversed();
  if (outer.some((dim) => dim !== 1)) return undefined;
  const isKey = last === keys && (previous ?? 1) === 1;
  if (!isKey && !(last === 1 && previous === keys)) return undefined;
  const offset = countedFrom(site, name);
  return offset === undefined ? undefined : { axis: isKey ? 'key' : 'query', offset };
}

function countedFrom(site: Site, name: string): number | undefined {
  const counted = site.integers(name);
  if (counted !== undefined && counted.length > 0) {
    const [first = 0] = counted;
    return counted.every((value, index) => value === first + index) ? first : undefined;
  }
  const node = madeBy(site, name, 'Unsqueeze', 'Reshape', 'Squeeze', 'Cast', 'Range', 'Add', 'Sub');
  if (node === undefined) return undefined;
  if (node.op === 'Range') {
    const [start, step] = [site.integers(node.inputs[0])?.[0], site.integers(node.inputs[2])?.[0]];
    return step === 1 ? start : undefined;
  }
  if (node.op !== 'Add' && node.op !== 'Sub') return countedFrom(site, node.inputs[0] ?? '');
  const operand = scalarOperand(site, node);
  const inner = operand && countedFrom(site, operand.other);
  if (inner === undefined || (node.op === 'Sub' && operand?.other !== node.inputs[0])) return undefined;
  return inner + (node.op === 'Add' ? 1 : -1) * (operand?.scalar ?? NaN);
}
