/**
 * Which constants of a model are weights: float initializers of rank ≥ 2 in a weight position of an operator that
 * multiplies with them, in the main graph or in a body of If, Loop or Scan. Biases, normalization parameters and embeddings
 * are not, and an initializer that is also read somewhere else (a tied embedding, a shape computation, the first
 * value of a loop) is not either: changing it would change more than was asked.
 *
 * Exporters put Reshape, Transpose and their like between an initializer and its operator; the initializer behind them is the
 * weight all the same. Bodies may multiply with an initializer of the graph around them.
 */
import {
  capturedNames,
  getInts,
  type Graph,
  type Initializer,
  isOp,
  type Node,
  type OnnxDType,
  subgraphsOf,
  type Usage,
  usageOf,
} from '@slipway/onnx';

/** Input positions that hold weights, per operator of the standard domain. */
const WEIGHT_INPUTS: ReadonlyMap<string, readonly number[]> = new Map([
  ['Conv', [1]],
  ['ConvTranspose', [1]],
  ['MatMul', [0, 1]],
  ['Gemm', [0, 1]],
  ['LSTM', [1, 2]],
  ['GRU', [1, 2]],
  ['RNN', [1, 2]],
]);

/** Operators that move elements without computing: what is behind them is the same weight. */
const MOVES: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten']);

const FLOAT: ReadonlySet<OnnxDType> = new Set<OnnxDType>(['float16', 'float32', 'float64']);

/** Nodes that show that a weight was quantized before. */
const QUANTIZED_OPS: ReadonlySet<string> = new Set([
  'DequantizeLinear',
  'MatMulInteger',
  'ConvInteger',
  'QLinearConv',
  'QLinearMatMul',
  'MatMulNBits',
  'GatherBlockQuantized',
  'QGemm',
  'QAttention',
  'DynamicQuantizeLSTM',
  'DynamicQuantizeMatMul',
]);

/** One place where a weight is multiplied with. */
export interface WeightUse {
  readonly node: Node;
  readonly input: number;
  /** Axis as the operator sees it → axis of the initializer; null where a Reshape or its like is between them. */
  readonly axes: readonly number[] | null;
}

export interface Weight {
  readonly initializer: Initializer;
  /** At least one. */
  readonly uses: readonly WeightUse[];
}

export interface Weights {
  readonly weights: readonly Weight[];
  /** Names of initializers in a weight position that something else reads as well. */
  readonly shared: readonly string[];
}

export function findWeights(graph: Graph): Weights {
  const usages = new Map<Graph, Usage>();
  const usage = (of: Graph): Usage => {
    const known = usages.get(of) ?? usageOf(of);
    usages.set(of, known);
    return known;
  };
  const weights: Weight[] = [];
  const shared: string[] = [];
  for (const one of graphsIn(graph)) {
    for (const initializer of one.initializers.values()) {
      if (!FLOAT.has(initializer.dtype) || initializer.dims.length < 2) continue;
      const all = usesOf(
        initializer.name,
        one,
        initializer.dims.map((_, axis) => axis),
        usage,
      );
      const uses = all.filter((use): use is WeightUse => use !== 'other' && isWeightPosition(use));
      if (uses.length === 0) continue;
      if (uses.length < all.length) shared.push(initializer.name);
      else weights.push({ initializer, uses });
    }
  }
  return { weights, shared };
}

/** How many nodes read constants that are quantized already. */
export function countQuantized(graph: Graph): number {
  let count = 0;
  for (const one of graphsIn(graph)) {
    const isConstant = (name: string): boolean => one.initializers.has(name);
    count += one.nodes.filter(({ op, inputs }) => QUANTIZED_OPS.has(op) && inputs.slice(0, 4).some(isConstant)).length;
  }
  return count;
}

function graphsIn(graph: Graph): Graph[] {
  return [graph, ...graph.nodes.flatMap(subgraphsOf).flatMap(graphsIn)];
}

function isWeightPosition({ node, input }: WeightUse): boolean {
  return isOp(node, node.op) && (WEIGHT_INPUTS.get(node.op)?.includes(input) ?? false);
}

/** Every use of a value, looking through operators that only move elements and into bodies that capture it. */
function usesOf(
  name: string,
  graph: Graph,
  axes: readonly number[] | null,
  usage: (graph: Graph) => Usage,
): (WeightUse | 'other')[] {
  const here = usage(graph);
  const uses = here.consumers(name).flatMap((node): (WeightUse | 'other')[] => {
    const [output = ''] = node.outputs;
    const inside = subgraphsOf(node).filter((inner) => capturedNames(inner).has(name));
    const captured = inside.flatMap((inner) => usesOf(name, inner, axes, usage));
    const read = node.inputs.flatMap((value, input) => (value === name ? [input] : []));
    if (read.length === 1 && read[0] === 0 && node.domain === '' && MOVES.has(node.op)) {
      return [...captured, ...usesOf(output, graph, moved(axes, node), usage)];
    }
    return [...captured, ...read.map((input) => ({ node, input, axes }))];
  });
  // What leaves the graph is used in a way we know nothing of.
  return here.isOutput(name) ? [...uses, 'other'] : uses;
}

function moved(axes: readonly number[] | null, node: Node): readonly number[] | null {
  if (axes === null || node.op === 'Identity') return axes;
  if (node.op !== 'Transpose') return null;
  const perm = getInts(node, 'perm') ?? axes.map((_, i) => axes.length - 1 - i);
  return perm.map((axis) => axes[axis] ?? 0);
}
