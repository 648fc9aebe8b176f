/**
 * Attributes of nodes, a closed union. Integers are bigint because the format's are 64 bits wide and models do use the
 * extremes (2^63-1 for "to the end"); the readers in `node.ts` give numbers where a number is what is wanted.
 */
import type { AttributeProto, SparseTensorProto } from '../generated/onnx_pb.ts';
import type { Graph } from './graph.ts';
import type { Initializer } from './initializer.ts';
import type { ValueType } from './type.ts';

/** What an attribute of each kind holds. */
export interface AttributeValues {
  float: number;
  int: bigint;
  /** The bytes as they are in the file: most are UTF-8, not all. */
  string: Uint8Array;
  tensor: Initializer;
  graph: Graph;
  'sparse-tensor': SparseTensorProto;
  type: ValueType | null;
  floats: readonly number[];
  ints: readonly bigint[];
  strings: readonly Uint8Array[];
  tensors: readonly Initializer[];
  graphs: readonly Graph[];
  'sparse-tensors': readonly SparseTensorProto[];
  types: readonly (ValueType | null)[];
  /** Inside a function: stands for the attribute of the calling node that has this name. */
  reference: string;
}

export type AttributeKind = keyof AttributeValues;

export interface AttributeOf<K extends AttributeKind> {
  readonly kind: K;
  readonly name: string;
  readonly value: AttributeValues[K];
  readonly origin: AttributeProto | null;
}

export type Attribute = { [K in AttributeKind]: AttributeOf<K> }[AttributeKind];

export function createAttribute<K extends AttributeKind>(kind: K, name: string, value: AttributeValues[K]): Attribute {
  return Object.freeze({ kind, name, value, origin: null }) as Attribute;
}

export function isAttributeOf<K extends AttributeKind>(
  attribute: Attribute | undefined,
  kind: K,
): attribute is Attribute & AttributeOf<K> {
  return attribute?.kind === kind;
}

export const intAttribute = (name: string, value: number | bigint): Attribute =>
  createAttribute('int', name, BigInt(value));
export const floatAttribute = (name: string, value: number): Attribute => createAttribute('float', name, value);
export const stringAttribute = (name: string, value: string): Attribute =>
  createAttribute('string', name, new TextEncoder().encode(value));
export const intsAttribute = (name: string, value: readonly (number | bigint)[]): Attribute =>
  createAttribute('ints', name, Object.freeze(value.map(BigInt)));
export const floatsAttribute = (name: string, value: readonly number[]): Attribute =>
  createAttribute('floats', name, Object.freeze([...value]));
export const stringsAttribute = (name: string, value: readonly string[]): Attribute =>
  createAttribute('strings', name, Object.freeze(value.map((text) => new TextEncoder().encode(text))));
export const tensorAttribute = (name: string, value: Initializer): Attribute => createAttribute('tensor', name, value);
export const graphAttribute = (name: string, value: Graph): Attribute => createAttribute('graph', name, value);

/** The graphs an attribute holds: subgraphs of If, Loop, Scan and their like. */
export function graphsOf(attribute: Attribute): readonly Graph[] {
  if (attribute.kind === 'graph') return [attribute.value];
  return attribute.kind === 'graphs' ? attribute.value : [];
}
