/**
 * Which constants of a graph are weights: float initializers of rank ≥ 2 in a weight position of an operator that
 * multiplies with them. Biases, normalization parameters and embeddings are not, and an initializer that is also read
 * somewhere else (a tied embedding, a shape computation) is not either: changing it would change more than was asked.
 *
 * Exporters put Reshape, Transpose and their like between an initializer and its operator; the initializer behind them
 * is the weight all the same.
 */
import { fail, type PassName } from '@slipway/core';
import {
  floatsOf,
  type Graph,
  type Initializer,
  isOp,
  loadInitializer,
  type Node,
  type OnnxDType,
  toTensor,
  usageOf,
} from '@slipway/onnx';
import { allFinite } from './loops.ts';

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
  'QGemm',
  'QAttention',
  'DynamicQuantizeLSTM',
  'DynamicQuantizeMatMul',
]);

export interface Weight {
  readonly initializer: Initializer;
  /** The operators that multiply with it. */
  readonly users: readonly Node[];
}

export interface Weights {
  readonly weights: readonly Weight[];
  /** Names of initializers in a weight position that something else reads as well. */
  readonly shared: readonly string[];
}

export function findWeights(graph: Graph): Weights {
  const usage = usageOf(graph);
  const weights: Weight[] = [];
  const shared: string[] = [];
  for (const initializer of graph.initializers.values()) {
    if (!FLOAT.has(initializer.dtype) || initializer.dims.length < 2) continue;
    const uses = usesOf(initializer.name, usage);
    const users = uses.filter(({ node, input }) => WEIGHT_INPUTS.get(standardOp(node))?.includes(input) ?? false);
    if (users.length === 0) continue;
    const otherwise = users.length < uses.length || usage.isOutput(initializer.name);
    if (otherwise) shared.push(initializer.name);
    else weights.push({ initializer, users: [...new Set(users.map(({ node }) => node))] });
  }
  return { weights, shared };
}

/** How many constants are quantized already. */
export function countQuantized(graph: Graph): number {
  const isConstant = (name: string | undefined): boolean => name !== undefined && graph.initializers.has(name);
  return graph.nodes.filter((node) => QUANTIZED_OPS.has(node.op) && node.inputs.slice(0, 4).some(isConstant)).length;
}

interface Use {
  readonly node: Node;
  readonly input: number;
}

/** Every use of a value, looking through operators that only move elements. */
function usesOf(name: string, usage: ReturnType<typeof usageOf>): Use[] {
  return usage.consumers(name).flatMap((node): Use[] => {
    const input = node.inputs.indexOf(name);
    const [output = ''] = node.outputs;
    if (input === 0 && node.domain === '' && MOVES.has(node.op)) {
      // A moved weight that leaves the graph is a use of another kind.
      return usage.isOutput(output) ? [{ node, input }] : usesOf(output, usage);
    }
    return node.inputs.flatMap((read, index) => (read === name ? [{ node, input: index }] : captured(node, input)));
  });
}

/** A value only read inside a subgraph is not among the inputs of the node that holds it: a use we know nothing of. */
const captured = (node: Node, input: number): Use[] => (input === -1 ? [{ node, input }] : []);

const standardOp = (node: Node): string => (isOp(node, node.op) ? node.op : '');

/** The elements of a float initializer as float32, read from its file if it has its own. */
export function readFloat32(initializer: Initializer): Float32Array {
  return floatsOf(loadInitializer(initializer));
}

/**
 * The same, of a constant that is to be quantized: values that are not finite have no place on any scale.
 * @throws PASS_NOT_APPLICABLE naming the constant
 */
export function readFinite(pass: PassName, initializer: Initializer): Float32Array {
  const values = readFloat32(initializer);
  if (allFinite(values)) return values;
  const problem = `the constant "${initializer.name}" has values that are not finite; exclude it, or repair the model`;
  throw fail('PASS_NOT_APPLICABLE', { pass, problem });
}

export type Floats = Float32Array | Float64Array;

/** The elements of a float16, float32 or float64 initializer, exactly; shared with the model where possible. */
export function readFloats(initializer: Initializer): Floats {
  const loaded = loadInitializer(initializer);
  return loaded.dtype === 'float64' ? (toTensor(loaded).data as Float64Array) : floatsOf(loaded);
}
