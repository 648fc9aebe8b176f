/**
 * Where 8-bit computation begins and ends: which nodes compute in integers, which tensors are therefore quantized, and which
 * of those share a range.
 *
 * Three kinds of node. `product`: Conv, Gemm, MatMul with a constant weight; the reason for everything. `join`: Add, Mul,
 * Concat, average pools; worth it only between quantized neighbours. `move`: MaxPool, Reshape and their like, which do
 * not change values, so that their output has the range of their input; likewise only in between. A node outside is
 * left in float, because a quantize/dequantize pair around a single cheap operator costs time and accuracy and gains nothing.
 *
 * A Relu or Clip after a node whose output is quantized disappears: the quantized range ends where it would clip. Not so when
 * ranges are symmetric: then it is a node in between like others.
 */
import { getInt, type Graph, type Initializer, isOp, type Node, subgraphsOf, usageOf } from '@slipway/onnx';
import { readFloat32 } from '../weights.ts';
import { alongAxis } from './fuse.ts';

export interface Step {
  readonly kind: 'product' | 'join' | 'move';
  readonly node: Node;
  /** A Relu or Clip right after it that is absorbed, when the output is quantized. */
  readonly activation: Node | null;
  /** The value the step computes: the output of the activation, if one is absorbed. */
  readonly output: string;
}

export interface StaticPlan {
  readonly steps: readonly Step[];
  /** Every tensor to quantize → the tensor whose range it has (itself, except behind moves). */
  readonly ranges: ReadonlyMap<string, string>;
  readonly untouched: readonly { readonly node: Node; readonly reason: string }[];
}

const JOINS: ReadonlySet<string> = new Set(['Add', 'Mul', 'Concat', 'AveragePool', 'GlobalAveragePool']);
const MOVES: ReadonlySet<string> = new Set([
  'MaxPool',
  'Reshape',
  'Flatten',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Identity',
]);

export interface PlanOptions {
  readonly isExcluded: (node: Node) => boolean;
  /** Whether quantized ranges end where activation functions clip; ranges that are symmetric do not. */
  readonly absorbs: boolean;
}

export function planStatic(graph: Graph, { isExcluded, absorbs }: PlanOptions): StaticPlan {
  const usage = usageOf(graph);
  const untouched: { node: Node; reason: string }[] = [];
  const absorbed = new Set<Node>();

  const step = (kind: Step['kind'], node: Node): Step => {
    const [output = ''] = node.outputs;
    const consumers = usage.isOutput(output) ? [] : usage.consumers(output);
    const [next] = consumers;
    const isAlone = absorbs && consumers.length === 1;
    const activation = isAlone && next !== undefined && !isExcluded(next) && isActivation(next, graph) ? next : null;
    return { kind, node, activation, output: activation?.outputs[0] ?? output };
  };

  // Products first: what they read is quantized whatever happens around them.
  const products = new Map<Node, Step>();
  for (const node of graph.nodes) {
    const reason = judgeProduct(node, graph);
    if (reason === null || isExcluded(node)) continue;
    if (reason !== '') untouched.push({ node, reason });
    else products.set(node, step('product', node));
  }

  // Forward: what could be computed from quantized values.
  const available = new Set([...products.keys()].map((node) => node.inputs[0] ?? ''));
  const candidates: Step[] = [];
  for (const node of graph.nodes) {
    const own = products.get(node) ?? candidate(node, graph, available, { isExcluded, absorbs }, absorbed, step);
    if (own === null) continue;
    candidates.push(own);
    available.add(own.output);
    if (own.activation !== null) absorbed.add(own.activation);
  }

  // Backward: what somebody wants in 8 bits.
  const wanted = new Set<string>();
  const steps: Step[] = [];
  for (const each of candidates.reverse()) {
    const isWanted = wanted.has(each.output);
    if (each.kind !== 'product' && !isWanted) continue;
    for (const name of activationsOf(each.node, graph)) wanted.add(name);
    steps.push(isWanted || needsQuantizedOutput(each.node) ? each : withoutActivation(each));
  }
  steps.reverse();
  return { steps, ranges: rangesOf(steps, wanted), untouched };
}

/** The tensors a step reads that are not constants. */
export function activationsOf(node: Node, graph: Graph): string[] {
  const data = node.op === 'Add' || node.op === 'Mul' || node.op === 'Concat' ? node.inputs : node.inputs.slice(0, 1);
  return data.filter((name) => !graph.initializers.has(name));
}

/** Gemm and MatMul can give float32 from integers; a convolution has no such kernel. */
const needsQuantizedOutput = (node: Node): boolean => node.op === 'Conv';

const withoutActivation = (step: Step): Step =>
  step.activation === null ? step : { ...step, activation: null, output: step.node.outputs[0] ?? '' };

function rangesOf(steps: readonly Step[], wanted: ReadonlySet<string>): Map<string, string> {
  const ranges = new Map<string, string>();
  const moved = new Map(
    steps.filter(({ kind }) => kind === 'move').map(({ node, output }) => [output, node.inputs[0] ?? '']),
  );
  const rootOf = (name: string): string => {
    let root = name;
    for (let next = moved.get(root); next !== undefined; next = moved.get(root)) root = next;
    return root;
  };
  // In the order in which they are computed, so that the first tensor that is not finite is the one that is named.
  for (const { node, output } of steps) {
    for (const name of [...node.inputs, output]) {
      const isOwn = name === output && needsQuantizedOutput(node);
      if (isOwn || wanted.has(name)) ranges.set(name, rootOf(name));
    }
  }
  return ranges;
}

function candidate(
  node: Node,
  graph: Graph,
  available: ReadonlySet<string>,
  { isExcluded, absorbs }: PlanOptions,
  absorbed: ReadonlySet<Node>,
  step: (kind: Step['kind'], node: Node) => Step,
): Step | null {
  if (node.domain !== '' || isExcluded(node) || absorbed.has(node)) return null;
  const inputs = activationsOf(node, graph);
  if (inputs.length === 0 || !inputs.every((name) => available.has(name))) return null;
  // A move keeps its range, so that it cannot absorb what would change it.
  if (MOVES.has(node.op) && node.outputs.length === 1) {
    return { kind: 'move', node, activation: null, output: node.outputs[0] ?? '' };
  }
  if (!absorbs && isActivation(node, graph)) return step('join', node);
  if (!JOINS.has(node.op)) return null;
  const constants =
    node.op === 'Concat' || node.op === 'Add' || node.op === 'Mul' ? node.inputs.length - inputs.length : 0;
  return constants === 0 ? step('join', node) : null;
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

/** `''`: a product to quantize. Otherwise the reason to leave it, or null when it is no product at all. */
function judgeProduct(node: Node, graph: Graph): string | null {
  if (subgraphsOf(node).length > 0) return 'nodes inside control flow are not quantized';
  if (node.domain !== '') return null;
  const constant = (input: number): Initializer | undefined => graph.initializers.get(node.inputs[input] ?? '');
  const weight = constant(1);
  if (['Conv', 'MatMul', 'Gemm'].includes(node.op) && weight !== undefined && constant(0) !== undefined) return null;
  switch (node.op) {
    case 'Conv':
      if (weight === undefined) return 'the weight is computed at run time';
      if (weight.dtype !== 'float32') return isFloat(weight) ? 'the weight is not float32' : null;
      return (node.inputs[2] ?? '') === '' || constant(2)?.dtype === 'float32'
        ? ''
        : 'the bias is computed at run time';
    case 'MatMul':
      if (weight === undefined) {
        return constant(0) === undefined ? 'both factors are computed at run time' : 'the weight is the left factor';
      }
      if (weight.dtype !== 'float32') return isFloat(weight) ? 'the weight is not float32' : null;
      return weight.dims.length === 2 ? '' : 'the weight is not a matrix';
    case 'Gemm':
      if (weight === undefined) return 'both factors are computed at run time';
      if (weight.dtype !== 'float32') return isFloat(weight) ? 'the weight is not float32' : null;
      if (getInt(node, 'transA', 0) !== 0) return 'transA is set';
      return gemmBias(node, graph) === undefined ? 'the bias is not one number per column' : '';
    case 'ConvTranspose':
      return 'ONNX Runtime has no integer kernel for transposed convolutions';
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      return 'recurrent layers are not quantized by this pass';
    default:
      return null;
  }
}

/** One number per column of the output, without beta; null when there is no bias, undefined when it is something else. */
export function gemmBias(node: Node, graph: Graph): Float32Array | null | undefined {
  const name = node.inputs[2] ?? '';
  if (name === '') return null;
  const weight = graph.initializers.get(node.inputs[1] ?? '');
  const bias = graph.initializers.get(name);
  if (bias?.dtype !== 'float32' || weight === undefined) return undefined;
  return alongAxis(bias, 2, 1, weight.dims[getInt(node, 'transB', 0) === 0 ? 1 : 0] ?? 0);
}

const isFloat = ({ dtype }: Initializer): boolean => dtype === 'float16' || dtype === 'float64' || dtype === 'bfloat16';
