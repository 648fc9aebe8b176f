/**
 * Evaluates a node whose inputs are constants: the operators of shape arithmetic and of weight preparation, no others.
 * What is not understood (an operator, an attribute, a type, sizes that do not fit) is not evaluated. Operators that
 * undo a compression (DequantizeLinear) are left out on purpose, and so is everything random.
 */
import type { Initializer } from '../../ir/initializer.ts';
import type { Node } from '../../ir/node.ts';
import { onlyAttributes, onlyFirstOutput } from '../rewrite.ts';
import { arithmeticOperators } from './arithmetic.ts';
import { createOperators } from './create.ts';
import { functionOperators } from './functions.ts';
import { layoutOperators } from './layout.ts';
import type { Operators } from './operator.ts';

const EXACT: Operators = { ...layoutOperators, ...arithmeticOperators, ...createOperators };
const OPERATORS: Operators = { ...EXACT, ...functionOperators };

/** Operators that are evaluated to the bit. */
export const EVALUATED: readonly string[] = Object.keys(EXACT).sort();

/** Operators that are evaluated to a unit in the last place. */
export const EVALUATED_FUNCTIONS: readonly string[] = Object.keys(functionOperators).sort();

/**
 * @param inputs the constants behind the node's inputs; undefined for an input left out
 * @param allows whether a result of so many bytes is wanted
 * @returns the constant, named as the first output; undefined when the node is not evaluated
 * @throws MODEL_INVALID when an attribute or a tensor contradicts itself
 */
export function evaluate(
  node: Node,
  inputs: readonly (Initializer | undefined)[],
  opset: number,
  allows: (bytes: number) => boolean,
): Initializer | undefined {
  const operator = node.domain === '' && Object.hasOwn(OPERATORS, node.op) ? OPERATORS[node.op] : undefined;
  const [output = ''] = node.outputs;
  if (operator === undefined || output === '' || !onlyFirstOutput(node)) return undefined;
  if (!onlyAttributes(node, ...operator.attributes)) return undefined;
  return operator.evaluate({ node, opset, inputs, output, allows });
}
