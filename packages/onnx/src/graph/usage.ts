/** Who makes and who reads each value of one graph: the def-use index of a frozen graph. */
import type { Graph } from '../ir/graph.ts';
import type { Node } from '../ir/node.ts';
import { readNames } from './scope.ts';

export interface Usage {
  /** The node that computes `name`; undefined for inputs, initializers and captured values. */
  producer(name: string): Node | undefined;
  /** Nodes that read `name`, directly or from a subgraph, in graph order. */
  consumers(name: string): readonly Node[];
  isOutput(name: string): boolean;
}

export function usageOf(graph: Graph): Usage {
  const producers = new Map<string, Node>();
  const consumers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const name of node.outputs) if (name !== '') producers.set(name, node);
    for (const name of readNames(node)) {
      const list = consumers.get(name);
      if (list === undefined) consumers.set(name, [node]);
      else list.push(node);
    }
  }
  const outputs = new Set(graph.outputs.map((output) => output.name));
  return {
    producer: (name) => producers.get(name),
    consumers: (name) => consumers.get(name) ?? [],
    isOutput: (name) => outputs.has(name),
  };
}
