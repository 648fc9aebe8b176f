/** Elementwise operators with a constant that does nothing. */
import type { Initializer } from '../../ir/initializer.ts';
import { wordsOf } from '../evaluate/value.ts';
import { toTensor } from '../../ir/elements.ts';
import { asFeedable } from '../../ir/dtype.ts';
import { isFixed } from '../../ir/type.ts';
import type { Node } from '../../ir/node.ts';
import type { Site } from '../rewrite.ts';

/** True when the constant input does not change the shape of the other, whatever that is at run time. */
function keepsShape(constant: Initializer, other: string | undefined, site: Site): boolean {
  const shape = site.shape(other);
  if (shape === undefined || constant.dims.length > shape.length) return false;
  return constant.dims.every((dim, axis) => {
    const own = shape[axis + shape.length - constant.dims.length];
    return dim === 1 || (isFixed(own) && own === dim);
  });
}

function isFilledWith(constant: Initializer, neutral: number): boolean {
  const dtype = asFeedable(constant.dtype);
  if (dtype === undefined || dtype === 'string' || dtype === 'float16' || wordsOf(constant) === undefined) return false;
  const { data } = toTensor(constant);
  return (
    data.length > 0 &&
    Array.prototype.every.call(data, (element: number | bigint) => Object.is(Number(element), neutral))
  );
}

/**
 * The index of the operand that the node hands on, when the other is a constant full of `neutral`; undefined otherwise.
 * @param commutes whether the first operand may be the constant too
 */
export function operandHandedOn(
  node: Node,
  site: Site,
  neutral: (constant: Initializer) => number | undefined,
  commutes: boolean,
): 0 | 1 | undefined {
  if (node.inputs.length !== 2) return undefined;
  for (const index of commutes ? ([0, 1] as const) : ([0] as const)) {
    const constant = site.constant(node.inputs[1 - index]);
    const value = constant === undefined ? undefined : neutral(constant);
    if (constant === undefined || value === undefined) continue;
    if (isFilledWith(constant, value) && keepsShape(constant, node.inputs[index], site)) return index;
  }
  return undefined;
}

/** Take the node out, handing on the operand with this index. */
export function handOn(node: Node, index: 0 | 1, site: Site): boolean {
  const kept = node.inputs[index] ?? '';
  return site.editor.bypass(index === 0 ? node : site.editor.update(node, { inputs: [kept, node.inputs[0] ?? ''] }));
}
