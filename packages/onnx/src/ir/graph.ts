/**
 * A graph: nodes in an order in which each comes after what it reads, and the values around them.
 *
 * Frozen: to change a graph, edit a copy with `GraphEditor`. In models older than IR 4, and where an initializer is a
 * default that a caller may override, an initializer is also listed among `inputs`.
 */
import type { GraphProto, SparseTensorProto } from '../generated/onnx_pb.ts';
import type { Initializer } from './initializer.ts';
import type { Node } from './node.ts';
import type { ValueInfo } from './value-info.ts';

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, Initializer>;
  readonly sparseInitializers: ReadonlyMap<string, SparseTensorProto>;
  /** Types noted for values that are neither inputs nor outputs. */
  readonly valueInfo: ReadonlyMap<string, ValueInfo>;
  readonly origin: GraphProto | null;
}

export interface GraphParts {
  readonly name?: string;
  readonly nodes?: readonly Node[];
  readonly inputs?: readonly ValueInfo[];
  readonly outputs?: readonly ValueInfo[];
  readonly initializers?: Iterable<Initializer>;
  readonly valueInfo?: Iterable<ValueInfo>;
}

export function createGraph(parts: GraphParts): Graph {
  return Object.freeze({
    name: parts.name ?? 'graph',
    nodes: Object.freeze([...(parts.nodes ?? [])]),
    inputs: Object.freeze([...(parts.inputs ?? [])]),
    outputs: Object.freeze([...(parts.outputs ?? [])]),
    initializers: new Map([...(parts.initializers ?? [])].map((initializer) => [initializer.name, initializer])),
    sparseInitializers: new Map<string, SparseTensorProto>(),
    valueInfo: new Map([...(parts.valueInfo ?? [])].map((info) => [info.name, info])),
    origin: null,
  });
}

/** The inputs a caller must give: those without an initializer. */
export function requiredInputs(graph: Graph): readonly ValueInfo[] {
  return graph.inputs.filter(
    (input) => !graph.initializers.has(input.name) && !graph.sparseInitializers.has(input.name),
  );
}
