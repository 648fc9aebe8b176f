/** Sequences and optionals: lists of tensors of one element type, and values that may be absent. */
import { dtypeFromCode } from '../ir/dtype.ts';
import { getInt } from '../ir/node.ts';
import { isTensorType, type SequenceType, tensorType, type ValueType } from '../ir/type.ts';
import { CannotInfer, type NodeContext, type Rule } from './context.ts';

const sequenceOf = (element: ValueType | null): SequenceType => Object.freeze({ kind: 'sequence', element });

/** The type of the elements; elements may differ in shape, so only what all have in common is kept. */
function element(c: NodeContext, index: number): ValueType | null {
  const type = c.anyType(index);
  if (type?.kind !== 'sequence') throw new CannotInfer(`input ${index} is not known to be a sequence`);
  return type.element;
}

const anyShape = (type: ValueType | null): ValueType | null =>
  isTensorType(type) ? tensorType(type.dtype, null) : null;

const construct: Rule = (c) => {
  const types = c.node.inputs.map((_, index) => c.tensor(index));
  const [first] = types;
  const same = types.every((type) => type.shape?.join() === first?.shape?.join());
  return [sequenceOf(same ? (first ?? null) : anyShape(first ?? null))];
};

const empty: Rule = (c) => {
  const dtype = dtypeFromCode(getInt(c.node, 'dtype', 1));
  return [sequenceOf(dtype === undefined ? null : tensorType(dtype, null))];
};

const optional: Rule = (c) => {
  const given = c.anyType(0);
  const attribute = c.node.attributes.get('type');
  return [Object.freeze({ kind: 'optional', element: given ?? (attribute?.kind === 'type' ? attribute.value : null) })];
};

const optionalElement: Rule = (c) => {
  const type = c.anyType(0);
  if (type === null) throw new CannotInfer('the type of input 0 is not known');
  // Since operator set 18 a plain value is also accepted.
  return [type.kind === 'optional' ? type.element : type];
};

export const sequenceRules: Readonly<Record<string, Rule>> = {
  SequenceConstruct: construct,
  SequenceEmpty: empty,
  SequenceAt: (c) => [element(c, 0)],
  SequenceInsert: (c) => [sequenceOf(anyShape(element(c, 0) ?? c.tensor(1)))],
  SequenceErase: (c) => [sequenceOf(element(c, 0))],
  SequenceLength: () => [tensorType('int64', [])],
  SplitToSequence: (c) => [sequenceOf(tensorType(c.dtype(0), null))],
  ConcatFromSequence: (c) => [anyShape(element(c, 0))],
  Optional: optional,
  OptionalGetElement: optionalElement,
  OptionalHasElement: () => [tensorType('bool', [])],
};
