/**
 * What an inference rule sees: one node, the types of its inputs and, for integers that take part in shape arithmetic,
 * their values. A rule returns the types of the outputs, as far as they follow; it throws `CannotInfer` where the
 * inputs contradict the operator or something it depends on is not known.
 */
import { countOf, floatsOf } from '../ir/elements.ts';
import type { Initializer } from '../ir/initializer.ts';
import { getInt, getInts, type Node } from '../ir/node.ts';
import {
  type Dim,
  isFixed,
  isTensorType,
  type Shape,
  tensorType,
  type TensorType,
  UNKNOWN_DIM,
  type ValueType,
} from '../ir/type.ts';
import type { OnnxDType } from '../ir/dtype.ts';

export class CannotInfer extends Error {}

/** The elements of a small integer tensor, each a number, a symbol or unknown, in row-major order. */
export interface KnownValue {
  /** Rank 0 or 1: nothing else occurs in shape arithmetic. */
  readonly rank: 0 | 1;
  readonly elements: readonly Dim[];
}

/** Shape arithmetic works on as many integers as a tensor has axes; a little more covers lists of sizes. */
export const MAX_KNOWN_ELEMENTS = 1024;

export interface Inputs {
  type(name: string): ValueType | null;
  value(name: string): KnownValue | undefined;
  /** The constant behind a name, where there is one and it is in memory. */
  constant(name: string): Initializer | undefined;
}

export class NodeContext {
  readonly node: Node;
  /** Operator set version of the node's domain. */
  readonly opset: number;
  readonly #inputs: Inputs;

  constructor(node: Node, opset: number, inputs: Inputs) {
    this.node = node;
    this.opset = opset;
    this.#inputs = inputs;
  }

  /** True when the optional input is given. */
  has(index: number): boolean {
    return (this.node.inputs[index] ?? '') !== '';
  }
  anyType(index: number): ValueType | null {
    return this.has(index) ? this.#inputs.type(this.node.inputs[index] ?? '') : null;
  }
  /** @throws CannotInfer when the input is not known to be a tensor */
  tensor(index: number): TensorType {
    const type = this.anyType(index);
    if (!isTensorType(type)) {
      throw new CannotInfer(`the type of input ${index} ("${this.node.inputs[index] ?? ''}") is not known`);
    }
    return type;
  }
  dtype(index: number): OnnxDType {
    return this.tensor(index).dtype;
  }
  /** null when not even the rank is known. */
  shape(index: number): Shape | null {
    return this.tensor(index).shape;
  }
  value(index: number): KnownValue | undefined {
    return this.has(index) ? this.#inputs.value(this.node.inputs[index] ?? '') : undefined;
  }
  /** The elements of an integer input when all of them are known numbers. */
  integers(index: number): readonly number[] | undefined {
    const elements = this.value(index)?.elements;
    return elements?.every(isFixed) === true ? elements : undefined;
  }
  /** The elements of a small constant float input. */
  floats(index: number): ArrayLike<number> | undefined {
    const constant = this.has(index) ? this.#inputs.constant(this.node.inputs[index] ?? '') : undefined;
    return constant?.dtype === 'float32' && countOf(constant) <= MAX_KNOWN_ELEMENTS ? floatsOf(constant) : undefined;
  }
  /** An integer list that older operator sets give as an attribute and newer ones as an input. null: not given. */
  integersFrom(attribute: string, index: number): readonly number[] | null | undefined {
    const list = getInts(this.node, attribute);
    if (list !== undefined) return list;
    return this.has(index) ? this.integers(index) : null;
  }
  /** An axis attribute, counted from 0. */
  axis(attribute: string, fallback: number, rank: number): number {
    return normalAxis(getInt(this.node, attribute, fallback), rank);
  }
  get outputs(): number {
    return this.node.outputs.length;
  }
}

export type Rule = (context: NodeContext) => readonly (ValueType | null)[];

/** An axis counted from 0. @throws CannotInfer when it is outside of the rank */
export function normalAxis(axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= rank) throw new CannotInfer(`axis ${axis} is outside of rank ${rank}`);
  return normal;
}

/**
 * The smaller of a symbol and another dimension, as a symbol that says so: what is left when a table of positions is cut to
 * the length of a sequence.
 */
export function atMost(symbol: string, dim: Dim): Dim {
  if (dim === UNKNOWN_DIM || dim === symbol) return dim;
  return `min(${symbol}, ${dim})`;
}

/** Dimensions of two values that must fit by numpy's rule. */
function broadcastDim(a: Dim, b: Dim): Dim {
  if (a === b) return a;
  if (a === 1) return b;
  if (b === 1) return a;
  if (isFixed(a) && isFixed(b)) throw new CannotInfer(`dimensions ${a} and ${b} do not broadcast`);
  // A fixed size other than 1 decides: the other must be equal to it, or 1.
  if (isFixed(a)) return a;
  if (isFixed(b)) return b;
  // S and min(S, N) fit when they are equal, or when N is 1: S either way.
  if (b.startsWith(`min(${a}, `)) return a;
  return a.startsWith(`min(${b}, `) ? b : UNKNOWN_DIM;
}

export function broadcast(...shapes: readonly (Shape | null)[]): Shape | null {
  let result: Dim[] = [];
  for (const shape of shapes) {
    if (shape === null) return null;
    const rank = Math.max(result.length, shape.length);
    const left: Dim[] = [...Array.from({ length: rank - result.length }, () => 1), ...result];
    const right: Dim[] = [...Array.from({ length: rank - shape.length }, () => 1), ...shape];
    result = left.map((dim, axis) => broadcastDim(dim, right[axis] ?? 1));
  }
  return result;
}

/** Two views of one dimension: the more precise. @throws CannotInfer when they contradict */
export function unifyDim(a: Dim, b: Dim): Dim {
  if (a === b || b === UNKNOWN_DIM) return a;
  if (a === UNKNOWN_DIM) return b;
  if (isFixed(a) && isFixed(b)) throw new CannotInfer(`a dimension is ${a} and ${b}`);
  return isFixed(a) ? a : b;
}

/** Product of dimensions: 0 and 1 are known to do what they do, other unknowns make it unknown. */
export function product(dims: readonly Dim[]): Dim {
  if (dims.includes(0)) return 0;
  const rest = dims.filter((dim) => dim !== 1);
  if (rest.length === 1) return rest[0] ?? 1;
  return rest.every(isFixed) ? rest.reduce((a, b) => a * b, 1) : UNKNOWN_DIM;
}

export const unknowns = (count: number): Dim[] => Array.from({ length: count }, () => UNKNOWN_DIM);

/** `type` with another shape. */
export function reshaped(type: TensorType, shape: Shape | null): TensorType {
  return tensorType(type.dtype, shape);
}
