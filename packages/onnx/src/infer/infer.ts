/**
 * Shape and type inference over a whole model.
 *
 * Fails closed: what does not follow is not guessed. A value whose operator has no rule, or whose inputs contradict
 * it, keeps what the file declares for it, if anything, and the node is listed in `unknown` with the reason.
 */
import { fail } from '@slipway/core';
import { constantValue } from '../graph/eliminate.ts';
import { dtypeFromCode } from '../ir/dtype.ts';
import type { Graph } from '../ir/graph.ts';
import type { Initializer } from '../ir/initializer.ts';
import { type Model } from '../ir/model.ts';
import { describeNode, isOp, type Node, opName } from '../ir/node.ts';
import { isTensorType, sameType, tensorType, type ValueType } from '../ir/type.ts';
import { CannotInfer, type KnownValue, NodeContext, unifyDim } from './context.ts';
import { controlTypes, isControl } from './control.ts';
import { ruleOf } from './table.ts';
import { knownConstant, knownResult } from './values.ts';

export interface UnknownNode {
  readonly node: Node;
  readonly reason: string;
  /** True when there is no rule for the operator; false when the rule could not be applied. */
  readonly unsupported: boolean;
}

export interface Inference {
  /** Types of all values of the graph and its subgraphs that are known. Constants included. */
  readonly values: ReadonlyMap<string, ValueType>;
  readonly unknown: readonly UnknownNode[];
}

export interface InferOptions {
  /** Types for inputs that replace those declared, such as a fixed batch. */
  readonly inputs?: ReadonlyMap<string, ValueType>;
  /** Throw UNSUPPORTED_OPERATOR at the first node that cannot be inferred. */
  readonly strict?: boolean;
  /** Use what the file notes about values in between. Default true. */
  readonly useDeclared?: boolean;
}

/** @throws UNSUPPORTED_OPERATOR when `strict` */
export function inferShapes(model: Model, options: InferOptions = {}): Inference {
  const run = new Run(model, options);
  run.graph(model.graph, options.inputs ?? new Map());
  return { values: run.types, unknown: run.unknown };
}

class Run {
  readonly types = new Map<string, ValueType>();
  readonly unknown: UnknownNode[] = [];
  readonly #values = new Map<string, KnownValue>();
  readonly #constants = new Map<string, Initializer>();
  readonly #model: Model;
  readonly #options: InferOptions;

  constructor(model: Model, options: InferOptions) {
    this.#model = model;
    this.#options = options;
  }

  /** @param given types of inputs that are known better than declared */
  graph(graph: Graph, given: ReadonlyMap<string, ValueType>): void {
    const inputNames = new Set(graph.inputs.map((input) => input.name));
    for (const [name, constant] of graph.initializers) {
      this.types.set(name, tensorType(constant.dtype, constant.dims));
      if (inputNames.has(name) && this.#model.irVersion >= 4) continue; // a default, may be overridden
      this.#constants.set(name, constant);
      const value = knownConstant(constant);
      if (value !== undefined) this.#values.set(name, value);
    }
    for (const [name, { values, dims }] of graph.sparseInitializers) {
      const dtype = dtypeFromCode(values?.dataType ?? 0);
      if (dtype !== undefined) this.types.set(name, tensorType(dtype, dims.map(Number)));
    }
    for (const { name, type } of graph.inputs) {
      const known = given.get(name) ?? type;
      if (known !== null && !this.#constants.has(name)) this.types.set(name, known);
    }
    const declared = new Map<string, ValueType>();
    if (this.#options.useDeclared !== false) {
      for (const { name, type } of [...graph.valueInfo.values(), ...graph.outputs]) {
        if (type !== null) declared.set(name, type);
      }
    }
    for (const node of graph.nodes) this.#node(node, declared);
  }

  #node(node: Node, declared: ReadonlyMap<string, ValueType>): void {
    const context = new NodeContext(node, this.#model.opsets.get(node.domain) ?? 0, {
      type: (name) => this.types.get(name) ?? null,
      value: (name) => this.#values.get(name),
      constant: (name) => this.#constants.get(name),
    });
    const types = this.#apply(node, context);
    node.outputs.forEach((name, index) => {
      if (name === '') return;
      const type = merge(types?.[index] ?? null, declared.get(name) ?? null);
      if (type !== null) this.types.set(name, type);
    });
    if (types === undefined) return;
    const [output = ''] = node.outputs;
    const constant = isOp(node, 'Constant') ? constantValue(node) : undefined;
    if (constant !== undefined) this.#constants.set(output, constant);
    try {
      const type = this.types.get(output);
      const value = knownResult(node, context, isTensorType(type) ? type.dtype : undefined);
      if (value !== undefined && output !== '') this.#values.set(output, value);
    } catch (error) {
      if (!(error instanceof CannotInfer)) throw error;
    }
  }

  #apply(node: Node, context: NodeContext): readonly (ValueType | null)[] | undefined {
    try {
      if (isControl(node)) {
        return controlTypes(context, {
          infer: (graph, given) => this.graph(graph, given),
          type: (name) => this.types.get(name) ?? null,
        });
      }
      const rule = ruleOf(node);
      if (rule !== undefined) return rule(context);
      this.#cannot({ node, reason: `no rule for ${opName(node)}`, unsupported: true });
    } catch (error) {
      if (!(error instanceof CannotInfer)) throw error;
      this.#cannot({ node, reason: error.message, unsupported: false });
    }
    return undefined;
  }

  #cannot(entry: UnknownNode): void {
    if (this.#options.strict === true) {
      const problem = `its output types cannot be inferred: ${entry.reason}`;
      throw fail('UNSUPPORTED_OPERATOR', { where: describeNode(entry.node), operator: opName(entry.node), problem });
    }
    this.unknown.push(entry);
  }
}

/** What was inferred, completed by what the file declares where the two do not contradict. */
function merge(inferred: ValueType | null, declared: ValueType | null): ValueType | null {
  if (inferred === null || declared === null) return inferred ?? declared;
  if (
    !isTensorType(inferred) ||
    !isTensorType(declared) ||
    inferred.dtype !== declared.dtype ||
    sameType(inferred, declared)
  ) {
    return inferred;
  }
  const [a, b] = [inferred.shape, declared.shape];
  if (a === null) return declared;
  if (b?.length !== a.length) return inferred;
  try {
    return tensorType(
      inferred.dtype,
      a.map((dim, axis) => unifyDim(dim, b[axis] ?? '?')),
    );
  } catch (error) {
    if (error instanceof CannotInfer) return inferred;
    throw error;
  }
}
