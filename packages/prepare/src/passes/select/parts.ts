/**
 * What a selector can name: the nodes and initializers of a model, those inside If, Loop and Scan too, with the graph
 * each is in. A part is known by its handles: its name; of a node without one, the tensors it computes.
 */
import { type Graph, mapGraphs, type Model, type Node, opName, subgraphsOf, type Usage, usageOf } from '@slipway/onnx';

export interface NodePart {
  readonly node: Node;
  readonly graph: IndexedGraph;
}

interface WeightPart {
  /** Of an initializer. */
  readonly weight: string;
  readonly graph: IndexedGraph;
}

export type Part = NodePart | WeightPart;

export interface IndexedGraph {
  readonly graph: Graph;
  /** Made when first asked for. */
  readonly usage: () => Usage;
}

export interface Parts {
  readonly graphs: readonly IndexedGraph[];
  readonly nodes: readonly NodePart[];
  readonly weights: readonly WeightPart[];
  /** Without duplicates and without empty ones. */
  readonly names: readonly string[];
  readonly operators: readonly string[];
}

export function partsOf(model: Model): Parts {
  const graphs: IndexedGraph[] = [];
  mapGraphs(model, (graph) => {
    let usage: Usage | undefined;
    graphs.push({ graph, usage: () => (usage ??= usageOf(graph)) });
    return graph;
  });
  const nodes = graphs.flatMap((graph) => graph.graph.nodes.map((node) => ({ node, graph })));
  const weights = graphs.flatMap((graph) => [...graph.graph.initializers.keys()].map((weight) => ({ weight, graph })));
  const names = new Set([...nodes.map(({ node }) => node.name), ...weights.map(({ weight }) => weight)]);
  names.delete('');
  const operators = new Set(nodes.map(({ node }) => opName(node)));
  return { graphs, nodes, weights, names: [...names], operators: [...operators] };
}

/** The strings a part is recognised by; with a node, those of everything inside it. */
export function addHandles(part: Part, into: Set<string>): void {
  if ('weight' in part) into.add(part.weight);
  else addNode(part.node, into);
}

function addNode(node: Node, into: Set<string>): void {
  for (const handle of handlesOf(node)) into.add(handle);
  for (const graph of subgraphsOf(node)) {
    for (const name of graph.initializers.keys()) into.add(name);
    for (const inner of graph.nodes) addNode(inner, into);
  }
}

export function handlesOf(node: Node): readonly string[] {
  // Apart from names: a tensor called like some other node must not stand for it.
  return node.name === '' ? node.outputs.filter((name) => name !== '').map((name) => `\0${name}`) : [node.name];
}
