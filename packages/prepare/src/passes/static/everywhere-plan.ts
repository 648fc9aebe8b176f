/**
 * Where an engine without float wants pairs: around every operator, so that no value between two of them is float. What
 * Qualcomm's QNN asks for: its integer processor runs a whole graph, and one float operator splits it in three.
 *
 * Values that are only moved keep the range of what they were. Constants that an operator computes with are quantized like
 * activations; those that only steer it (bounds, scales of Resize, sizes) are left.
 * Checked here by structure, and run on a CPU for its numbers: QNN is not among the engines of this project.
 */
import { type Graph, type Node, subgraphsOf } from '@slipway/onnx';
import { allFinite } from '../loops.ts';
import { readFloat32 } from '../weights.ts';
import { isFloat32, operatorRule } from './operators.ts';
import type { PlanOptions, StaticPlan, Step } from './plan.ts';
import { judgeProduct, type Product } from './products.ts';

/** Operators that compute with every float they read; of the others, constants steer. */
const COMPUTES: ReadonlySet<string> = new Set(
  'Add Sub Mul Div Pow Min Max PRelu Where Concat Gather LayerNormalization InstanceNormalization MatMul'.split(' '),
);

export function planEverywhere(graph: Graph, options: PlanOptions): StaticPlan {
  const steps: Step[] = [];
  const moved = new Map<string, string>();
  const ranges = new Map<string, string>();
  for (const node of graph.nodes) {
    if (options.isExcluded(node)) continue;
    // What control flow carries stays as it is; the bodies have plans of their own.
    if (subgraphsOf(node).length > 0) continue;
    const step = stepOf(node, graph, options);
    if (step === null) continue;
    steps.push(step);
    if (step.kind === 'move') for (const output of step.outputs) moved.set(output, step.reads[0] ?? '');
    for (const name of [...step.reads, ...step.outputs]) {
      let root = name;
      for (let next = moved.get(root); next !== undefined; next = moved.get(root)) root = next;
      ranges.set(name, root);
    }
  }
  return { steps, ranges, storage: [], untouched: [] };
}

function stepOf(node: Node, graph: Graph, { scheme, isFloat32: isFloat }: PlanOptions): Step | null {
  const verdict = judgeProduct(node, graph, scheme);
  const product: Product | null =
    verdict !== null && typeof verdict !== 'string' && verdict.weight !== null ? verdict : null;
  const outputs = node.outputs.filter(isFloat);
  const computed = node.inputs.filter((name) => isFloat(name) && !graph.initializers.has(name));
  const reads = product === null ? computed : computed.slice(0, 1);
  if (reads.length === 0 && outputs.length === 0) return null;
  const constants =
    product !== null || !COMPUTES.has(node.op)
      ? []
      : node.inputs.flatMap((name, at) => (isOperand(name, graph) ? [at] : []));
  const kind =
    product !== null ? 'product' : operatorRule(node)?.kind === 'move' && reads.length === 1 ? 'move' : 'join';
  return { kind, node, product, reads, constants, activation: null, outputs };
}

function isOperand(name: string, graph: Graph): boolean {
  const constant = graph.initializers.get(name);
  return constant !== undefined && isFloat32(constant) && allFinite(readFloat32(constant));
}
