/**
 * Names and what they are visible to. A subgraph (a branch of If, the body of Loop or Scan) reads values of the graphs
 * around it by name, so whoever renames or removes a value must look into subgraphs; these functions do.
 */
import { graphsOf } from '../ir/attribute.ts';
import type { Attribute } from '../ir/attribute.ts';
import type { Graph } from '../ir/graph.ts';
import { type Node, withNode } from '../ir/node.ts';

/** The graphs a node holds. */
export function subgraphsOf(node: Node): readonly Graph[] {
  const graphs: Graph[] = [];
  for (const attribute of node.attributes.values()) graphs.push(...graphsOf(attribute));
  return graphs;
}

/** Names `graph` defines: inputs, initializers, outputs of its nodes. */
export function definedNames(graph: Graph): Set<string> {
  const names = new Set<string>();
  for (const input of graph.inputs) names.add(input.name);
  for (const name of graph.initializers.keys()) names.add(name);
  for (const name of graph.sparseInitializers.keys()) names.add(name);
  for (const node of graph.nodes) for (const name of node.outputs) if (name !== '') names.add(name);
  return names;
}

/** Names a subgraph reads from around it. */
export function capturedNames(graph: Graph): Set<string> {
  const defined = definedNames(graph);
  const captured = new Set<string>();
  const use = (name: string): void => {
    if (name !== '' && !defined.has(name)) captured.add(name);
  };
  for (const node of graph.nodes) for (const name of readNames(node)) use(name);
  for (const output of graph.outputs) use(output.name);
  return captured;
}

/** Names a node reads: its inputs and what its subgraphs capture. Without duplicates, omitted inputs left out. */
export function readNames(node: Node): Set<string> {
  const names = new Set(node.inputs);
  names.delete('');
  for (const graph of subgraphsOf(node)) for (const name of capturedNames(graph)) names.add(name);
  return names;
}

/** Every value name that occurs in `graph` or below, to choose a new one apart from all. */
export function allNames(graph: Graph, into: Set<string> = new Set()): Set<string> {
  for (const name of definedNames(graph)) into.add(name);
  for (const output of graph.outputs) into.add(output.name);
  for (const node of graph.nodes) {
    for (const name of node.inputs) into.add(name);
    for (const inner of subgraphsOf(node)) allNames(inner, into);
  }
  return into;
}

/** `node` with its subgraphs replaced by `change` of each; the same node when nothing changed. */
export function mapSubgraphs(node: Node, change: (graph: Graph, attribute: string) => Graph): Node {
  let attributes: Map<string, Attribute> | undefined;
  for (const [name, attribute] of node.attributes) {
    if (attribute.kind === 'graph') {
      const value = change(attribute.value, name);
      if (value !== attribute.value) {
        (attributes ??= new Map(node.attributes)).set(name, Object.freeze({ ...attribute, value }));
      }
    } else if (attribute.kind === 'graphs') {
      const value = attribute.value.map((graph) => change(graph, name));
      if (value.some((graph, index) => graph !== attribute.value[index])) {
        (attributes ??= new Map(node.attributes)).set(
          name,
          Object.freeze({ ...attribute, value: Object.freeze(value) }),
        );
      }
    }
  }
  return attributes === undefined ? node : withNode(node, { attributes });
}

/** `node` reading `to` wherever it read `from`, in its inputs and in what its subgraphs capture. */
export function replaceRead(node: Node, from: string, to: string): Node {
  const inputs = node.inputs.includes(from) ? node.inputs.map((name) => (name === from ? to : name)) : node.inputs;
  const inner = mapSubgraphs(node, (graph) =>
    capturedNames(graph).has(from) ? replaceCapture(graph, from, to) : graph,
  );
  return inputs === node.inputs ? inner : withNode(inner, { inputs: Object.freeze(inputs) });
}

function replaceCapture(graph: Graph, from: string, to: string): Graph {
  return Object.freeze({
    ...graph,
    nodes: Object.freeze(graph.nodes.map((node) => replaceRead(node, from, to))),
    outputs: Object.freeze(
      graph.outputs.map((output) => (output.name === from ? Object.freeze({ ...output, name: to }) : output)),
    ),
  });
}
