/** Every constant tensor of a graph: initializers, tensor attributes, and those of subgraphs. */
import type { Attribute } from '../ir/attribute.ts';
import type { Graph } from '../ir/graph.ts';
import type { Initializer } from '../ir/initializer.ts';
import { type Node, withNode } from '../ir/node.ts';
import { mapSubgraphs } from './scope.ts';

/** Where a tensor stands: the format keeps weights in initializers, small constants in attributes. */
export type TensorPlace = 'initializer' | 'attribute';
export type TensorChange = (tensor: Initializer, place: TensorPlace) => Initializer;

/** The graph with each tensor replaced by `change` of it, in file order; the same graph when nothing changed. */
export function mapTensors(graph: Graph, change: TensorChange): Graph {
  let changed = false;
  const initializers = new Map<string, Initializer>();
  for (const [name, tensor] of graph.initializers) {
    const next = change(tensor, 'initializer');
    if (next !== tensor) changed = true;
    initializers.set(name, next);
  }
  const nodes = graph.nodes.map((node) => {
    const next = mapNodeTensors(node, change);
    if (next !== node) changed = true;
    return next;
  });
  return changed ? Object.freeze({ ...graph, initializers, nodes: Object.freeze(nodes) }) : graph;
}

export function mapNodeTensors(node: Node, change: TensorChange): Node {
  let attributes: Map<string, Attribute> | undefined;
  const set = (attribute: Attribute): unknown =>
    (attributes ??= new Map(node.attributes)).set(attribute.name, Object.freeze(attribute));
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'tensor') {
      const value = change(attribute.value, 'attribute');
      if (value !== attribute.value) set({ ...attribute, value });
    } else if (attribute.kind === 'tensors') {
      const value = attribute.value.map((tensor) => change(tensor, 'attribute'));
      if (value.some((tensor, index) => tensor !== attribute.value[index])) {
        set({ ...attribute, value: Object.freeze(value) });
      }
    }
  }
  return mapSubgraphs(attributes === undefined ? node : withNode(node, { attributes }), (graph) =>
    mapTensors(graph, change),
  );
}

/** All of them, in file order. */
export function tensorsOf(graph: Graph): { readonly tensor: Initializer; readonly place: TensorPlace }[] {
  const found: { tensor: Initializer; place: TensorPlace }[] = [];
  mapTensors(graph, (tensor, place) => {
    found.push({ tensor, place });
    return tensor;
  });
  return found;
}
