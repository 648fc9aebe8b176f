/**
 * The mask added to attention scores, traced back to the model's own mask of rank 2.
 *
 * Exporters make [batch, 1, 1, sequence] of it with casts, subtractions, products and choices between scalars: a function of
 * one element, which is tried at 1 (must give 0: the token counts) and at 0 (must give a very negative number). Masks that
 * hold numbers besides 0 and 1 are not foreseen by either form.
 */
import { getInt, type Node } from '../ir/node.ts';
import { dtypeFromCode } from '../ir/dtype.ts';
import { type Dim, UNKNOWN_DIM } from '../ir/type.ts';
import { scalarOf } from '../simplify/pattern.ts';
import type { Site } from '../simplify/rewrite.ts';

export interface PaddingMask {
  /** A value [batch, sequence] that is 1 where a token counts and 0 where it does not. */
  readonly source: string;
  /** What is added to the score of a token that does not count. */
  readonly filter: number;
}

/** Added to a score, less than this leaves no share of attention in float32. */
const LEAST_FILTER = -1000;
const LOWEST = -3.4028234663852886e38;

interface Traced {
  /** null: a constant. */
  readonly source: string | null;
  at(element: number): number;
}

/**
 * @param name what is added to the scores
 * @param keys the number of keys, the last axis of the scores
 */
export function paddingMask(site: Site, name: string, keys: Dim | undefined): PaddingMask | undefined {
  const shape = site.shape(name);
  if (shape?.length !== 4 || shape[1] !== 1 || keys === undefined || keys === UNKNOWN_DIM || shape[3] !== keys) {
    return undefined;
  }
  const traced = new Tracer(site, shape[0] ?? UNKNOWN_DIM, keys).trace(name);
  if (traced === undefined || traced.source === null) return undefined;
  const filter = traced.at(0);
  if (traced.at(1) !== 0 || !(filter <= LEAST_FILTER)) return undefined;
  return { source: traced.source, filter: Math.max(filter, LOWEST) };
}

class Tracer {
  readonly #site: Site;
  readonly #batch: Dim;
  readonly #keys: Dim;

  constructor(site: Site, batch: Dim, keys: Dim) {
    this.#site = site;
    this.#batch = batch;
    this.#keys = keys;
  }

  trace(name: string): Traced | undefined {
    const scalar = scalarOf(this.#site, name);
    if (scalar !== undefined) return { source: null, at: () => scalar };
    if (!this.#isMask(name)) return undefined;
    const node = this.#site.editor.producer(name);
    const made = node?.domain === '' ? this.#step(node) : undefined;
    return made ?? (this.#site.shape(name)?.length === 2 ? { source: name, at: (element) => element } : undefined);
  }

  /** True when all that varies is the row and the key. */
  #isMask(name: string): boolean {
    const shape = this.#site.shape(name);
    if (shape === undefined || shape.length < 2 || shape.includes(UNKNOWN_DIM)) return false;
    return shape[0] === this.#batch && shape.at(-1) === this.#keys;
  }

  #step(node: Node): Traced | undefined {
    switch (node.op) {
      case 'Unsqueeze':
      case 'Reshape':
      case 'Expand':
        return this.#moved(node);
      case 'Cast':
        return this.#cast(node);
      case 'Not':
        return this.#unary(node, (element) => (element === 0 ? 1 : 0));
      case 'Neg':
        return this.#unary(node, (element) => 0 - element);
      case 'Add':
        return this.#joined(node, ([a = 0, b = 0]) => a + b);
      case 'Sub':
        return this.#joined(node, ([a = 0, b = 0]) => a - b);
      case 'Mul':
        return this.#joined(node, ([a = 0, b = 0]) => a * b + 0);
      case 'Equal':
        return this.#joined(node, ([a, b]) => (a === b ? 1 : 0));
      case 'Where':
        return this.#joined(node, ([condition, a = 0, b = 0]) => (condition === 0 ? b : a));
      default:
        return undefined;
    }
  }

  /** Ones are put between the axes, or repeated: the element at (row, key) stays what it was. */
  #moved(node: Node): Traced | undefined {
    const [from, to] = [node.inputs[0], node.outputs[0]].map((name) => this.#site.shape(name));
    const isFlat = (shape: typeof from): boolean => shape?.slice(1, -1).every((dim) => dim === 1) === true;
    const fits = isFlat(from) && (node.op === 'Expand' ? from?.length === to?.length : isFlat(to));
    return fits ? this.trace(node.inputs[0] ?? '') : undefined;
  }

  #cast(node: Node): Traced | undefined {
    const isBool = dtypeFromCode(getInt(node, 'to', 0)) === 'bool';
    return this.#unary(node, (element) => (isBool ? Number(element !== 0) : element));
  }

  #unary(node: Node, compute: (element: number) => number): Traced | undefined {
    return this.#joined(node, ([element = 0]) => compute(element));
  }

  #joined(node: Node, compute: (elements: readonly number[]) => number): Traced | undefined {
    const parts = node.inputs.map((name) => this.trace(name));
    const sources = new Set(parts.map((part) => part?.source).filter((source) => source !== null));
    const [source] = sources;
    if (sources.size !== 1 || source === undefined) return undefined;
    return { source, at: (element) => compute(parts.map((part) => part?.at(element) ?? NaN)) };
  }
}
