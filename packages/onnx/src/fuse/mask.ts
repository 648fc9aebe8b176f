/**
 * What is added to attention scores, as a function of two things: whether the token of the key counts in the model's own
 * mask of rank 2, and whether the key comes after the query.
 *
 * Exporters make [batch, 1, queries, keys] of the two with casts, sums, products, comparisons and choices, all of one element at a time: the
 * function is traced back to its sources and tried at all its arguments. A padding mask must give 0 for a token that counts and
 * a very negative number for one that does not; a causal mask the same for keys before and after. Masks that
 * hold numbers besides 0 and 1 are not foreseen by either form.
 */
import { dtypeFromCode } from '../ir/dtype.ts';
import { getInt, type Node } from '../ir/node.ts';
import { type Dim, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, scalarOf } from '../simplify/pattern.ts';
import type { Site } from '../simplify/rewrite.ts';
import { filledConstant, orderOf, triangleOf } from './order.ts';

interface PaddingMask {
  /** A value [batch, sequence] that is 1 where a token counts and 0 where it does not. */
  readonly source: string;
  /** What is added to the score of a token that does not count. */
  readonly filter: number;
}

/** `causal`: a key after its query has no share, all others are as they were. */
export type Mask = { readonly kind: 'causal' } | ({ readonly kind: 'padding' } & PaddingMask);

/** Sizes of the scores; no two unknown sizes are the same. */
interface ScoreSizes {
  readonly batch: Dim;
  readonly queries: Dim;
  readonly keys: Dim;
}

/** Added to a score, less than this leaves no share of attention in float32. */
const LEAST_FILTER = -1000;
/** In the place of a score, less than this is the same as adding it: the score is lost in rounding. */
const LEAST_REPLACEMENT = -1e30;
const LOWEST = -3.4028234663852886e38;

interface Traced {
  /** null: a constant, or the order alone. */
  readonly source: string | null;
  /** True when it depends on which comes first. */
  readonly ordered: boolean;
  /** @param element of the source @param after true for a key after its query */
  readonly at: (element: number, after: boolean) => number;
}

/** What `name`, added to the scores, does; undefined where that is not one of the two. */
export function additiveMask(site: Site, name: string, sizes: ScoreSizes): Mask | undefined {
  const traced = traceScores(site, name, sizes);
  return traced && maskOf(traced, LEAST_FILTER);
}

/** The same for scores that `filter` takes the place of where `condition` is not `kept`. */
export function choosingMask(
  site: Site,
  condition: string,
  filter: number,
  kept: boolean,
  sizes: ScoreSizes,
): Mask | undefined {
  const traced = traceScores(site, condition, sizes);
  if (traced === undefined) return undefined;
  const at = (element: number, after: boolean): number => ((traced.at(element, after) !== 0) === kept ? 0 : filter);
  return maskOf({ ...traced, at }, LEAST_REPLACEMENT);
}

function traceScores(site: Site, name: string, sizes: ScoreSizes): Traced | undefined {
  const shape = site.shape(name);
  // Heads of their own have masks of their own.
  if (shape === undefined || shape.length > 4 || (shape.length === 4 && shape[1] !== 1)) return undefined;
  return sizes.keys === UNKNOWN_DIM ? undefined : new Tracer(site, sizes).trace(name);
}

function maskOf({ source, ordered, at }: Traced, leastPadding: number): Mask | undefined {
  if (source === null) {
    const hides = ordered && at(1, false) === 0 && at(1, true) <= LEAST_FILTER;
    return hides ? { kind: 'causal' } : undefined;
  }
  const filter = at(0, false);
  if (ordered || at(1, false) !== 0 || !(filter <= leastPadding)) return undefined;
  return { kind: 'padding', source, filter: Math.max(filter, LOWEST) };
}

class Tracer {
  readonly #site: Site;
  readonly #sizes: ScoreSizes;

  constructor(site: Site, sizes: ScoreSizes) {
    this.#site = site;
    this.#sizes = sizes;
  }

  trace(name: string): Traced | undefined {
    const scalar = scalarOf(this.#site, name) ?? filledConstant(this.#site, name);
    if (scalar !== undefined) return { source: null, ordered: false, at: () => scalar };
    const { queries, keys } = this.#sizes;
    const triangle = triangleOf(this.#site, name, queries, keys);
    if (triangle !== undefined) {
      return { source: null, ordered: true, at: (_, after) => (after ? triangle.after : triangle.before) };
    }
    const shape = this.#site.shape(name);
    if (shape === undefined) return undefined;
    if (!this.#isRows(shape) && !this.#fitsScores(shape)) return this.#elementwise(name);
    const node = this.#site.editor.producer(name);
    const made = node?.domain === '' ? this.#step(node, shape) : undefined;
    const isSource = shape.length === 2 && this.#isRows(shape);
    return made ?? (isSource ? { source: name, ordered: false, at: (element) => element } : undefined);
  }

  /** The size of a triangle that was cut is not known; what is computed of it and scalars alone is as large as it. */
  #elementwise(name: string): Traced | undefined {
    const node = madeBy(this.#site, name, 'Cast', 'Not', 'Neg', 'Sub', 'Mul', 'Where');
    const operands = node?.inputs.filter((input) => scalarOf(this.#site, input) === undefined);
    const rank = this.#site.shape(name)?.length;
    if (node === undefined || operands?.length !== 1 || this.#site.shape(operands[0])?.length !== rank) {
      return undefined;
    }
    return this.#step(node, []);
  }

  /** True when what varies is the row of the batch and the key, and the query at most: [batch, 1 …, 1 or queries, keys]. */
  #isRows(shape: Shape): boolean {
    const { batch, queries, keys } = this.#sizes;
    if (shape.length < 2 || shape[0] !== batch || shape.at(-1) !== keys) return false;
    return shape.slice(1, -1).every((dim, axis, { length }) => dim === 1 || (axis === length - 1 && dim === queries));
  }
  /** True for [1 …, 1 or queries, keys], in the places of the scores. */
  #fitsScores(shape: Shape): boolean {
    const { queries, keys } = this.#sizes;
    const [key = 1, query = 1, ...more] = shape.toReversed();
    return (key === keys || key === 1) && (query === queries || query === 1) && more.every((dim) => dim === 1);
  }
  #isSquare(shape: Shape): boolean {
    const { queries, keys } = this.#sizes;
    return shape.length >= 2 && queries === keys && shape.at(-1) === keys && shape.at(-2) === queries;
  }

  #step(node: Node, shape: Shape): Traced | undefined {
    switch (node.op) {
      case 'Unsqueeze':
      case 'Squeeze':
      case 'Reshape':
      case 'Expand':
        return this.#moved(node, shape);
      case 'Trilu':
        return this.#triangle(node, shape);
      case 'Less':
      case 'LessOrEqual':
      case 'Greater':
      case 'GreaterOrEqual': {
        const after = this.#isSquare(shape) ? orderOf(this.#site, node, this.#sizes.keys) : undefined;
        return after && { source: null, ordered: true, at: (_, isAfter) => Number(isAfter === after.whenAfter) };
      }
      case 'Cast':
        return this.#cast(node);
      case 'Not':
        return this.#joined(node, ([a]) => Number(a === 0));
      case 'Neg':
        return this.#joined(node, ([a = 0]) => 0 - a);
      case 'And':
        return this.#joined(node, ([a, b]) => Number(a !== 0 && b !== 0));
      case 'Or':
        return this.#joined(node, ([a, b]) => Number(a !== 0 || b !== 0));
      case 'Add':
        return this.#joined(node, ([a = 0, b = 0]) => a + b);
      case 'Sub':
        return this.#joined(node, ([a = 0, b = 0]) => a - b);
      case 'Mul':
        return this.#joined(node, ([a = 0, b = 0]) => a * b + 0);
      case 'Equal':
        return this.#joined(node, ([a, b]) => Number(a === b));
      case 'Where':
        return this.#joined(node, ([condition, a = 0, b = 0]) => (condition === 0 ? b : a));
      default:
        return undefined;
    }
  }

  /** Ones are put between the axes, or taken away, or repeated: an element stays at its row, query and key. */
  #moved(node: Node, to: Shape): Traced | undefined {
    const [name = ''] = node.inputs;
    const from = this.#site.shape(name);
    if (from === undefined) return undefined;
    const sizes = (shape: Shape): string => shape.filter((dim) => dim !== 1).join();
    const same = node.op === 'Expand' ? from.length <= to.length : sizes(from) === sizes(to);
    // A row of the batch stays one, and a query a query: where both have one size, the form says which it is.
    const alike = [from, to].map((shape) => this.#isRows(shape));
    const placed = [from, to].every((shape) => this.#fitsScores(shape));
    const ambiguous = this.#sizes.batch === this.#sizes.queries && !placed && !alike.every(Boolean);
    const scalar = from.every((dim) => dim === 1);
    return scalar || (same && !ambiguous && (placed || alike.every(Boolean) || node.op === 'Expand'))
      ? this.trace(name)
      : undefined;
  }

  /** Which side of the diagonal is kept; the other is 0. */
  #triangle(node: Node, shape: Shape): Traced | undefined {
    const upper = getInt(node, 'upper', 1) !== 0;
    const diagonal = (node.inputs[1] ?? '') === '' ? 0 : this.#site.integers(node.inputs[1])?.[0];
    if (!this.#isSquare(shape) || diagonal !== Number(upper)) return undefined;
    const inner = this.trace(node.inputs[0] ?? '');
    return (
      inner && { ...inner, ordered: true, at: (element, after) => (after === upper ? inner.at(element, after) : 0) }
    );
  }

  #cast(node: Node): Traced | undefined {
    const isBool = dtypeFromCode(getInt(node, 'to', 0)) === 'bool';
    return this.#joined(node, ([element = 0]) => (isBool ? Number(element !== 0) : element));
  }

  #joined(node: Node, compute: (elements: readonly number[]) => number): Traced | undefined {
    const parts = node.inputs.map((name) => this.trace(name));
    if (parts.some((part) => part === undefined)) return undefined;
    const known = parts.filter((part) => part !== undefined);
    const sources = new Set(known.map(({ source }) => source).filter((source) => source !== null));
    const ordered = known.some((part) => part.ordered);
    if (sources.size > 1 || (sources.size === 0 && !ordered)) return undefined;
    // Below rank 4, [batch, keys] and [queries, keys] meet in the same places.
    if (sources.size > 0 && ordered && this.#site.shape(node.outputs[0])?.length !== 4) return undefined;
    const [source = null] = sources;
    return { source, ordered, at: (element, after) => compute(known.map((part) => part.at(element, after))) };
  }
}
