/**
 * What is known of a model before a round of rewriting: types, constants, and small integers that take part in shape
 * arithmetic. Only what follows from inputs and constants is believed; notes a file makes about values in between are not,
 * because a model whose batch size was edited by hand often has wrong ones.
 *
 * Names are looked up model-wide. A name that two graphs use for different values (branches of an If often do) is
 * known to neither.
 */
import { definedNames, subgraphsOf } from '../graph/scope.ts';
import { CannotInfer, type KnownValue, NodeContext } from '../infer/context.ts';
import { inferShapes } from '../infer/infer.ts';
import { isSaturated, knownConstant, knownResult } from '../infer/values.ts';
import type { Graph } from '../ir/graph.ts';
import type { Initializer } from '../ir/initializer.ts';
import { type Model, opsetOf } from '../ir/model.ts';
import type { Node } from '../ir/node.ts';
import { isTensorType, type TensorType, type ValueType } from '../ir/type.ts';

export class Facts {
  readonly opset: number;
  readonly #types: ReadonlyMap<string, ValueType>;
  readonly #constants = new Map<string, Initializer>();
  readonly #values = new Map<string, KnownValue>();
  readonly #seen = new Set<string>();
  readonly #shared = new Set<string>();

  constructor(model: Model) {
    this.opset = opsetOf(model);
    this.#types = inferShapes(model, { useDeclared: false }).values;
    this.#names(model.graph);
    this.#graph(model.graph, model);
  }

  type(name: string): TensorType | undefined {
    const type = this.#shared.has(name) ? undefined : this.#types.get(name);
    return isTensorType(type) ? type : undefined;
  }
  outerConstant(name: string): Initializer | undefined {
    return this.#shared.has(name) ? undefined : this.#constants.get(name);
  }
  value(name: string): KnownValue | undefined {
    return this.#shared.has(name) ? undefined : this.#values.get(name);
  }
  isShared(name: string): boolean {
    return this.#shared.has(name);
  }

  #names(graph: Graph): void {
    for (const name of definedNames(graph)) {
      if (this.#seen.has(name)) this.#shared.add(name);
      this.#seen.add(name);
    }
    for (const node of graph.nodes) for (const inner of subgraphsOf(node)) this.#names(inner);
  }

  #graph(graph: Graph, model: Model): void {
    for (const [name, constant] of graph.initializers) {
      if (graph.inputs.some((input) => input.name === name)) continue;
      this.#constants.set(name, constant);
      const value = knownConstant(constant);
      if (value !== undefined) this.#values.set(name, value);
    }
    for (const node of graph.nodes) {
      for (const inner of subgraphsOf(node)) this.#graph(inner, model);
      const [output = ''] = node.outputs;
      const value = output === '' ? undefined : this.#follow(node, model);
      if (value !== undefined) this.#values.set(output, value);
    }
  }

  #follow(node: Node, model: Model): KnownValue | undefined {
    const context = new NodeContext(node, model.opsets.get(node.domain) ?? 0, {
      type: (name) => this.type(name) ?? null,
      value: (name) => this.value(name),
      constant: (name) => this.outerConstant(name),
    });
    try {
      const value = knownResult(node, context, this.type(node.outputs[0] ?? '')?.dtype);
      // "To the end" is good for inferring a shape and no number to write into a model.
      return value?.elements.some(isSaturated) === true ? undefined : value;
    } catch (error) {
      if (error instanceof CannotInfer) return undefined;
      throw error;
    }
  }
}
