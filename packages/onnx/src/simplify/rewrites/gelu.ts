/**
 * GELU as exporters write it: x · (½ + ½·erf(x/√2)), or with tanh(√(2/π)·(x + 0.044715·x³)) in the place of the erf.
 * The factors may come in any order and the polynomial in any form.
 */
import type { Node } from '../../ir/node.ts';
import { isNear, madeBy, otherOperand, polynomialOf, samePolynomial, scalarOf, scalarOperand } from '../pattern.ts';
import type { Site } from '../rewrite.ts';

export interface GeluMatch {
  readonly x: string;
  readonly approximate: 'none' | 'tanh';
  /** The node that computes the result. */
  readonly last: Node;
}

const SLOPE = Math.sqrt(2 / Math.PI);
const ARGUMENTS = {
  Erf: { approximate: 'none', polynomial: [0, Math.SQRT1_2] },
  Tanh: { approximate: 'tanh', polynomial: [0, SLOPE, 0, SLOPE * 0.044715] },
} as const;

/** From the bell to the product there are an addition and up to three products. */
const LONGEST = 4;

/** @param node an Erf or a Tanh */
export function matchGelu(node: Node, site: Site): GeluMatch | undefined {
  const shape = node.op === 'Erf' || node.op === 'Tanh' ? ARGUMENTS[node.op] : undefined;
  if (shape === undefined || site.type(node.inputs[0])?.dtype !== 'float32') return undefined;
  // What is known on the way: (offset + slope · bell) · x, the latter once it was met.
  let [offset, slope] = [0, 1];
  let x: string | undefined;
  let value = node.outputs[0] ?? '';
  for (let step = 0; step < LONGEST; step++) {
    const reader = site.soleReader(value);
    if (reader?.domain !== '' || (reader.op !== 'Add' && reader.op !== 'Mul')) return undefined;
    const other = otherOperand(reader, value);
    const scalar = scalarOf(site, other);
    if (reader.op === 'Add') {
      if (scalar === undefined || x !== undefined) return undefined;
      offset += scalar;
    } else if (scalar !== undefined) {
      [offset, slope] = [offset * scalar, slope * scalar];
    } else {
      const factor = x === undefined ? variableBehind(other, node.inputs[0], shape.polynomial, site) : undefined;
      if (factor === undefined) return undefined;
      x = factor.x;
      [offset, slope] = [offset * factor.scale, slope * factor.scale];
    }
    value = reader.outputs[0] ?? '';
    if (x !== undefined && isNear(offset, 0.5) && isNear(slope, 0.5)) {
      return (site.shape(x)?.length ?? 0) > 0 ? { x, approximate: shape.approximate, last: reader } : undefined;
    }
  }
  return undefined;
}

/** The variable that `argument` is the polynomial of, when `name` is it or it times a scalar. */
function variableBehind(
  name: string,
  argument: string | undefined,
  polynomial: readonly number[],
  site: Site,
): { readonly x: string; readonly scale: number } | undefined {
  if (samePolynomial(polynomialOf(site, argument, name), polynomial)) return { x: name, scale: 1 };
  const scaled = madeBy(site, name, 'Mul', 'Div');
  const operand = scaled && scalarOperand(site, scaled);
  if (operand === undefined || !samePolynomial(polynomialOf(site, argument, operand.other), polynomial)) {
    return undefined;
  }
  if (scaled?.op === 'Mul') return { x: operand.other, scale: operand.scalar };
  return scaled?.inputs[0] === operand.other ? { x: operand.other, scale: 1 / operand.scalar } : undefined;
}
