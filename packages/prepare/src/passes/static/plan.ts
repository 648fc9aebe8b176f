/**
 * Where quantized computation begins and ends: which nodes compute in integers, which tensors are therefore quantized, and which
 * of those share a range.
 *
 * Three kinds of node. `product`: Conv, Gemm, MatMul; the reason for everything. `join`: Add, Mul, Concat, Softmax and others
 * that compute; worth it only between quantized neighbours. `move`: MaxPool, Reshape and their like, which do
 * not change values, so that their output has the range of their input; likewise only in between. A node outside is
 * left in float, because a quantize/dequantize pair around a single cheap operator costs time and accuracy and gains nothing.
 *
 * A Relu or Clip after a node whose output is quantized disappears: the quantized range ends where it would clip. Not so when
 * ranges are symmetric: then it is a node in between like others.
 */
import { type Graph, isOp, type Node, usageOf } from '@slipway/onnx';
import { readFloat32 } from '../weights.ts';
import { constantOperand, isFloat32, operatorRule } from './operators.ts';
import { judgeProduct, judgeStorage, type Product } from './products.ts';
import type { Scheme } from './scheme.ts';

export interface Step {
  readonly kind: 'product' | 'join' | 'move';
  readonly node: Node;
  readonly product: Product | null;
  /** The values it reads in quantized form, constants apart. */
  readonly reads: readonly string[];
  /** Of a join: the positions of operands that are constant and stored quantized. */
  readonly constants: readonly number[];
  /** A Relu or Clip right after it that is absorbed, when the output is quantized. */
  readonly activation: Node | null;
  /** The values the step computes: the output of the activation, if one is absorbed. */
  readonly outputs: readonly string[];
}

export interface StaticPlan {
  readonly steps: readonly Step[];
  /** Every tensor to quantize → the tensor whose range it has (itself, except behind moves). */
  readonly ranges: ReadonlyMap<string, string>;
  /** Nodes that compute in float with a weight that is stored quantized. */
  readonly storage: readonly Product[];
  readonly untouched: readonly { readonly node: Node; readonly reason: string }[];
}

export interface PlanOptions {
  readonly scheme: Pick<Scheme, 'activations' | 'symmetricActivations'>;
  readonly isExcluded: (node: Node) => boolean;
  /** Whether a value is known to be float32. */
  readonly isFloat32: (name: string) => boolean;
}

export function planStatic(graph: Graph, options: PlanOptions): StaticPlan {
  const planner = new Planner(graph, options);
  // Products first: what they read is quantized whatever happens around them.
  const products = planner.products();
  const available = new Set([...products.values()].flatMap(({ reads }) => reads));

  // Forward: what could be computed from quantized values.
  const candidates: Step[] = [];
  const absorbed = new Set<Node>();
  for (const node of graph.nodes) {
    const step = products.get(node) ?? (absorbed.has(node) ? null : planner.between(node, available));
    if (step === null) continue;
    candidates.push(step);
    for (const output of step.outputs) available.add(output);
    if (step.activation !== null) absorbed.add(step.activation);
  }

  // Backward: what somebody wants quantized.
  const wanted = new Set<string>();
  const steps: Step[] = [];
  for (const step of candidates.reverse()) {
    const isWanted = step.outputs.some((output) => wanted.has(output));
    if (step.kind !== 'product' && !isWanted) continue;
    for (const name of step.reads) wanted.add(name);
    // A kernel gives all its outputs quantized, or none.
    if (isWanted || needsQuantizedOutput(step.node)) for (const name of step.outputs) wanted.add(name);
    steps.push(isWanted || needsQuantizedOutput(step.node) ? step : withoutActivation(step));
  }
  steps.reverse();
  return {
    steps,
    ranges: rangesOf(steps, wanted),
    storage: graph.nodes
      .filter((node) => !options.isExcluded(node))
      .map((node) => judgeStorage(node, graph))
      .filter((one) => one !== null),
    untouched: planner.untouched,
  };
}

class Planner {
  readonly untouched: { node: Node; reason: string }[] = [];
  readonly #graph: Graph;
  readonly #options: PlanOptions;
  readonly #usage: ReturnType<typeof usageOf>;

  constructor(graph: Graph, options: PlanOptions) {
    this.#graph = graph;
    this.#options = options;
    this.#usage = usageOf(graph);
  }

  products(): Map<Node, Step> {
    const products = new Map<Node, Step>();
    for (const node of this.#graph.nodes) {
      const product = judgeProduct(node, this.#graph, this.#options.scheme);
      if (product === null || this.#options.isExcluded(node)) continue;
      if (typeof product === 'string') this.untouched.push({ node, reason: product });
      else if (product.weight !== null || product.node.inputs.every(this.#options.isFloat32)) {
        const reads = node.inputs.slice(0, 2).filter((name) => !this.#graph.initializers.has(name));
        products.set(node, this.#step('product', node, { reads, product }));
      }
    }
    return products;
  }

  /** A join or a move, if all it reads is available quantized. */
  between(node: Node, available: ReadonlySet<string>): Step | null {
    const { scheme, isExcluded } = this.#options;
    if (isExcluded(node)) return null;
    const graph = this.#graph;
    const rule = operatorRule(node);
    const isClipping = scheme.symmetricActivations && isActivation(node, graph);
    if (rule === null && !isClipping) return null;
    const data = rule?.data === null ? node.inputs : (rule?.data ?? [0]).map((input) => node.inputs[input] ?? '');
    const constant = rule === null ? null : constantOperand(node, rule, graph);
    if (constant !== null && !this.#takesConstant(node, constant)) return null;
    const reads = data.filter((name) => name !== node.inputs[constant ?? -1]);
    if (reads.length === 0 || !reads.every((name) => available.has(name))) return null;
    return this.#step(rule?.kind ?? 'join', node, { reads, constants: constant === null ? [] : [constant] });
  }

  /**
   * Beside int8 activations, ONNX Runtime computes with constants in float on x86. And a constant that holds -10000 is a mask:
   * one scale for it and for what it is added to would leave nothing of the latter.
   */
  #takesConstant(node: Node, input: number): boolean {
    const constant = this.#graph.initializers.get(node.inputs[input] ?? '');
    if (this.#options.scheme.activations === 'int8' || constant === undefined || !isFloat32(constant)) return false;
    return readFloat32(constant).every((value) => Math.abs(value) < MASK);
  }

  #step(kind: Step['kind'], node: Node, more: Pick<Step, 'reads'> & Partial<Step>): Step {
    const activation = kind === 'move' ? null : this.#absorbable(node);
    const outputs = activation?.outputs ?? node.outputs;
    return { kind, node, product: null, constants: [], activation, outputs, ...more };
  }

  #absorbable(node: Node): Node | null {
    const [output = ''] = node.outputs;
    if (this.#options.scheme.symmetricActivations || this.#usage.isOutput(output)) return null;
    const [next, ...others] = this.#usage.consumers(output);
    if (next === undefined || others.length > 0 || this.#options.isExcluded(next)) return null;
    return isActivation(next, this.#graph) ? next : null;
  }
}

/** Operands beyond it are not operands but masks. */
const MASK = 1000;

/** Gemm and MatMul can give float32 from integers; a convolution has no such kernel. */
const needsQuantizedOutput = (node: Node): boolean => node.op === 'Conv';

const withoutActivation = (step: Step): Step =>
  step.activation === null ? step : { ...step, activation: null, outputs: step.node.outputs };

function rangesOf(steps: readonly Step[], wanted: ReadonlySet<string>): Map<string, string> {
  const moved = new Map<string, string>();
  for (const { kind, reads, outputs } of steps) {
    if (kind === 'move') for (const output of outputs) moved.set(output, reads[0] ?? '');
  }
  const rootOf = (name: string): string => {
    let root = name;
    for (let next = moved.get(root); next !== undefined; next = moved.get(root)) root = next;
    return root;
  };
  const ranges = new Map<string, string>();
  // In the order in which they are computed, so that the first tensor that is not finite is the one that is named.
  for (const { reads, outputs } of steps) {
    for (const name of [...reads, ...outputs]) if (wanted.has(name)) ranges.set(name, rootOf(name));
  }
  return ranges;
}

/** Relu, or Clip between constants around zero: what saturation at the ends of a quantized range does anyway. */
function isActivation(node: Node, graph: Graph): boolean {
  if (isOp(node, 'Relu')) return true;
  if (!isOp(node, 'Clip') || node.inputs.length < 2) return false;
  const bound = (input: number): number | undefined => {
    const name = node.inputs[input] ?? '';
    if (name === '') return input === 1 ? -Infinity : Infinity;
    const constant = graph.initializers.get(name);
    return constant?.dtype === 'float32' ? readFloat32(constant)[0] : undefined;
  };
  const [low, high] = [bound(1), bound(2)];
  return low !== undefined && high !== undefined && low <= 0 && high >= 0;
}
