/**
 * How many weights of each layer are exactly zero. A layer is a constant of at least two dimensions (or a quantized one)
 * that a node computes with; biases and scales are too small to matter.
 */
import type { LayerSparsity } from '@slipway/core';
import { type Initializer, loadInitializer, type Model, ONNX_DTYPES, rawBytes } from '@slipway/onnx';

/** Constants below this hold shapes, scales and indices, not weights. */
const MIN_ELEMENTS = 16;
/** Operators whose constants are biases, scales and shapes. */
const NOT_LAYERS: ReadonlySet<string> = new Set([
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Pow',
  'Where',
  'Concat',
  'Reshape',
  'Clip',
]);

export function measureSparsity(model: Model): LayerSparsity[] {
  const users = new Map<string, string>();
  // A weight behind DequantizeLinear belongs to whoever reads the result.
  const behind = new Map<string, string>();
  for (const node of model.graph.nodes) {
    const [output = ''] = node.outputs;
    for (const input of node.inputs) {
      if (!users.has(input)) users.set(input, node.op);
      if (node.op === 'DequantizeLinear' && input === node.inputs[0]) behind.set(input, output);
    }
  }
  const layers: LayerSparsity[] = [];
  for (const initializer of model.graph.initializers.values()) {
    const direct = users.get(initializer.name);
    const through = behind.get(initializer.name);
    const operator = through === undefined ? direct : (users.get(through) ?? direct);
    const elements = initializer.dims.reduce((product, dim) => product * dim, 1);
    if (operator === undefined || initializer.dims.length < 2 || elements < MIN_ELEMENTS) continue;
    if (NOT_LAYERS.has(operator)) continue;
    const zeros = countZeros(initializer);
    if (zeros !== null) layers.push({ name: initializer.name, operator, elements, zeros, dtype: initializer.dtype });
  }
  return layers;
}

/** null for types whose elements are not whole bytes of fixed size. */
function countZeros(initializer: Initializer): number | null {
  const { bits } = ONNX_DTYPES[initializer.dtype];
  if (bits < 8) return null;
  const bytes = rawBytes(loadInitializer(initializer));
  const size = bits / 8;
  if (initializer.dtype === 'float32' && bytes.byteOffset % 4 === 0) {
    let zeros = 0;
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    for (const value of values) if (value === 0) zeros++;
    return zeros;
  }
  const isFloat = initializer.dtype.includes('float');
  let zeros = 0;
  for (let at = 0; at < bytes.length; at += size) {
    let sum = 0;
    // The sign bit of a float is no value: −0 is zero. It is in the last byte of a little-endian element.
    for (let i = 0; i < size; i++) sum |= (bytes[at + i] ?? 0) & (isFloat && i === size - 1 ? 0x7f : 0xff);
    if (sum === 0) zeros++;
  }
  return zeros;
}
