/**
 * What is different between two models, without running them: operators, nodes, constants, what they take and give.
 *
 * Nodes are matched by name, and those without one, or with one that is not unique, by the first value they make. That is what passes
 * keep: a node that is still there after a pass is still called what it was called. A matched node counts as changed when
 * its operator, its attributes or its number of inputs is another; what its neighbours are is not its own doing.
 */
import { isDeepStrictEqual } from 'node:util';
import { loadInitializer } from './external/load.ts';
import { subgraphsOf } from './graph/scope.ts';
import type { Attribute } from './ir/attribute.ts';
import { byteLengthOf, rawBytes } from './ir/elements.ts';
import { type Graph, requiredInputs } from './ir/graph.ts';
import type { Initializer } from './ir/initializer.ts';
import type { Model } from './ir/model.ts';
import { describeNode, type Node, opName } from './ir/node.ts';
import { describeType, tensorType } from './ir/type.ts';
import type { ValueInfo } from './ir/value-info.ts';

/** A count, a type or a size on both sides; null where there is none. */
export interface Change<T> {
  readonly name: string;
  readonly before: T | null;
  readonly after: T | null;
}

export interface ModelDifference {
  /** Of the main graph and all subgraphs. */
  readonly nodes: { readonly before: number; readonly after: number };
  /** Operators whose number is another, those with the largest change first. */
  readonly operators: readonly Change<number>[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The operator of matched nodes that are not what they were. */
  readonly changed: readonly Change<string>[];
  /** Bytes of all initializers. */
  readonly bytes: { readonly before: number; readonly after: number };
  /** Initializers that are new, gone or of another type or shape, as described types. */
  readonly constants: readonly Change<string>[];
  /** Initializers of the same type and shape with other elements. */
  readonly values: readonly string[];
  readonly inputs: readonly Change<string>[];
  readonly outputs: readonly Change<string>[];
  /** Versions of operator sets; the standard one is `ai.onnx`. */
  readonly opsets: readonly Change<number>[];
}

export function compareModels(before: Model, after: Model): ModelDifference {
  const [first, second] = [allGraphs(before.graph), allGraphs(after.graph)];
  const [nodesBefore, nodesAfter] = [nodesOf(first), nodesOf(second)];
  const [constantsBefore, constantsAfter] = [constantsOf(first), constantsOf(second)];
  const values: string[] = [];
  for (const [name, constant] of constantsBefore) {
    const other = constantsAfter.get(name);
    if (other === undefined || typeOf(constant) !== typeOf(other) || sameElements(constant, other)) continue;
    values.push(name);
  }
  return {
    nodes: { before: count(first), after: count(second) },
    operators: changes(operatorsOf(first), operatorsOf(second)).sort((a, b) => weight(b) - weight(a)),
    added: [...nodesAfter].filter(([key]) => !nodesBefore.has(key)).map(([, node]) => describeNode(node)),
    removed: [...nodesBefore].filter(([key]) => !nodesAfter.has(key)).map(([, node]) => describeNode(node)),
    changed: [...nodesBefore].flatMap(([key, node]) => {
      const other = nodesAfter.get(key);
      if (other === undefined || sameNode(node, other)) return [];
      return [{ name: key, before: opName(node), after: opName(other) }];
    }),
    bytes: { before: total(constantsBefore), after: total(constantsAfter) },
    constants: changes(types(constantsBefore), types(constantsAfter)),
    values,
    inputs: changes(declared(requiredInputs(before.graph)), declared(requiredInputs(after.graph))),
    outputs: changes(declared(before.graph.outputs), declared(after.graph.outputs)),
    opsets: changes(opsetsOf(before), opsetsOf(after)),
  };
}

const weight = ({ before, after }: Change<number>): number => Math.abs((after ?? 0) - (before ?? 0));

function changes<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): Change<T>[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((name) => ({ name, before: before.get(name) ?? null, after: after.get(name) ?? null }))
    .filter((change) => change.before !== change.after);
}

/** A graph and those inside it, each with a prefix that sets its names apart. */
function allGraphs(graph: Graph, prefix = ''): { readonly graph: Graph; readonly prefix: string }[] {
  return [
    { graph, prefix },
    ...graph.nodes.flatMap((node) =>
      subgraphsOf(node).flatMap((inner, i) =>
        allGraphs(inner, `${prefix}${node.name || (node.outputs[0] ?? '')}/${i}/`),
      ),
    ),
  ];
}

type Graphs = ReturnType<typeof allGraphs>;

const count = (graphs: Graphs): number => graphs.reduce((sum, { graph }) => sum + graph.nodes.length, 0);

function nodesOf(graphs: Graphs): Map<string, Node> {
  const nodes = new Map<string, Node>();
  for (const { graph, prefix } of graphs) {
    const names = new Map<string, number>();
    for (const { name } of graph.nodes) names.set(name, (names.get(name) ?? 0) + 1);
    for (const node of graph.nodes) {
      const isNamed = node.name !== '' && names.get(node.name) === 1;
      nodes.set(prefix + (isNamed ? node.name : (node.outputs.find((output) => output !== '') ?? node.op)), node);
    }
  }
  return nodes;
}

function operatorsOf(graphs: Graphs): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { graph } of graphs) {
    for (const node of graph.nodes) counts.set(opName(node), (counts.get(opName(node)) ?? 0) + 1);
  }
  return counts;
}

function constantsOf(graphs: Graphs): Map<string, Initializer> {
  return new Map(
    graphs.flatMap(({ graph, prefix }) =>
      [...graph.initializers].map(([name, value]) => [prefix + name, value] as const),
    ),
  );
}

const typeOf = ({ dtype, dims }: Initializer): string => describeType(tensorType(dtype, dims));
const types = (constants: ReadonlyMap<string, Initializer>): Map<string, string> =>
  new Map([...constants].map(([name, constant]) => [name, typeOf(constant)]));
const total = (constants: ReadonlyMap<string, Initializer>): number =>
  [...constants.values()].reduce((sum, constant) => sum + byteLengthOf(constant), 0);
const declared = (values: readonly ValueInfo[]): Map<string, string> =>
  new Map(values.map(({ name, type }) => [name, describeType(type)]));
const opsetsOf = ({ opsets }: Model): Map<string, number> =>
  new Map([...opsets].map(([domain, version]) => [domain === '' ? 'ai.onnx' : domain, version]));

/** External data is read one constant at a time. */
function sameElements(a: Initializer, b: Initializer): boolean {
  const [first, second] = [loadInitializer(a), loadInitializer(b)];
  if (first.data.kind === 'strings' || second.data.kind === 'strings') {
    return isDeepStrictEqual(first.data, second.data);
  }
  return Buffer.compare(rawBytes(first), rawBytes(second)) === 0;
}

function sameNode(a: Node, b: Node): boolean {
  if (opName(a) !== opName(b) || a.inputs.length !== b.inputs.length || a.attributes.size !== b.attributes.size) {
    return false;
  }
  return [...a.attributes].every(([name, attribute]) => {
    const other = b.attributes.get(name);
    return other !== undefined && sameAttribute(attribute, other);
  });
}

/** Subgraphs are compared as graphs of their own. */
function sameAttribute(a: Attribute, b: Attribute): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === 'graph' || a.kind === 'graphs') return true;
  if (a.kind === 'tensor' && b.kind === 'tensor') {
    return typeOf(a.value) === typeOf(b.value) && sameElements(a.value, b.value);
  }
  return isDeepStrictEqual(a.value, b.value);
}
