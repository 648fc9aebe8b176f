/**
 * Shape arithmetic: the operators exporters use to compute shapes at run time (Shape, Gather, Concat, …), evaluated on
 * small integer tensors whose elements may be symbols. This is how `Reshape(x, Concat(Shape(x)[0], -1))` keeps `batch`.
 *
 * A number is what the engine computes, or it is not given: values end where floats begin (the rules are those of integers),
 * and an element that its type cannot hold is unknown. 64-bit integers beyond 2^53 were saturated on reading: they may be
 * moved, because a Slice reads them as "to the end", but nothing is computed from them.
 */
import { constantValue } from '../graph/eliminate.ts';
import { countOf, integersOf } from '../ir/elements.ts';
import type { OnnxDType } from '../ir/dtype.ts';
import type { Initializer } from '../ir/initializer.ts';
import { getInt, type Node } from '../ir/node.ts';
import { type Dim, isFixed, UNKNOWN_DIM } from '../ir/type.ts';
import { type KnownValue, MAX_KNOWN_ELEMENTS, type NodeContext, normalAxis } from './context.ts';
import { sliceRange, sliceSpecs } from './indexing.ts';

/** What an element can be. Beyond ±(2^53 − 1) numbers are not exact, whatever the type. */
const RANGES: Readonly<Partial<Record<OnnxDType, readonly [number, number]>>> = {
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int8: [-128, 127],
  uint8: [0, 255],
  uint16: [0, 2 ** 16 - 1],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  bool: [0, 1],
};

/** The value of a constant, when it is a small integer tensor in memory. */
export function knownConstant(constant: Initializer): KnownValue | undefined {
  const { dims, dtype, data } = constant;
  if (dims.length > 1 || RANGES[dtype] === undefined || data.kind === 'external') return undefined;
  if (countOf(constant) > MAX_KNOWN_ELEMENTS) return undefined;
  return { rank: dims.length === 0 ? 0 : 1, elements: integersOf(constant) };
}

type ValueRule = (context: NodeContext) => KnownValue | undefined;

const list = (elements: readonly Dim[]): KnownValue => ({ rank: 1, elements });

const passThrough: ValueRule = (c) => c.value(0);

/** True for what stands for a 64-bit integer that may be any beyond it. */
export const isSaturated = (element: Dim): boolean => isFixed(element) && Math.abs(element) >= Number.MAX_SAFE_INTEGER;

/** An operand to compute with. */
const exact = (element: Dim | undefined): Dim =>
  element === undefined || isSaturated(element) ? UNKNOWN_DIM : element;

function arithmetic(compute: (a: number, b: number) => number, symbolic: (a: Dim, b: Dim) => Dim): ValueRule {
  return (c) => {
    const [a, b] = [c.value(0), c.value(1)];
    if (a === undefined || b === undefined) return undefined;
    const length = Math.max(a.elements.length, b.elements.length);
    const at = ({ elements }: KnownValue, index: number): Dim => exact(elements[elements.length === 1 ? 0 : index]);
    const elements = Array.from({ length }, (_, index): Dim => {
      const [left, right] = [at(a, index), at(b, index)];
      return isFixed(left) && isFixed(right) ? compute(left, right) : symbolic(left, right);
    });
    return { rank: a.rank === 0 && b.rank === 0 ? 0 : 1, elements };
  };
}

const unknown = (): Dim => UNKNOWN_DIM;

const gather: ValueRule = (c) => {
  const [data, indices] = [c.value(0), c.value(1)];
  if (data?.rank !== 1 || indices === undefined || getInt(c.node, 'axis', 0) !== 0) return undefined;
  const elements = indices.elements.map((index) =>
    isFixed(index) ? (data.elements[index < 0 ? index + data.elements.length : index] ?? UNKNOWN_DIM) : UNKNOWN_DIM,
  );
  return { rank: indices.rank, elements };
};

const concat: ValueRule = (c) => {
  const parts = c.node.inputs.map((_, index) => c.value(index));
  // A part whose length alone is known still keeps the others in their places.
  const elements = parts.map((part, index): readonly Dim[] | undefined => {
    if (part !== undefined) return part.elements;
    const length = c.shape(index)?.[0];
    return isFixed(length) && length <= MAX_KNOWN_ELEMENTS ? new Array<Dim>(length).fill(UNKNOWN_DIM) : undefined;
  });
  return elements.every((part) => part !== undefined) ? list(elements.flat()) : undefined;
};

const slice: ValueRule = (c) => {
  const data = c.value(0);
  const [spec, ...more] = data?.rank === 1 ? (sliceSpecs(c, 1) ?? []) : [];
  if (data === undefined || spec === undefined || more.length > 0) return undefined;
  const { first, count } = sliceRange(data.elements.length, spec);
  return list(Array.from({ length: count }, (_, index) => data.elements[first + index * spec.step] ?? UNKNOWN_DIM));
};

const shapeOf: ValueRule = (c) => {
  const shape = c.shape(0);
  if (shape === null) return undefined;
  return list(shape.slice(getInt(c.node, 'start', 0), getInt(c.node, 'end', shape.length)));
};

const unsqueeze: ValueRule = (c) => {
  const value = c.value(0);
  return value?.rank === 0 ? list(value.elements) : undefined;
};

const squeeze: ValueRule = (c) => {
  const value = c.value(0);
  return value?.elements.length === 1 ? { rank: 0, elements: value.elements } : undefined;
};

const reshape: ValueRule = (c) => {
  const [value, target] = [c.value(0), c.value(1)];
  if (value === undefined || target === undefined || target.elements.length > 1) return undefined;
  return { rank: target.elements.length === 0 ? 0 : 1, elements: value.elements };
};

const product: ValueRule = (c) => {
  const value = c.value(0);
  if (value === undefined) return undefined;
  const axes = c.integersFrom('axes', 1);
  if (axes === undefined || axes?.some((axis) => normalAxis(axis, 1) !== 0) === true) return undefined;
  const factors = value.elements.map(exact);
  const fixed = factors.every(isFixed) ? factors.reduce((a, b) => a * b, 1) : UNKNOWN_DIM;
  return { rank: getInt(c.node, 'keepdims', 1) === 1 ? 1 : 0, elements: [fixed] };
};

const range: ValueRule = (c) => {
  const [start, limit, delta] = [0, 1, 2].map((index) => exact(c.value(index)?.elements[0]));
  if (!isFixed(start) || !isFixed(limit) || !isFixed(delta) || delta === 0) return undefined;
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  return count > MAX_KNOWN_ELEMENTS
    ? undefined
    : list(Array.from({ length: count }, (_, index) => start + index * delta));
};

const constantOfShape: ValueRule = (c) => {
  const [length, ...more] = c.integers(0) ?? [];
  const attribute = c.node.attributes.get('value');
  if (length === undefined || more.length > 0 || length > MAX_KNOWN_ELEMENTS || attribute?.kind !== 'tensor') {
    return undefined;
  }
  const [element] = knownConstant(attribute.value)?.elements ?? [];
  return element === undefined ? undefined : list(new Array<Dim>(length).fill(element));
};

const constant: ValueRule = (c) => {
  const value = constantValue(c.node);
  return value === undefined ? undefined : knownConstant(value);
};

const size: ValueRule = (c) => {
  const shape = c.shape(0);
  return { rank: 0, elements: [shape?.every(isFixed) === true ? shape.reduce((a, b) => a * b, 1) : UNKNOWN_DIM] };
};

const where: ValueRule = (c) => {
  const [condition, a, b] = [c.value(0), c.value(1), c.value(2)];
  if (condition === undefined || a === undefined || b === undefined) return undefined;
  const length = Math.max(condition.elements.length, a.elements.length, b.elements.length);
  const at = ({ elements }: KnownValue, index: number): Dim =>
    elements[elements.length === 1 ? 0 : index] ?? UNKNOWN_DIM;
  const elements = Array.from({ length }, (_, index) => {
    const chosen = at(condition, index);
    return isFixed(chosen) ? at(chosen === 0 ? b : a, index) : UNKNOWN_DIM;
  });
  return { rank: Math.max(condition.rank, a.rank, b.rank) as 0 | 1, elements };
};

const modulo: ValueRule = (c) => {
  const isTruncated = getInt(c.node, 'fmod', 0) !== 0;
  return arithmetic((a, b) => (b === 0 ? NaN : isTruncated ? a % b : a - Math.floor(a / b) * b), unknown)(c);
};

const rules: Readonly<Record<string, ValueRule>> = {
  Add: arithmetic(
    (a, b) => a + b,
    (a, b) => (b === 0 ? a : a === 0 ? b : UNKNOWN_DIM),
  ),
  Sub: arithmetic(
    (a, b) => a - b,
    (a, b) => (b === 0 ? a : UNKNOWN_DIM),
  ),
  Mul: arithmetic(
    (a, b) => a * b,
    (a, b) => (b === 1 ? a : a === 1 ? b : a === 0 || b === 0 ? 0 : UNKNOWN_DIM),
  ),
  Div: arithmetic(
    (a, b) => (b === 0 ? NaN : Math.trunc(a / b)),
    (a, b) => (b === 1 ? a : UNKNOWN_DIM),
  ),
  Mod: modulo,
  Min: arithmetic(Math.min, unknown),
  Max: arithmetic(Math.max, unknown),
  Equal: arithmetic(
    (a, b) => (a === b ? 1 : 0),
    (a, b) => (a === b && a !== UNKNOWN_DIM ? 1 : UNKNOWN_DIM),
  ),
  Cast: passThrough,
  Identity: passThrough,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Concat: concat,
  Gather: gather,
  Range: range,
  ReduceProd: product,
  Reshape: reshape,
  Shape: shapeOf,
  Size: size,
  Slice: slice,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Where: where,
};

/** The value of the node's only output, when it is an integer tensor whose elements can be followed. */
export function knownResult(node: Node, context: NodeContext, dtype: OnnxDType | undefined): KnownValue | undefined {
  const range = dtype === undefined ? undefined : RANGES[dtype];
  if (range === undefined || node.domain !== '' || node.outputs.length !== 1) return undefined;
  const value = Object.hasOwn(rules, node.op) ? rules[node.op]?.(context) : undefined;
  if (value === undefined || value.elements.length > MAX_KNOWN_ELEMENTS) return undefined;
  const [least, most] = range;
  const held = (element: Dim): boolean => (isFixed(element) ? element >= least && element <= most : dtype !== 'bool');
  return { rank: value.rank, elements: value.elements.map((element) => (held(element) ? element : UNKNOWN_DIM)) };
}
