/**
 * One operator call. An input named `''` is an optional input left out; so is a trailing output.
 * The domain of the standard operators is `''` here, also where the file says `ai.onnx`.
 */
import { fail } from '@slipway/core';
import type { NodeProto } from '../generated/onnx_pb.ts';
import type { Attribute, AttributeKind, AttributeValues } from './attribute.ts';
import type { Graph } from './graph.ts';
import type { Initializer } from './initializer.ts';

export interface Node {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  /** Which overload of a model-local function is called; `''` for operators. */
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly origin: NodeProto | null;
}

export interface NodeOptions {
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: readonly Attribute[];
}

export function createNode(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  options: NodeOptions = {},
): Node {
  return Object.freeze({
    name: options.name ?? '',
    op,
    domain: options.domain ?? '',
    overload: '',
    inputs: Object.freeze([...inputs]),
    outputs: Object.freeze([...outputs]),
    attributes: new Map((options.attributes ?? []).map((attribute) => [attribute.name, attribute])),
    origin: null,
  });
}

/** `node` with some fields changed; what is not named stays, including what this IR does not model. */
export function withNode(
  node: Node,
  change: Partial<Pick<Node, 'name' | 'op' | 'domain' | 'inputs' | 'outputs' | 'attributes'>>,
): Node {
  return Object.freeze({ ...node, ...change });
}

/** `node` with these attributes set (by name), and those named in `remove` gone. */
export function withAttributes(node: Node, set: readonly Attribute[], remove: readonly string[] = []): Node {
  const attributes = new Map(node.attributes);
  for (const name of remove) attributes.delete(name);
  for (const attribute of set) attributes.set(attribute.name, attribute);
  return withNode(node, { attributes });
}

export const MS_DOMAIN = 'com.microsoft';

/** True for an operator of the standard set, or of `domain`. */
export function isOp(node: Node, op: string, domain = ''): boolean {
  return node.op === op && node.domain === domain;
}

/** `Conv`, `com.microsoft.FusedConv`. */
export function opName(node: Node): string {
  return node.domain === '' ? node.op : `${node.domain}.${node.op}`;
}

/** How messages call a node: by name where it has one, by what it computes otherwise. */
export function describeNode(node: Node): string {
  return node.name === ''
    ? `${opName(node)} node that computes "${node.outputs[0] ?? ''}"`
    : `${opName(node)} node "${node.name}"`;
}

function read<K extends AttributeKind>(node: Node, name: string, kind: K): AttributeValues[K] | undefined {
  const attribute = node.attributes.get(name);
  if (attribute === undefined) return undefined;
  if (attribute.kind !== kind) {
    throw fail('MODEL_INVALID', {
      path: 'model',
      where: describeNode(node),
      problem: `attribute "${name}" is of type ${attribute.kind}, expected ${kind}`,
    });
  }
  return attribute.value as AttributeValues[K];
}

/** 64-bit values beyond 2^53 saturate: they mean "to the end" wherever models use them. */
const toNumber = (value: bigint): number => {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  return value < BigInt(Number.MIN_SAFE_INTEGER) ? Number.MIN_SAFE_INTEGER : Number(value);
};

/* Readers of attributes. All throw MODEL_INVALID when the attribute has another type. */
export function getInt(node: Node, name: string): number | undefined;
export function getInt(node: Node, name: string, fallback: number): number;
export function getInt(node: Node, name: string, fallback?: number): number | undefined {
  const value = read(node, name, 'int');
  return value === undefined ? fallback : toNumber(value);
}
export function getFloat(node: Node, name: string): number | undefined;
export function getFloat(node: Node, name: string, fallback: number): number;
export function getFloat(node: Node, name: string, fallback?: number): number | undefined {
  return read(node, name, 'float') ?? fallback;
}
export function getString(node: Node, name: string): string | undefined;
export function getString(node: Node, name: string, fallback: string): string;
export function getString(node: Node, name: string, fallback?: string): string | undefined {
  const value = read(node, name, 'string');
  return value === undefined ? fallback : new TextDecoder().decode(value);
}
export function getInts(node: Node, name: string): number[] | undefined {
  return read(node, name, 'ints')?.map(toNumber);
}
export function getFloats(node: Node, name: string): readonly number[] | undefined {
  return read(node, name, 'floats');
}
export function getTensor(node: Node, name: string): Initializer | undefined {
  return read(node, name, 'tensor');
}
export function getGraph(node: Node, name: string): Graph | undefined {
  return read(node, name, 'graph');
}
