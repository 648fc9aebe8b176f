/** The order of axes that a Transpose gives: axis `i` of its output is axis `perm[i]` of its input. */
import { getInts, isOp, type Node } from '../../ir/node.ts';
import type { Site } from '../rewrite.ts';

export type Permutation = readonly number[];

/** undefined when the node is not a valid Transpose, or its order depends on a rank that is not known. */
export function permutationOf(node: Node | undefined, site: Site): Permutation | undefined {
  if (node === undefined || !isOp(node, 'Transpose')) return undefined;
  const rank = site.shape(node.inputs[0])?.length;
  const perm =
    getInts(node, 'perm') ??
    (rank === undefined ? undefined : Array.from({ length: rank }, (_, axis) => rank - 1 - axis));
  if (perm === undefined || new Set(perm).size !== perm.length) return undefined;
  return perm.every((axis) => axis >= 0 && axis < perm.length) ? perm : undefined;
}

/** First `first`, then `second`. */
export const composed = (first: Permutation, second: Permutation): number[] => second.map((axis) => first[axis] ?? 0);

export const inverse = (perm: Permutation): number[] => perm.map((_, axis) => perm.indexOf(axis));

export const samePermutation = (a: Permutation, b: Permutation): boolean =>
  a.length === b.length && a.every((axis, index) => axis === b[index]);
