/** What rewrites that recognise a formula look for: scalars, who makes a value, and polynomials of one. */
import { countOf, floatsOf, integersOf, toTensor } from '../ir/elements.ts';
import { isOp, type Node } from '../ir/node.ts';
import type { Site } from './rewrite.ts';

/** The number behind a constant with one element and no axes to speak of; undefined for anything else. */
export function scalarOf(site: Site, name: string | undefined): number | undefined {
  const constant = site.constant(name);
  if (constant === undefined || constant.dims.length > 1 || constant.data.kind === 'strings') return undefined;
  if (countOf(constant) !== 1) return undefined;
  if (constant.dtype === 'float64') return (toTensor(constant).data as Float64Array)[0];
  if (constant.dtype === 'float32' || constant.dtype === 'float16') return floatsOf(constant)[0];
  return /^u?int(8|16|32|64)$/.test(constant.dtype) ? integersOf(constant)[0] : undefined;
}

/** The node of the standard set that makes `name`, when it is one of `ops`. */
export function madeBy(site: Site, name: string | undefined, ...ops: readonly string[]): Node | undefined {
  const node = name === undefined || name === '' ? undefined : site.editor.producer(name);
  return node !== undefined && ops.some((op) => isOp(node, op)) ? node : undefined;
}

/** The scalar operand of a binary node and the other one. */
export function scalarOperand(site: Site, node: Node): { readonly scalar: number; readonly other: string } | undefined {
  const [a = '', b = ''] = node.inputs;
  const [left, right] = [scalarOf(site, a), scalarOf(site, b)];
  if (right !== undefined) return { scalar: right, other: a };
  return left === undefined ? undefined : { scalar: left, other: b };
}

/** The operand of a binary node that is not `name`. */
export const otherOperand = (node: Node, name: string): string =>
  (node.inputs[0] === name ? node.inputs[1] : node.inputs[0]) ?? '';

/** Coefficients, ascending: `[0, 1]` is the variable itself. */
export type Polynomial = readonly number[];

const LARGEST_DEGREE = 3;
/** More nodes than any way of writing a polynomial of degree 3 has. */
const LARGEST_DEPTH = 8;

/** `name` as a polynomial of `variable`, where it is computed from it and scalars alone. */
export function polynomialOf(
  site: Site,
  name: string | undefined,
  variable: string,
  depth = LARGEST_DEPTH,
): Polynomial | undefined {
  if (name === variable) return [0, 1];
  const scalar = scalarOf(site, name);
  if (scalar !== undefined) return [scalar];
  const node = depth === 0 ? undefined : madeBy(site, name, 'Add', 'Sub', 'Mul', 'Div', 'Neg', 'Pow', 'Identity');
  if (node === undefined) return undefined;
  const a = polynomialOf(site, node.inputs[0], variable, depth - 1);
  const b = node.inputs.length < 2 ? [1] : polynomialOf(site, node.inputs[1], variable, depth - 1);
  return a === undefined || b === undefined ? undefined : combined(node.op, a, b);
}

function combined(op: string, a: Polynomial, b: Polynomial): Polynomial | undefined {
  const [constant = 0] = b;
  switch (op) {
    case 'Add':
      return sum(a, b, 1);
    case 'Sub':
      return sum(a, b, -1);
    case 'Mul':
      return times(a, b);
    case 'Neg':
      return a.map((value) => -value);
    case 'Identity':
      return a;
    case 'Div':
      return b.length === 1 && constant !== 0 ? a.map((value) => value / constant) : undefined;
    case 'Pow':
      if (b.length !== 1 || (constant !== 2 && constant !== 3)) return undefined;
      return constant === 2 ? times(a, a) : times(times(a, a), a);
    default:
      return undefined;
  }
}

const sum = (a: Polynomial, b: Polynomial, sign: number): Polynomial =>
  Array.from({ length: Math.max(a.length, b.length) }, (_, power) => (a[power] ?? 0) + sign * (b[power] ?? 0));

function times(a: Polynomial | undefined, b: Polynomial): Polynomial | undefined {
  if (a === undefined || a.length + b.length - 2 > LARGEST_DEGREE) return undefined;
  const product = new Array<number>(a.length + b.length - 1).fill(0);
  a.forEach((left, i) => b.forEach((right, j) => (product[i + j] = (product[i + j] ?? 0) + left * right)));
  return product;
}

/** Exporters write π and √2 with five digits or more; results then differ by less than float32 rounds in a few operations. */
const TOLERANCE = 2e-5;

export function isNear(value: number | undefined, expected: number): boolean {
  return value !== undefined && Math.abs(value - expected) <= TOLERANCE * Math.abs(expected);
}

export function samePolynomial(actual: Polynomial | undefined, expected: Polynomial): boolean {
  if (actual === undefined || actual.length > expected.length) return false;
  return expected.every((value, power) => isNear(actual[power] ?? 0, value));
}
