/**
 * Puts quantized constants into a graph, each once: several nodes that read the same weight in the same form share
 * what is stored. Names say where they come from: `W` becomes `W_quantized`, `W_scale`, `W_zero_point`.
 */
import { bytesOf, type NumericDType, type Tensor } from '@slipway/core';
import { createInitializer, type GraphEditor, initializerOf } from '@slipway/onnx';
import { QUANTIZED, type QuantizedDType, type QuantizedTensor } from './affine.ts';

/** Names of the initializers of one quantized constant. */
export interface StoredConstant {
  readonly quantized: string;
  readonly scale: string;
  readonly zeroPoint: string;
  /** null: one scale. */
  readonly axis: number | null;
}

/** Add a numeric initializer under a free name like `base`. */
export function store(editor: GraphEditor, base: string, value: Tensor & { dtype: NumericDType }): string {
  const name = editor.uniqueName(base);
  editor.setInitializer(initializerOf(name, value));
  return name;
}

/** Add a quantized tensor with its parameters: scalars when it has one scale, else one element per channel. */
export function storeQuantized(
  editor: GraphEditor,
  base: string,
  dims: readonly number[],
  value: QuantizedTensor,
): StoredConstant {
  const shape = value.axis === null ? [] : [value.scales.length];
  const { dtype, data, zeroPoints } = value;
  return {
    quantized: storeIntegers(editor, `${base}_quantized`, dtype, dims, data),
    scale: store(editor, `${base}_scale`, { dtype: 'float32', shape, data: value.scales }),
    zeroPoint: storeIntegers(editor, `${base}_zero_point`, dtype, shape, zeroPoints),
    axis: value.axis,
  };
}

/** Add quantized elements, one per array element; those of 4 bits are packed two to a byte, the first in the low half. */
export function storeIntegers(
  editor: GraphEditor,
  base: string,
  dtype: QuantizedDType,
  dims: readonly number[],
  data: QuantizedTensor['data'],
): string {
  const name = editor.uniqueName(base);
  const bytes = QUANTIZED[dtype].bits === 4 ? packNibbles(data) : bytesOf(data);
  editor.setInitializer(createInitializer(name, dtype, dims, bytes));
  return name;
}

function packNibbles(values: ArrayLike<number>): Uint8Array {
  const packed = new Uint8Array(Math.ceil(values.length / 2));
  for (let i = 0; i < packed.length; i++) {
    packed[i] = ((values[2 * i] ?? 0) & 15) | (((values[2 * i + 1] ?? 0) & 15) << 4);
  }
  return packed;
}

/** Remove the initializers among `names` that nothing reads any more. Graph inputs of old models are inputs no more. */
export function dropUnread(editor: GraphEditor, names: Iterable<string>): void {
  for (const name of names) {
    if (editor.consumers(name).length > 0 || editor.isOutput(name)) continue;
    editor.removeInitializer(name);
    if (editor.isInput(name)) editor.setInputs(editor.inputs.filter((input) => input.name !== name));
  }
}

/** A row-major matrix [rows, columns] with its axes swapped. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column] ?? 0;
    }
  }
  return result;
}
