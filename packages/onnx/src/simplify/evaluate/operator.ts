/** What an evaluated operator sees and gives: constants in, constants out, or undefined for "not understood". */
import type { Initializer } from '../../ir/initializer.ts';
import type { Node } from '../../ir/node.ts';
import { integersOf } from '../../ir/elements.ts';
import { getInts } from '../../ir/node.ts';

export interface Call {
  readonly node: Node;
  readonly opset: number;
  /** undefined: an optional input left out. */
  readonly inputs: readonly (Initializer | undefined)[];
  /** Name of the first output. */
  readonly output: string;
  /** The most bytes that one result may have. Asked before memory is taken. */
  readonly allows: (bytes: number) => boolean;
}

export interface Operator {
  /** Attributes it reads. A node with any other is not evaluated. */
  readonly attributes: readonly string[];
  readonly evaluate: (call: Call) => Initializer | undefined;
}

export type Operators = Readonly<Record<string, Operator>>;

export const operator = (attributes: string, evaluate: Operator['evaluate']): Operator => ({
  attributes: attributes === '' ? [] : attributes.split(' '),
  evaluate,
});

/** Integers that older operator sets give as an attribute and newer ones as an input; null when not given. */
export function integersFrom(call: Call, attribute: string, index: number): readonly number[] | null {
  const given = call.inputs[index];
  if (given !== undefined) return integersOf(given);
  return getInts(call.node, attribute) ?? null;
}
