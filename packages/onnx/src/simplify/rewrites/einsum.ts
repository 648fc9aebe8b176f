/** Einstein summation over one or two values, read and sorted by what happens to each index. */
import { getString, type Node } from '../../ir/node.ts';

export interface Einsum {
  /** Indices of each operand, in order. */
  readonly operands: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** undefined for what products and sums do not express: an ellipsis, a diagonal, three operands or more. */
export function parseEinsum(node: Node): Einsum | undefined {
  const equation = getString(node, 'equation', '').replaceAll(' ', '');
  const [left = '', right, ...more] = equation.split('->');
  const operands = left.split(',').map((term) => Array.from(term));
  if (more.length > 0 || operands.length > 2 || operands.length !== node.inputs.length) return undefined;
  if (!/^[a-zA-Z]*(,[a-zA-Z]*)?$/.test(left) || (right !== undefined && !/^[a-zA-Z]*$/.test(right))) return undefined;
  const all = operands.flat();
  const once = [...new Set(all)].filter((index) => all.indexOf(index) === all.lastIndexOf(index)).sort();
  const output = right === undefined ? once : Array.from(right);
  const isPlain = [...operands, output].every((indices) => new Set(indices).size === indices.length);
  return isPlain && output.every((index) => all.includes(index)) ? { operands, output } : undefined;
}

export interface ProductIndices {
  /** In both operands and the result. */
  readonly batch: readonly string[];
  /** In both operands, summed over. */
  readonly inner: readonly string[];
  /** In the first operand and the result. */
  readonly rows: readonly string[];
  /** In the second operand and the result. */
  readonly columns: readonly string[];
}

/** The indices of a product of two operands, each kind in the order of the result, or of the first operand. */
export function productIndices([a = [], b = []]: Einsum['operands'], output: readonly string[]): ProductIndices {
  return {
    batch: output.filter((index) => a.includes(index) && b.includes(index)),
    inner: a.filter((index) => b.includes(index) && !output.includes(index)),
    rows: output.filter((index) => a.includes(index) && !b.includes(index)),
    columns: output.filter((index) => b.includes(index) && !a.includes(index)),
  };
}
