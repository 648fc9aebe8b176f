/**
 * Which nodes of a model compute in float16 when nothing else speaks against it, and why the others do not.
 *
 * Beside what `eligible.ts` says, what counts stays float32: exporters compute shapes and positions in floats (a length cast to float,
 * halved, rounded, cast back), and float16 has no odd numbers above 2048.
 */
import {
  getInt,
  type Graph,
  inferShapes,
  isOp,
  isTensorType,
  type Model,
  type Node,
  ONNX_DTYPES,
  opsetOf,
  subgraphsOf,
  type ValueType,
} from '@slipway/onnx';
import { whyNot } from './eligible.ts';

export interface Assignment {
  /** In the order of the graph, bodies after the node that holds them. */
  readonly low: readonly Node[];
  /** Nodes that would be float16 but for the reason, which follows “stays float32: ”. */
  readonly high: ReadonlyMap<Node, string>;
  readonly types: ReadonlyMap<string, ValueType>;
}

/** @param isExcluded what the user wants left alone */
export function assign(model: Model, isExcluded: (node: Node) => boolean): Assignment {
  const types = inferShapes(model).values;
  const low: Node[] = [];
  const high = new Map<Node, string>();
  const visit = (graph: Graph): void => {
    const counting = countingNodes(graph, (name) => types.get(name));
    for (const node of graph.nodes) {
      const reason = whyNot(node, (name) => types.get(name), opsetOf(model));
      if (reason === null && isExcluded(node)) high.set(node, 'excluded');
      else if (reason === null && counting.has(node)) high.set(node, 'it computes what becomes an integer');
      else if (reason === null) low.push(node);
      else if (reason !== '') high.set(node, reason);
      for (const inner of subgraphsOf(node)) visit(inner);
    }
  };
  visit(model.graph);
  return { low, high, types };
}

const INTEGERS: ReadonlySet<number> = new Set(
  (['int8', 'int16', 'int32', 'int64', 'uint8', 'uint16', 'uint32', 'uint64'] as const).map(
    (dtype) => ONNX_DTYPES[dtype].code,
  ),
);

/** Nodes on the way from integers, through floats, back to integers. */
function countingNodes(graph: Graph, typeOf: (name: string) => ValueType | undefined): ReadonlySet<Node> {
  const dtype = (name: string): string | undefined => {
    const type = typeOf(name);
    return isTensorType(type) ? type.dtype : undefined;
  };
  const isConstant = (name: string): boolean => name === '' || graph.initializers.has(name);
  const producers = new Map<string, Node>();
  // Forward: floats made of nothing but integers and constants.
  const counted = new Set<string>();
  for (const node of graph.nodes) {
    for (const name of node.outputs) producers.set(name, node);
    const floats = node.inputs.filter((name) => name !== '' && dtype(name) === 'float32');
    const isStart = isOp(node, 'Cast') && floats.length === 0;
    const isStep = floats.some((name) => counted.has(name)) && floats.every((n) => counted.has(n) || isConstant(n));
    if (isStart || isStep) for (const name of node.outputs) if (dtype(name) === 'float32') counted.add(name);
  }
  // Backward: those an integer is made of.
  const found = new Set<Node>();
  const pending: string[] = graph.nodes.flatMap((node) =>
    isOp(node, 'Cast') && INTEGERS.has(getInt(node, 'to', 0)) ? node.inputs : [],
  );
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const node = counted.has(name) ? producers.get(name) : undefined;
    if (node === undefined || found.has(node)) continue;
    found.add(node);
    pending.push(...node.inputs);
  }
  return found;
}
