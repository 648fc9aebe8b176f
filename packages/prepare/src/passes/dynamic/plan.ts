/** Which nodes `quantize.dynamic` changes, in what form their weight goes in, and why it leaves the others. */
import type { PassName } from '@slipway/core';
import {
  getFloat,
  getInt,
  getInts,
  type Graph,
  type Initializer,
  isOp,
  MS_DOMAIN,
  type Node,
  subgraphsOf,
} from '@slipway/onnx';
import { transposed } from '../constants.ts';
import { readFinite } from '../weights.ts';

export interface Target {
  readonly kind: 'product' | 'embedding' | 'convolution' | 'lstm' | 'attention';
  readonly node: Node;
  /** The initializers that are quantized, as the model has them: one, or of an LSTM two. */
  readonly weights: readonly Initializer[];
  /** The dims of the first after `values`: of a product [K, N]. */
  readonly dims: readonly number[];
  /** What distinguishes forms of the same weight, for sharing: `''` when it goes in as it is. */
  readonly form: string;
  /** The first weight in the form in which it is multiplied. */
  readonly values: (pass: PassName) => Float32Array;
  /** For Gemm: what is added to the product, and the factor that goes into it (1 except when it is constant). */
  readonly bias: { readonly name: string; readonly factor: number } | null;
}

/** Which convolutions: those per channel (depthwise) gain least and are the first to be slower. */
export type Convolutions = 'none' | 'dense' | 'all';

/** Looks a constant up, in the graph of the node or around it. */
export type Constants = (name: string) => Initializer | undefined;

/** A target, a reason to leave the node (“… left in float: ”), or null for what the pass has nothing to do with. */
export function judgeDynamic(node: Node, constants: Constants, convolutions: Convolutions): Target | string | null {
  if (isOp(node, 'MatMul')) return judgeMatMul(node, constants);
  if (isOp(node, 'Gemm')) return judgeGemm(node, constants);
  if (isOp(node, 'Gather')) return judgeEmbedding(node, constants);
  if (isOp(node, 'Conv')) return judgeConv(node, constants, convolutions);
  if (isOp(node, 'LSTM')) return judgeLstm(node, constants);
  if (isOp(node, 'Attention', MS_DOMAIN)) return judgeAttention(node, constants);
  if (isOp(node, 'ConvTranspose')) return 'ONNX Runtime has no integer kernel for transposed convolutions';
  if (isOp(node, 'GRU') || isOp(node, 'RNN')) return 'ONNX Runtime has no integer kernel for GRU and RNN';
  return null;
}

/** What of a graph and the bodies in it would be quantized, without doing it. */
export function planDynamic(
  graph: Graph,
  convolutions: Convolutions,
  outer: Constants = () => undefined,
): { readonly done: readonly Target[]; readonly left: readonly { readonly node: Node; readonly reason: string }[] } {
  const done: Target[] = [];
  const left: { node: Node; reason: string }[] = [];
  const constants: Constants = (name) => graph.initializers.get(name) ?? outer(name);
  for (const node of graph.nodes) {
    for (const body of subgraphsOf(node)) {
      const inner = planDynamic(body, convolutions, constants);
      done.push(...inner.done);
      left.push(...inner.left);
    }
    const verdict = judgeDynamic(node, constants, convolutions);
    if (typeof verdict === 'string') left.push({ node, reason: verdict });
    else if (verdict !== null) done.push(verdict);
  }
  return { done, left };
}

const COMPUTED = 'both factors are computed at run time';
const NOT_FLOAT32 = 'the weight is not float32';
const WEIGHT_COMPUTED = 'the weight is computed at run time';

function judgeMatMul(node: Node, constants: Constants): Target | string | null {
  const weight = constantAt(node, 1, constants);
  if (weight === undefined) {
    return constantAt(node, 0, constants) === undefined ? COMPUTED : 'the weight is the left factor';
  }
  if (weight.dtype !== 'float32') return isFloat(weight) ? NOT_FLOAT32 : null;
  return weight.dims.length === 2 ? target('product', node, weight) : 'the weight is not a matrix';
}

function judgeGemm(node: Node, constants: Constants): Target | string | null {
  const weight = constantAt(node, 1, constants);
  if (weight === undefined) return COMPUTED;
  if (weight.dtype !== 'float32') return isFloat(weight) ? NOT_FLOAT32 : null;
  if (weight.dims.length !== 2) return 'the weight is not a matrix';
  if (getInt(node, 'transA', 0) !== 0) return 'transA is set';
  const alpha = getFloat(node, 'alpha', 1);
  const beta = getFloat(node, 'beta', 1);
  const biasName = node.inputs[2] ?? '';
  if (biasName !== '' && beta !== 1 && constants(biasName) === undefined) return 'beta scales a computed tensor';

  const [rows = 0, columns = 0] = weight.dims;
  const swap = getInt(node, 'transB', 0) !== 0;
  const values = (pass: PassName): Float32Array => {
    const stored = readFinite(pass, weight);
    const matrix = swap ? transposed(stored, rows, columns) : stored;
    return alpha === 1 ? matrix : matrix.map((value) => value * alpha);
  };
  const form = `${swap ? 'transposed' : ''}${alpha === 1 ? '' : ` x ${alpha}`}`;
  const bias = biasName === '' || beta === 0 ? null : { name: biasName, factor: beta };
  return { ...target('product', node, weight), dims: swap ? [columns, rows] : weight.dims, form, values, bias };
}

/** About what an added node and three added names cost in the file. */
const NODE_BYTES = 200;

/** Also asked by `quantize.static`, which stores embeddings in the same way. */
export function judgeEmbedding(node: Node, constants: Constants): Target | string | null {
  if (!isOp(node, 'Gather')) return null;
  const weight = constantAt(node, 0, constants);
  if (weight?.dtype !== 'float32' || weight.dims.length !== 2 || getInt(node, 'axis', 0) !== 0) return null;
  const [rows = 0, width = 0] = weight.dims;
  if (rows * width * 3 < width * 5 + NODE_BYTES) return 'the embedding would not become smaller';
  return target('embedding', node, weight);
}

function judgeConv(node: Node, constants: Constants, convolutions: Convolutions): Target | string | null {
  const weight = constantAt(node, 1, constants);
  if (weight === undefined) return WEIGHT_COMPUTED;
  if (weight.dtype !== 'float32') return isFloat(weight) ? NOT_FLOAT32 : null;
  if (convolutions === 'none') {
    return 'convolutions are better quantized by quantize.static, and here only on request (`convolutions`)';
  }
  const isDepthwise = getInt(node, 'group', 1) > 1 && weight.dims[1] === 1;
  if (convolutions === 'dense' && isDepthwise) return 'depthwise convolutions are slower so than in float';
  return target('convolution', node, weight);
}

function judgeLstm(node: Node, constants: Constants): Target | string | null {
  const [input, recurrent] = [constantAt(node, 1, constants), constantAt(node, 2, constants)];
  if (input === undefined || recurrent === undefined) return WEIGHT_COMPUTED;
  if (input.dtype !== 'float32' || recurrent.dtype !== 'float32') return NOT_FLOAT32;
  if (getInt(node, 'layout', 0) !== 0) return 'ONNX Runtime’s integer LSTM knows layout 0 only';
  return { ...target('lstm', node, input), weights: [input, recurrent] };
}

/** ONNX Runtime's own Attention, which its optimizer for transformers writes. */
function judgeAttention(node: Node, constants: Constants): Target | string | null {
  const weight = constantAt(node, 1, constants);
  if (weight === undefined) return WEIGHT_COMPUTED;
  if (weight.dtype !== 'float32') return NOT_FLOAT32;
  if (getInts(node, 'qkv_hidden_sizes') !== undefined) return 'QAttention has one width for query, key and value';
  if (node.inputs.slice(5).some((name) => name !== '')) return 'QAttention takes no bias of the scores';
  return target('attention', node, weight);
}

function target(kind: Target['kind'], node: Node, weight: Initializer): Target {
  const values = (pass: PassName): Float32Array => readFinite(pass, weight);
  return { kind, node, weights: [weight], dims: weight.dims, form: '', values, bias: null };
}

const constantAt = (node: Node, input: number, constants: Constants): Initializer | undefined =>
  constants(node.inputs[input] ?? '');

const isFloat = ({ dtype }: Initializer): boolean => dtype === 'float16' || dtype === 'float64' || dtype === 'bfloat16';
