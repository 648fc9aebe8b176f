/**
 * What has become of a part of the source model after other passes: people name what `slipway inspect` and their own viewer
 * show them, and by the time a pass runs the node may have been fused into another or carry another name.
 *
 * Tensors keep their names where nodes do not, so: the heir of a node is the node of the same name, else whatever computes its
 * outputs now; when an output is gone too, it was absorbed by what read it, and those are asked. The heirs of a
 * weight that is gone are those of its readers.
 */
import type { Node } from '@slipway/onnx';
import type { IndexedGraph, Part, Parts } from './parts.ts';

/** Of `part` among `now`; empty when nothing of it is left. */
export function heirFinder(now: Parts): (part: Part) => readonly Part[] {
  const byName = new Map<string, Part[]>();
  const byOutput = new Map<string, Part[]>();
  const add = (map: Map<string, Part[]>, name: string, part: Part): void => {
    if (name !== '') map.set(name, [...(map.get(name) ?? []), part]);
  };
  for (const part of now.nodes) {
    add(byName, part.node.name, part);
    for (const output of part.node.outputs) add(byOutput, output, part);
  }
  const weights = new Map<string, Part[]>();
  for (const part of now.weights) add(weights, part.weight, part);

  return (part) => {
    const found = new Set<Part>();
    const asked = new Set<Node>();
    const pending: { node: Node; graph: IndexedGraph }[] = [];
    const askTensor = (name: string, graph: IndexedGraph, here: readonly Part[]): void => {
      for (const heir of here) found.add(heir);
      if (here.length > 0) return;
      for (const node of graph.usage().consumers(name)) pending.push({ node, graph });
    };
    if ('weight' in part) askTensor(part.weight, part.graph, weights.get(part.weight) ?? []);
    else pending.push(part);
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { node, graph } = next;
      if (asked.has(node)) continue;
      asked.add(node);
      const named = byName.get(node.name);
      if (named !== undefined) for (const heir of named) found.add(heir);
      else {
        for (const output of node.outputs) {
          if (output !== '') askTensor(output, graph, byOutput.get(output) ?? weights.get(output) ?? []);
        }
      }
    }
    return [...found];
  };
}
