/**
 * Writes a bias that is added to a product of rank 3 or more as [1, …, 1, n] instead of [n], where activations are int8.
 *
 * ONNX Runtime 1.30 makes a Gemm between two Reshapes of such a product and a bias of rank 1 (MatMulAddFusion), moves
 * the quantization of the product's input behind the first Reshape, and declares the zero point it writes there uint8
 * whatever it was. From operator set 21 on it then refuses its own graph: "output_dtype INT8 does not match y_zero_point
 * type UINT8". A bias of another rank is not fused, and the product stays an integer kernel.
 */
import type { Tensor } from '@slipway/core';
import {
  type GraphEditor,
  type Initializer,
  initializerOf,
  isOp,
  isTensorType,
  loadInitializer,
  type Model,
  type Node,
  opsetOf,
  toTensor,
  type ValueType,
} from '@slipway/onnx';
import type { Scheme } from './scheme.ts';

/** The first whose QuantizeLinear says its type. */
const TYPED_OPSET = 21;

export const needsWideBiases = (model: Model, { activations, format }: Scheme): boolean =>
  activations === 'int8' && format === 'qdq' && opsetOf(model) >= TYPED_OPSET;

/**
 * @param constants of all graphs: a body reads those around it
 * @param sources of constants made here, what they were made of
 */
export function widenBiases(
  editor: GraphEditor,
  constants: ReadonlyMap<string, Initializer>,
  types: ReadonlyMap<string, ValueType>,
  sources: Map<string, readonly string[]>,
): void {
  const constant = (name = ''): Initializer | undefined => editor.initializer(name) ?? constants.get(name);
  for (const node of editor.nodes) {
    if (!isOp(node, 'Add')) continue;
    const at = node.inputs.findIndex((name) => constant(name)?.dims.length === 1);
    const bias = constant(node.inputs[at]);
    const product = editor.producer(node.inputs[1 - at] ?? '');
    const rank = product === undefined ? null : rankOf(product, constant, types);
    if (bias === undefined || bias.dtype !== 'float32' || rank === null || rank < 3) continue;
    const { dtype, data } = toTensor(loadInitializer(bias));
    const shape = [...Array.from({ length: rank - 1 }, () => 1), ...bias.dims];
    const name = editor.uniqueName(`${bias.name}_row`);
    editor.setInitializer(initializerOf(name, { dtype, shape, data } as Tensor));
    sources.set(name, [bias.name, ...(sources.get(bias.name) ?? [])]);
    editor.update(node, { inputs: node.inputs.with(at, name) });
  }
}

/** Of what a product with a matrix of constants computes; null when it is another node, or not known. */
function rankOf(
  product: Node,
  constant: (name: string) => Initializer | undefined,
  types: ReadonlyMap<string, ValueType>,
): number | null {
  if (!isOp(product, 'MatMul')) return null;
  const [left = '', right = ''] = product.inputs;
  const type = types.get(left);
  if (constant(right)?.dims.length !== 2 || !isTensorType(type)) return null;
  return type.shape?.length ?? null;
}
