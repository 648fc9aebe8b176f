/**
 * The nodes that read codes.
 *
 *     matmulnbits   y = MatMulNBits(x, codes, scales[, zeros, , bias])
 *                   e = GatherBlockQuantized(codes, ids, scales[, zeros])
 *     dequantize    y = MatMul(x, DequantizeLinear(codes, scales[, zeros])) [+ bias]
 *                   e = Cast(Gather(codes, ids)) · Gather(scales, ids)         8 bits, one scale per entry
 *
 * In the second form every product has a DequantizeLinear of its own, also where weights are shared: ONNX Runtime turns the
 * pair into MatMulNBits only when nothing else reads what is dequantized. Entries of a table are not made float by DequantizeLinear, because ONNX Runtime takes one before a product
 * for a quantized activation, whose zero point it wants to be a scalar, and then cannot run. Nodes keep their names.
 */
import { numbersToFloat16 } from '@slipway/core';
import {
  createInitializer,
  createNode,
  floatsOf,
  type GraphEditor,
  intAttribute,
  loadInitializer,
  MS_DOMAIN,
  type Node,
  ONNX_DTYPES,
  withNode,
} from '@slipway/onnx';
import { blocksPerRow } from './blocks.ts';
import type { Target } from './judge.ts';
import type { Settings } from './settings.ts';
import type { Stored } from './store.ts';

export interface EmitOptions {
  readonly format: Settings['format'];
  /** For MatMulNBits; 0 is what the operator does without it. */
  readonly accuracyLevel: number;
  /** A name that no value in the model has. */
  readonly unique: (base: string) => string;
}

/** @param input what the product reads: the first input of the node, unless it is scaled */
export function emitTarget(
  editor: GraphEditor,
  target: Target,
  stored: Stored,
  input: string,
  options: EmitOptions,
): void {
  const { node, kind } = target;
  if (kind === 'product') editor.replace(node, ...productNodes(editor, target, stored, input, options));
  else editor.replace(node, ...embeddingNodes(editor, target, stored, options));
}

function productNodes(
  editor: GraphEditor,
  target: Target,
  stored: Stored,
  input: string,
  options: EmitOptions,
): Node[] {
  const { node } = target;
  const [output = ''] = node.outputs;
  const bias = biasOf(editor, target, options);
  const fused = bias?.isVector === true && options.format === 'matmulnbits' ? bias.name : '';
  const added = fused === '' ? bias : null;
  const product = added === null ? output : options.unique(`${output}_product`);
  const nodes =
    options.format === 'matmulnbits'
      ? [matMulNBits(target, stored, input, product, fused, options.accuracyLevel)]
      : dequantizedProduct(editor, target, stored, input, product, options);
  if (added !== null) {
    const name = editor.uniqueNodeName(`${node.name === '' ? output : node.name}_Add`);
    nodes.push(createNode('Add', [product, added.name], [output], { name }));
  }
  return nodes;
}

function matMulNBits(
  { node, grid }: Target,
  { codes, scales, zeroPoints }: Stored,
  input: string,
  output: string,
  bias: string,
  accuracyLevel: number,
): Node {
  const inputs = [input, codes, scales, zeroPoints ?? '', '', bias];
  while (inputs.at(-1) === '') inputs.pop();
  const attributes = [
    intAttribute('K', grid.columns),
    intAttribute('N', grid.rows),
    intAttribute('bits', grid.bits),
    intAttribute('block_size', grid.blockSize),
    ...(accuracyLevel === 0 ? [] : [intAttribute('accuracy_level', accuracyLevel)]),
  ];
  return createNode('MatMulNBits', inputs, [output], { name: node.name, domain: MS_DOMAIN, attributes });
}

function dequantizedProduct(
  editor: GraphEditor,
  { node, grid, weight }: Target,
  { codes, scales, zeroPoints }: Stored,
  input: string,
  output: string,
  { unique }: EmitOptions,
): Node[] {
  const attributes =
    blocksPerRow(grid) === 1
      ? [intAttribute('axis', 1)]
      : [intAttribute('axis', 0), intAttribute('block_size', grid.blockSize)];
  const float = unique(`${weight.name}_dequantized`);
  const name = editor.uniqueNodeName(`${node.name === '' ? output : node.name}_DequantizeLinear`);
  return [
    createNode('DequantizeLinear', [codes, scales, ...(zeroPoints === null ? [] : [zeroPoints])], [float], {
      name,
      attributes,
    }),
    createNode('MatMul', [input, float], [output], { name: node.name }),
  ];
}

function embeddingNodes(
  editor: GraphEditor,
  { node, grid }: Target,
  { codes, scales, zeroPoints }: Stored,
  { format, unique }: EmitOptions,
): Node[] {
  const [, ids = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const { bits, blockSize } = grid;
  if (format === 'matmulnbits') {
    const attributes = [
      intAttribute('gather_axis', 0),
      intAttribute('quantize_axis', 1),
      intAttribute('block_size', blockSize),
      intAttribute('bits', bits),
    ];
    const inputs = [codes, ids, scales, ...(zeroPoints === null ? [] : [zeroPoints])];
    return [createNode('GatherBlockQuantized', inputs, [output], { name: node.name, domain: MS_DOMAIN, attributes })];
  }
  const name = (op: string): string => editor.uniqueNodeName(`${node.name === '' ? output : node.name}_${op}`);
  const entries = unique(`${output}_codes`);
  const factors = unique(`${output}_scales`);
  const values = unique(`${output}_values`);
  const type = ONNX_DTYPES[grid.half ? 'float16' : 'float32'].code;
  return [
    withNode(node, { inputs: [codes, ids], outputs: [entries] }),
    createNode('Gather', [scales, ids], [factors], { name: name('Gather') }),
    createNode('Cast', [entries], [values], { name: name('Cast'), attributes: [intAttribute('to', type)] }),
    createNode('Mul', [values, factors], [output], { name: name('Mul') }),
  ];
}

interface Bias {
  readonly name: string;
  /** One constant per output, which MatMulNBits can add itself. */
  readonly isVector: boolean;
}

/** What Gemm adds, times beta; null when it adds nothing. */
function biasOf(editor: GraphEditor, { bias, grid, node }: Target, { unique }: EmitOptions): Bias | null {
  if (bias === null) return null;
  const { name, factor, constant } = bias;
  if (constant === null) return { name, isVector: false };
  const count = constant.dims.reduce((product, dim) => product * dim, 1);
  const isVector = count === 1 || (count === grid.rows && constant.dims.at(-1) === grid.rows);
  const asIs = factor === 1 && (!isVector || (constant.dims.length === 1 && count === grid.rows));
  // MatMulNBits computes in the type of its scales.
  const sameType = constant.dtype === (grid.half ? 'float16' : 'float32');
  if (!sameType) return { name, isVector: false };
  if (asIs) return { name, isVector };
  const values = floatsOf(loadInitializer(constant));
  const scaled = Float32Array.from({ length: isVector ? grid.rows : count }, (_, i) => {
    return (values[count === 1 ? 0 : i] ?? 0) * factor;
  });
  const data = grid.half ? numbersToFloat16(scaled) : scaled;
  const made = unique(`${name}_${node.name}`);
  const dims = isVector ? [grid.rows] : constant.dims;
  editor.setInitializer(createInitializer(made, constant.dtype, dims, new Uint8Array(data.buffer)));
  return { name: made, isVector };
}
