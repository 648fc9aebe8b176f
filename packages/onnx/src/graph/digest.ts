/**
 * What a value is computed from, as one digest: of the operator that yields it, its attributes, and in turn what its inputs are
 * computed from, down to constants (by content) and the inputs of the model (by name and type). Names of nodes and of values in
 * between do not count, nor does anything the value does not depend on. So two models that share a part share the digests of its values,
 * and what was observed of a value in one of them holds in the other (a Merkle tree, as build systems key their actions).
 *
 * Values inside the bodies of If, Loop and Scan depend on how often and with what the body runs. Their digest is that of the whole
 * node that holds the body, with their name in it.
 */
import { toBinary } from '@bufbuild/protobuf';
import { createHash } from 'node:crypto';
import { type Digest, digestOf, digestOfJson } from '@slipway/core';
import { attributeToProto } from '../convert/attribute.ts';
import { readTensorBytes } from '../external/load.ts';
import { piecesOf } from '../external/stored.ts';
import { AttributeProtoSchema, SparseTensorProtoSchema } from '../generated/onnx_pb.ts';
import { type Attribute, graphsOf } from '../ir/attribute.ts';
import type { Graph } from '../ir/graph.ts';
import type { Initializer } from '../ir/initializer.ts';
import type { Model } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { describeType } from '../ir/type.ts';
import { allNames, readNames, subgraphsOf } from './scope.ts';

/** `value` or what stands for it: something JSON can say. */
type Json = string | number | boolean | null | readonly Json[];

/**
 * The digest of each of `names`: inputs and computed values of the main graph, and of the bodies in it. A name that several bodies
 * use stands for all of them. Without names that are nowhere. Reads the constants they are computed from, one at a time.
 * @throws EXTERNAL_DATA, FILE_UNREADABLE when a constant cannot be read
 */
export function valueDigests(model: Model, names: Iterable<string>): ReadonlyMap<string, Digest> {
  const { graph } = model;
  const wanted = [...new Set(names)];
  const holders = holdersOf(graph, new Set(wanted));
  const needed = ancestorsOf(graph, [...wanted, ...[...holders.keys()].flatMap((node) => [...readNames(node)])]);
  const context: Context = { opsets: model.opsets, functions: functionsOf(model) };

  const values = new Map<string, Digest>();
  for (const { name, type } of graph.inputs) values.set(name, digestOfJson(['input', name, describeType(type)]));
  for (const [name, initializer] of graph.initializers) {
    if (!needed.values.has(name)) continue;
    const default_ = values.get(name) ?? null;
    values.set(name, digestOfJson(['constant', constant(initializer), default_]));
  }
  for (const [name, proto] of graph.sparseInitializers) {
    if (needed.values.has(name)) values.set(name, digestOf(toBinary(SparseTensorProtoSchema, proto)));
  }
  const nodes = new Map<Node, Digest>();
  for (const node of graph.nodes) {
    if (!needed.nodes.has(node) && !holders.has(node)) continue;
    const inputs = node.inputs.map((name) => values.get(name) ?? null);
    const captured = [...readNames(node)]
      .filter((name) => !node.inputs.includes(name))
      .sort()
      .map((name) => [name, values.get(name) ?? null]);
    const digest = digestOfJson(['node', operator(node, context), inputs, captured]);
    nodes.set(node, digest);
    node.outputs.forEach((name, i) => values.set(name, digestOfJson(['output', digest, i])));
  }

  const computed = new Set([...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)]);
  const result = new Map<string, Digest>();
  for (const name of wanted) {
    const own = computed.has(name) ? values.get(name) : undefined;
    const inside = [...holders].flatMap(([node, held]) => (held.has(name) ? [['inside', nodes.get(node), name]] : []));
    if (inside.length > 0) result.set(name, digestOfJson([...(own === undefined ? [] : [own]), ...inside]));
    else if (own !== undefined) result.set(name, own);
  }
  return result;
}

interface Context {
  readonly opsets: Model['opsets'];
  /** Of all functions of the model: any node may be a call of one. */
  readonly functions: Digest | null;
}

function functionsOf({ functions, opsets }: Model): Digest | null {
  if (functions.length === 0) return null;
  return digestOfJson(
    functions.map((each): Json => {
      const inner: Context = { opsets: new Map([...opsets, ...each.opsets]), functions: null };
      const { name, domain, overload, inputs, outputs, nodes } = each;
      const versions = [...each.opsets].map(([key, version]): Json => [key, version]).sort();
      return [name, domain, overload, inputs, outputs, versions, nodes.map((node) => named(node, inner))];
    }),
  );
}

/** Nodes of the main graph with bodies that name some of `names`, and which. */
function holdersOf(graph: Graph, names: ReadonlySet<string>): ReadonlyMap<Node, ReadonlySet<string>> {
  const holders = new Map<Node, ReadonlySet<string>>();
  for (const node of graph.nodes) {
    const inside = new Set<string>();
    for (const body of subgraphsOf(node)) allNames(body, inside);
    const held = new Set([...names].filter((name) => inside.has(name)));
    if (held.size > 0) holders.set(node, held);
  }
  return holders;
}

/** What `names` are computed from, themselves included. */
function ancestorsOf(
  graph: Graph,
  names: Iterable<string>,
): { readonly nodes: ReadonlySet<Node>; readonly values: ReadonlySet<string> } {
  const values = new Set(names);
  const nodes = new Set<Node>();
  // Nodes come after what they read.
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((name) => values.has(name))) continue;
    nodes.add(node);
    for (const name of readNames(node)) values.add(name);
  }
  return { nodes, values };
}

/** What a node does, whatever it is given. Outputs that are left out may change what a kernel does. */
function operator(node: Node, { opsets, functions }: Context): Json {
  const { op, domain, overload, outputs, attributes } = node;
  const written = [...attributes.values()].map((each): Json => [each.name, attribute(each, { opsets, functions })]);
  const present = outputs.map((name) => name !== '');
  return [op, domain, opsets.get(domain) ?? null, overload, present, written.sort(byFirst), functions];
}

const byFirst = (a: Json, b: Json): number => (String((a as Json[])[0]) < String((b as Json[])[0]) ? -1 : 1);

/** A node of a body, where names say what is read. */
const named = (node: Node, context: Context): Json => [operator(node, context), node.inputs, node.outputs];

function attribute(each: Attribute, context: Context): Json {
  const graphs = graphsOf(each);
  if (graphs.length > 0) return [each.kind, graphs.map((graph) => body(graph, context))];
  // Constants by content: a tensor may be a range of another file.
  if (each.kind === 'tensor') return [each.kind, constant(each.value)];
  if (each.kind === 'tensors') return [each.kind, each.value.map(constant)];
  const proto = attributeToProto(each, () => {
    throw new Error('an attribute of graphs was written as one');
  });
  return [each.kind, digestOf(toBinary(AttributeProtoSchema, proto))];
}

function body(graph: Graph, context: Context): Json {
  return [
    graph.inputs.map(({ name, type }): Json => [name, describeType(type)]),
    graph.outputs.map(({ name }) => name),
    [...graph.initializers].map(([name, initializer]): Json => [name, constant(initializer)]).sort(byFirst),
    [...graph.sparseInitializers].map(([name, proto]): Json => [
      name,
      digestOf(toBinary(SparseTensorProtoSchema, proto)),
    ]),
    graph.nodes.map((node) => named(node, context)),
  ];
}

function constant(initializer: Initializer): Json {
  const { dtype, dims, data } = initializer;
  const hash = createHash('sha256');
  if (data.kind === 'strings') {
    for (const value of data.values) hash.update(`${value.length} `).update(value);
  } else if (data.kind === 'raw') {
    for (const piece of piecesOf(data)) hash.update(piece);
  } else hash.update(readTensorBytes(initializer));
  return [dtype, dims, hash.digest('hex')];
}
