/**
 * Types of values. A dimension is a number when fixed, a name when symbolic, and `'?'` when nothing is known of it; a
 * shape of `null` means that not even the rank is known. The same convention as signatures in core.
 */
import { type Dim, UNKNOWN_DIM } from '@slipway/core';
import type { OnnxDType } from './dtype.ts';

export type Shape = readonly Dim[];

export interface TensorType {
  readonly kind: 'tensor';
  readonly dtype: OnnxDType;
  readonly shape: Shape | null;
}
export interface SparseTensorType {
  readonly kind: 'sparse-tensor';
  readonly dtype: OnnxDType;
  readonly shape: Shape | null;
}
export interface SequenceType {
  readonly kind: 'sequence';
  readonly element: ValueType | null;
}
export interface OptionalType {
  readonly kind: 'optional';
  readonly element: ValueType | null;
}
export interface MapType {
  readonly kind: 'map';
  readonly key: OnnxDType;
  readonly value: ValueType | null;
}
export interface OpaqueType {
  readonly kind: 'opaque';
  readonly domain: string;
  readonly name: string;
}

export type ValueType = TensorType | SparseTensorType | SequenceType | OptionalType | MapType | OpaqueType;

export function tensorType(dtype: OnnxDType, shape: Shape | null): TensorType {
  return Object.freeze({ kind: 'tensor', dtype, shape: shape === null ? null : Object.freeze([...shape]) });
}

export function isTensorType(type: ValueType | null | undefined): type is TensorType {
  return type?.kind === 'tensor';
}

/** `float32[batch, 10]`, `sequence(int64[])`, … for messages. */
export function describeType(type: ValueType | null): string {
  if (type === null) return 'unknown';
  switch (type.kind) {
    case 'tensor':
      return `${type.dtype}[${type.shape === null ? '…' : type.shape.join(', ')}]`;
    case 'sparse-tensor':
      return `sparse ${type.dtype}[${type.shape === null ? '…' : type.shape.join(', ')}]`;
    case 'sequence':
    case 'optional':
      return `${type.kind}(${describeType(type.element)})`;
    case 'map':
      return `map(${type.key}, ${describeType(type.value)})`;
    case 'opaque':
      return `opaque(${type.domain}.${type.name})`;
  }
}

/** True when both say the same, symbol for symbol. */
export function sameType(a: ValueType | null, b: ValueType | null): boolean {
  return describeType(a) === describeType(b);
}

export function isFixed(dim: Dim | undefined): dim is number {
  return typeof dim === 'number';
}

/** True when every dimension is a number. */
export function isFixedShape(shape: Shape | null): shape is readonly number[] {
  return shape?.every(isFixed) ?? false;
}

/** Elements of a shape, or undefined when a dimension is not fixed. */
export function shapeSize(shape: Shape | null): number | undefined {
  return isFixedShape(shape) ? shape.reduce((product, dim) => product * dim, 1) : undefined;
}

export { type Dim, UNKNOWN_DIM };
