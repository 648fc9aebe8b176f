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
import { knownConstant, knownResult } from '../infer/values.ts';
import type { Graph } from '../ir/graph.ts';
import type { Initializer } from '../ir/initializer.ts';
import { type Model, opsetOf } from '../ir/model.ts';
import type { OnnxDType } from '../ir/dtype.ts';
import { getInt, isOp, type Node } from '../ir/node.ts';
import { isFixed, isTensorType, type TensorType, type ValueType } from '../ir/type.ts';

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
    // Values are followed through integers alone: rules for division and the like are those of integers.
    if (![...node.inputs.slice(0, 1), ...node.outputs].every((name) => name === '' || this.#isFollowed(node, name))) {
      return undefined;
    }
    if (isOp(node, 'Mod') && getInt(node, 'fmod', 0) !== 0) return undefined;
    const operands = isOp(node, 'Slice') ? node.inputs.slice(0, 1) : node.inputs;
    const saturated = operands.map((name) => this.value(name)).some((value) => value && !isInRange(value, 'int64'));
    if (saturated) return undefined;
    const context = new NodeContext(node, model.opsets.get(node.domain) ?? 0, {
      type: (name) => this.type(name) ?? null,
      value: (name) => this.value(name),
      constant: (name) => this.outerConstant(name),
    });
    try {
      const value = knownResult(node, context);
      const dtype = this.type(node.outputs[0] ?? '')?.dtype;
      return value !== undefined && dtype !== undefined && isInRange(value, dtype) ? value : undefined;
    } catch (error) {
      if (error instanceof CannotInfer) return undefined;
      throw error;
    }
  }

  #isFollowed(node: Node, name: string): boolean {
    if (isOp(node, 'Shape') || isOp(node, 'Size')) return true;
    const dtype = this.type(name)?.dtype;
    return dtype === 'int64' || dtype === 'int32' || dtype === 'bool';
  }
}

/**
 * True when every element that is a number is one that `dtype` has, and is that number: 64-bit integers beyond 2^53 were
 * saturated on reading, which means "to the end" in a Slice and nothing anywhere else.
 */
function isInRange({ elements }: KnownValue, dtype: OnnxDType): boolean {
  return elements.filter(isFixed).every((element) => {
    if (dtype === 'bool') return element === 0 || element === 1;
    return dtype === 'int32' ? element === (element | 0) : Math.abs(element) < Number.MAX_SAFE_INTEGER;
  });
}
