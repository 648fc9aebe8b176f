/**
 * Convolutions and matrix products: which can compute in integers, along which axis of the weight its channels have
 * scales of their own, and why the others cannot.
 */
import { getInt, type Graph, type Initializer, isOp, type Node } from '@slipway/onnx';
import { alongAxis } from '../channel-scale/fold.ts';
import { isFloat32 } from './operators.ts';
import type { Scheme } from './scheme.ts';

export interface Product {
  readonly node: Node;
  /** null: both factors are computed. */
  readonly weight: ProductWeight | null;
}

export interface ProductWeight {
  /** Its position among the inputs. */
  readonly input: 0 | 1;
  /** Where the output channels lie; null when kernels want one scale for the whole weight. */
  readonly axis: number | null;
  /** A weight on the left is stored like the activations: kernels have no other pair of types there. */
  readonly like: 'weights' | 'activations';
}

/** A product to quantize, the reason to leave it, or null when it is no product at all. */
export function judgeProduct(node: Node, graph: Graph, scheme: Pick<Scheme, 'activations'>): Product | string | null {
  if (node.domain !== '') return null;
  const constant = (input: number): Initializer | undefined => graph.initializers.get(node.inputs[input] ?? '');
  const [left, right] = [constant(0), constant(1)];
  if (['Conv', 'MatMul', 'Gemm'].includes(node.op) && left !== undefined && right !== undefined) return null;
  switch (node.op) {
    case 'Conv': {
      if (right === undefined) return 'the weight is computed at run time';
      if (!isFloat32(right)) return notFloat32(right);
      const hasBias = (node.inputs[2] ?? '') !== '';
      return hasBias && !isFloat32(constant(2)) ? 'the bias is computed at run time' : rightWeight(node, 0);
    }
    case 'MatMul':
      if (right !== undefined) {
        if (!isFloat32(right)) return notFloat32(right);
        // A matrix per batch has no axis that DequantizeLinear could give its channels.
        return rightWeight(node, right.dims.length === 2 ? 1 : null);
      }
      if (left === undefined) return { node, weight: null };
      if (!isFloat32(left)) return notFloat32(left);
      return scheme.activations === 'int8'
        ? 'the weight is the left factor, for which there is no kernel with int8 activations'
        : { node, weight: { input: 0, axis: null, like: 'activations' } };
    case 'Gemm':
      if (right === undefined) {
        return left === undefined ? 'both factors are computed at run time' : 'the weight is the left factor';
      }
      if (!isFloat32(right)) return notFloat32(right);
      return gemmBias(node, graph) === undefined
        ? 'the bias is not one number per column'
        : rightWeight(node, getInt(node, 'transB', 0) === 0 ? 1 : 0);
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      return 'recurrent layers are not quantized by this pass';
    default:
      return null;
  }
}

/**
 * A transposed convolution has no integer kernel: it keeps computing in float, and its weight is stored quantized, alone.
 * Null for other nodes and weights.
 */
export function judgeStorage(node: Node, graph: Graph): Product | null {
  const weight = graph.initializers.get(node.inputs[1] ?? '');
  if (!isOp(node, 'ConvTranspose') || !isFloat32(weight)) return null;
  // The output channels of a group: with several groups each stands for several.
  return rightWeight(node, getInt(node, 'group', 1) === 1 ? 1 : null);
}

const rightWeight = (node: Node, axis: number | null): Product => ({
  node,
  weight: { input: 1, axis, like: 'weights' },
});

/** One number per column of the output, without beta; null when there is no bias, undefined when it is something else. */
export function gemmBias(node: Node, graph: Graph): Float32Array | null | undefined {
  const name = node.inputs[2] ?? '';
  if (name === '') return null;
  const weight = graph.initializers.get(node.inputs[1] ?? '');
  const bias = graph.initializers.get(name);
  if (bias?.dtype !== 'float32' || weight === undefined) return undefined;
  return alongAxis(bias, 2, 1, weight.dims[getInt(node, 'transB', 0) === 0 ? 1 : 0] ?? 0);
}

const notFloat32 = ({ dtype }: Initializer): string | null =>
  dtype === 'float16' || dtype === 'float64' || dtype === 'bfloat16' ? 'the weight is not float32' : null;
