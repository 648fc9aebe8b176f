/** Which nodes `quantize.dynamic` changes, in what form their weight goes in, and why it leaves the others. */
import type { PassName } from '@slipway/core';
import { type Graph, getFloat, getInt, type Initializer, isOp, type Node, subgraphsOf } from '@slipway/onnx';
import { transposed } from '../constants.ts';
import { readFinite } from '../weights.ts';

export interface Target {
  readonly kind: 'product' | 'embedding';
  readonly node: Node;
  /** The initializer as the model has it. */
  readonly weight: Initializer;
  readonly elements: number;
  /** The dims after `prepare`: of a product [K, N]. */
  readonly dims: readonly number[];
  /** What distinguishes forms of the same weight, for sharing: `''` when it goes in as it is. */
  readonly form: string;
  /** The weight in the form in which it is multiplied. */
  readonly values: (pass: PassName) => Float32Array;
  /** For Gemm: what is added to the product, and the factor that goes into it (1 except when it is constant). */
  readonly bias: { readonly name: string; readonly factor: number } | null;
}

export interface Untouched {
  readonly node: Node;
  /** Continues the sentence “… was left in float: ”. */
  readonly reason: string;
}

type Verdict = Target | string | null;

export function planDynamic(graph: Graph): {
  readonly targets: readonly Target[];
  readonly untouched: readonly Untouched[];
} {
  const targets: Target[] = [];
  const untouched: Untouched[] = [];
  for (const node of graph.nodes) {
    const verdict = judge(node, graph);
    if (typeof verdict === 'string') untouched.push({ node, reason: verdict });
    else if (verdict !== null) targets.push(verdict);
  }
  return { targets, untouched };
}

/** A target, a reason to leave the node, or null for what the pass has nothing to do with. */
function judge(node: Node, graph: Graph): Verdict {
  if (subgraphsOf(node).length > 0) return 'nodes inside control flow are not quantized';
  if (isOp(node, 'MatMul')) return judgeMatMul(node, graph);
  if (isOp(node, 'Gemm')) return judgeGemm(node, graph);
  if (isOp(node, 'Gather')) return judgeGather(node, graph);
  if (isOp(node, 'Conv') || isOp(node, 'ConvTranspose')) return 'convolutions are better quantized by quantize.static';
  if (['LSTM', 'GRU', 'RNN'].some((op) => isOp(node, op))) return 'recurrent layers are not quantized by this pass';
  return null;
}

const COMPUTED = 'both factors are computed at run time';
const NOT_FLOAT32 = 'the weight is not float32';

function judgeMatMul(node: Node, graph: Graph): Verdict {
  const weight = constantAt(node, 1, graph);
  if (weight === undefined) {
    return constantAt(node, 0, graph) === undefined ? COMPUTED : 'the weight is the left factor';
  }
  if (weight.dtype !== 'float32') return isFloat(weight) ? NOT_FLOAT32 : null;
  if (weight.dims.length !== 2) return 'the weight is not a matrix';
  return {
    ...target('product', node, weight, ''),
    dims: weight.dims,
    values: (pass) => readFinite(pass, weight),
    bias: null,
  };
}

function judgeGemm(node: Node, graph: Graph): Verdict {
  const weight = constantAt(node, 1, graph);
  if (weight === undefined) return COMPUTED;
  if (weight.dtype !== 'float32') return isFloat(weight) ? NOT_FLOAT32 : null;
  if (weight.dims.length !== 2) return 'the weight is not a matrix';
  if (getInt(node, 'transA', 0) !== 0) return 'transA is set';
  const alpha = getFloat(node, 'alpha', 1);
  const beta = getFloat(node, 'beta', 1);
  const biasName = node.inputs[2] ?? '';
  if (biasName !== '' && beta !== 1 && !graph.initializers.has(biasName)) return 'beta scales a computed tensor';

  const [rows = 0, columns = 0] = weight.dims;
  const swap = getInt(node, 'transB', 0) !== 0;
  const values = (pass: PassName): Float32Array => {
    const stored = readFinite(pass, weight);
    const matrix = swap ? transposed(stored, rows, columns) : stored;
    return alpha === 1 ? matrix : matrix.map((value) => value * alpha);
  };
  const form = `${swap ? 'transposed' : ''}${alpha === 1 ? '' : ` x ${alpha}`}`;
  const bias = biasName === '' || beta === 0 ? null : { name: biasName, factor: beta };
  return { ...target('product', node, weight, form), dims: swap ? [columns, rows] : weight.dims, values, bias };
}

function judgeGather(node: Node, graph: Graph): Verdict {
  const weight = constantAt(node, 0, graph);
  if (weight?.dtype !== 'float32' || weight.dims.length !== 2 || getInt(node, 'axis', 0) !== 0) return null;
  const [rows = 0, width = 0] = weight.dims;
  if (rows * width * 3 < width * 5 + NODE_BYTES) return 'the embedding would not become smaller';
  return {
    ...target('embedding', node, weight, ''),
    dims: weight.dims,
    values: (pass) => readFinite(pass, weight),
    bias: null,
  };
}

/** About what an added node and three added names cost in the file. */
const NODE_BYTES = 200;

function target(
  kind: Target['kind'],
  node: Node,
  weight: Initializer,
  form: string,
): Pick<Target, 'kind' | 'node' | 'weight' | 'elements' | 'form'> {
  return { kind, node, weight, elements: weight.dims.reduce((product, dim) => product * dim, 1), form };
}

const constantAt = (node: Node, input: number, graph: Graph): Initializer | undefined =>
  graph.initializers.get(node.inputs[input] ?? '');

const isFloat = ({ dtype }: Initializer): boolean => dtype === 'float16' || dtype === 'float64' || dtype === 'bfloat16';
