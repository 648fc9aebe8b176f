/**
 * Builds small models in code, for tests and benches here and in other rooms.
 *
 * ```ts
 * const model = buildModel((b) => {
 *   const x = b.input('x', 'float32', ['batch', 4]);
 *   const w = b.floats('w', [4, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
 *   b.output(b.op('MatMul', [x, w], { outputs: ['y'] }), 'float32', ['batch', 2]);
 * });
 * ```
 */
import type { Tensor } from '@slipway/core';
import type { Attribute } from '../ir/attribute.ts';
import type { OnnxDType } from '../ir/dtype.ts';
import { createGraph, type Graph } from '../ir/graph.ts';
import { type Initializer, initializerOf } from '../ir/initializer.ts';
import { createModel, DEFAULT_IR_VERSION, DEFAULT_OPSET, type Model } from '../ir/model.ts';
import { createNode, type Node } from '../ir/node.ts';
import type { Shape } from '../ir/type.ts';
import { tensorInfo, type ValueInfo } from '../ir/value-info.ts';

export interface OpOptions {
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: readonly Attribute[];
  /** Names of the outputs; default: one, named after the operator. */
  readonly outputs?: readonly string[];
}

/** Every method returns the name of the value it made. */
export interface Builder {
  input(name: string, dtype: OnnxDType, shape: Shape | null): string;
  /** Declare a value made so far to be an output. */
  output(name: string, dtype: OnnxDType, shape: Shape | null): string;
  constant(name: string, value: Tensor): string;
  initializer(initializer: Initializer): string;
  floats(name: string, shape: readonly number[], values: readonly number[] | Float32Array): string;
  integers(name: string, shape: readonly number[], values: readonly number[]): string;
  /** Add a node; the name of its first output. */
  op(op: string, inputs: readonly string[], options?: OpOptions): string;
}

export interface BuildOptions {
  readonly name?: string;
  readonly irVersion?: number;
  /** Operator set of the standard domain. */
  readonly opset?: number;
  /** Other operator sets. */
  readonly imports?: Readonly<Record<string, number>>;
}

export function buildGraph(body: (builder: Builder) => void, name = 'graph'): Graph {
  const nodes: Node[] = [];
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const initializers: Initializer[] = [];
  const builder: Builder = {
    input(input, dtype, shape) {
      inputs.push(tensorInfo(input, dtype, shape));
      return input;
    },
    output(output, dtype, shape) {
      outputs.push(tensorInfo(output, dtype, shape));
      return output;
    },
    initializer(initializer) {
      initializers.push(initializer);
      return initializer.name;
    },
    constant: (constant, value) => builder.initializer(initializerOf(constant, value)),
    floats: (constant, shape, values) =>
      builder.constant(constant, { dtype: 'float32', shape, data: Float32Array.from(values) }),
    integers: (constant, shape, values) =>
      builder.constant(constant, { dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) }),
    op(op, from, options = {}) {
      const made = options.outputs ?? [`${op.toLowerCase()}_${nodes.length}`];
      nodes.push(createNode(op, from, made, { name: `${op}_${nodes.length}`, ...options }));
      return made[0] ?? '';
    },
  };
  body(builder);
  return createGraph({ name, nodes, inputs, outputs, initializers });
}

export function buildModel(body: (builder: Builder) => void, options: BuildOptions = {}): Model {
  return createModel({
    irVersion: options.irVersion ?? DEFAULT_IR_VERSION,
    opsets: [['', options.opset ?? DEFAULT_OPSET], ...Object.entries(options.imports ?? {})],
    graph: buildGraph(body, options.name),
  });
}
