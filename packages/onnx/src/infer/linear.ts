/** Matrix products and einsum. */
import { getInt, getString } from '../ir/node.ts';
import { type Dim, isFixed, type Shape, tensorType } from '../ir/type.ts';
import { broadcast, CannotInfer, type Rule, unifyDim } from './context.ts';

/** numpy.matmul: vectors get a dimension for the product and lose it again; leading dimensions broadcast. */
export function matmulShape(a: Shape | null, b: Shape | null): Shape | null {
  if (a === null || b === null) return null;
  if (a.length === 0 || b.length === 0) throw new CannotInfer('a scalar cannot be multiplied as a matrix');
  const left = a.length === 1 ? [1, ...a] : a;
  const right = b.length === 1 ? [...b, 1] : b;
  const [inner = '?', other = '?'] = [left.at(-1), right.at(-2)];
  if (isFixed(inner) && isFixed(other) && inner !== other) {
    throw new CannotInfer(`inner dimensions ${inner} and ${other} of [${a.join(', ')}] × [${b.join(', ')}] differ`);
  }
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2));
  const shape: Dim[] = [...(batch ?? [])];
  if (a.length > 1) shape.push(left.at(-2) ?? '?');
  if (b.length > 1) shape.push(right.at(-1) ?? '?');
  return shape;
}

const gemm: Rule = (c) => {
  const [a, b] = [c.shape(0), c.shape(1)];
  if (a === null || b === null) return [tensorType(c.dtype(0), ['?', '?'])];
  if (a.length !== 2 || b.length !== 2) throw new CannotInfer(`needs matrices, got ranks ${a.length} and ${b.length}`);
  const rows = getInt(c.node, 'transA', 0) === 0 ? a : [...a].reverse();
  const columns = getInt(c.node, 'transB', 0) === 0 ? b : [...b].reverse();
  unifyDim(rows[1] ?? '?', columns[0] ?? '?');
  const shape = [rows[0] ?? '?', columns[1] ?? '?'];
  if (c.has(2)) {
    const bias = broadcast(c.shape(2), shape);
    if (
      bias !== null &&
      (bias.length !== 2 || bias.some((dim, axis) => isFixed(dim) && isFixed(shape[axis]) && dim !== shape[axis]))
    ) {
      throw new CannotInfer(`bias [${c.shape(2)?.join(', ') ?? ''}] does not broadcast to [${shape.join(', ')}]`);
    }
  }
  return [tensorType(c.dtype(0), shape)];
};

const einsum: Rule = (c) => {
  const equation = (getString(c.node, 'equation') ?? '').replaceAll(' ', '');
  const [left = '', right] = equation.split('->');
  const terms = left.split(',');
  if (terms.length !== c.node.inputs.length || equation.includes('.')) {
    throw new CannotInfer(`equation "${equation}" is not understood`);
  }
  const sizes = new Map<string, Dim>();
  terms.forEach((term, index) => {
    const shape = c.shape(index);
    if (shape !== null && shape.length !== term.length) throw new CannotInfer(`"${term}" does not fit input ${index}`);
    Array.from(term).forEach((letter, axis) => {
      const dim = shape?.[axis] ?? '?';
      const known = sizes.get(letter);
      sizes.set(
        letter,
        known === undefined ? dim : known === 1 || dim === 1 ? (known === 1 ? dim : known) : unifyDim(known, dim),
      );
    });
  });
  const count = (letter: string): number => left.split(letter).length - 1;
  const output =
    right ??
    [...sizes.keys()]
      .filter((letter) => count(letter) === 1)
      .sort()
      .join('');
  return [
    tensorType(
      c.dtype(0),
      Array.from(output, (letter) => sizes.get(letter) ?? '?'),
    ),
  ];
};

export const linearRules: Readonly<Record<string, Rule>> = {
  MatMul: (c) => [tensorType(c.dtype(0), matmulShape(c.shape(0), c.shape(1)))],
  MatMulInteger: (c) => [tensorType('int32', matmulShape(c.shape(0), c.shape(1)))],
  QLinearMatMul: (c) => [tensorType(c.has(7) ? c.dtype(7) : c.dtype(0), matmulShape(c.shape(0), c.shape(3)))],
  Gemm: gemm,
  Einsum: einsum,
};
