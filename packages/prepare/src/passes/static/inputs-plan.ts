/**
 * Where TensorRT wants pairs: on the inputs of convolutions and products with a constant weight and of residual additions, and
 * nowhere else. It fuses a layer with what follows and decides the type of its output itself; a pair behind a layer, or on both
 * inputs of a residual addition, would keep it from fusing the two.
 *
 * Of a residual addition, the input that comes straight from a convolution stays as it is, and the other is quantized. Products
 * whose result has a single row or column are memory-bound and gain nothing. Attention, Softmax and normalization stay float.
 *
 * Source: the int8 workflow of NVIDIA Model Optimizer (`onnx/quantization/int8.py`, `graph_utils.py`). Checked here by
 * structure only: TensorRT is not among the engines of this project.
 */
import { type Graph, isOp, isTensorType, type Node, usageOf, type ValueType } from '@slipway/onnx';
import type { PlanOptions, StaticPlan, Step } from './plan.ts';
import { judgeProduct } from './products.ts';

export function planInputs(graph: Graph, options: PlanOptions, types: ReadonlyMap<string, ValueType>): StaticPlan {
  const usage = usageOf(graph);
  const steps: Step[] = [];
  const untouched: { node: Node; reason: string }[] = [];
  const read = (node: Node, reads: readonly string[], product: Step['product']): void => {
    const kind = product === null ? 'join' : 'product';
    steps.push({ kind, node, product, reads, constants: [], activation: null, outputs: [] });
  };
  for (const node of graph.nodes) {
    if (options.isExcluded(node)) continue;
    if (isOp(node, 'Add')) {
      const skip = skipInput(node, graph, usage);
      if (skip !== null) read(node, [skip], null);
      continue;
    }
    const product = judgeProduct(node, graph, options.scheme);
    if (product === null) continue;
    if (typeof product === 'string') untouched.push({ node, reason: product });
    else if (product.weight === null) untouched.push({ node, reason: 'TensorRT fuses attention as a whole, in float' });
    else if (isVector(node, types)) {
      untouched.push({ node, reason: 'a product with a single row or column gains nothing' });
    } else read(node, [node.inputs[1 - product.weight.input] ?? ''], product);
  }
  const ranges = new Map(steps.flatMap(({ reads }) => reads.map((name) => [name, name] as const)));
  return { steps, ranges, storage: [], untouched };
}

/** The input of an addition that goes past the convolution the other one comes from; null when it is no residual. */
function skipInput(node: Node, graph: Graph, usage: ReturnType<typeof usageOf>): string | null {
  const [a = '', b = ''] = node.inputs;
  if (graph.initializers.has(a) || graph.initializers.has(b) || a === b) return null;
  const isStraight = (name: string): boolean =>
    usage.producer(name)?.op === 'Conv' && usage.consumers(name).length === 1 && !usage.isOutput(name);
  // Of two convolutions, as where a block changes its width, the first input is the block's.
  if (isStraight(a)) return b;
  return isStraight(b) ? a : null;
}

function isVector({ op, outputs }: Node, types: ReadonlyMap<string, ValueType>): boolean {
  const type = types.get(outputs[0] ?? '');
  if (op === 'Conv' || !isTensorType(type) || type.shape === null) return false;
  return type.shape.slice(-2).includes(1);
}
