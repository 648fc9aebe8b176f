/** Floating-point tensors as numbers to calculate with, and back to their dtype. */
import { float16ToFloat32, numbersToFloat16, type Tensor, type TensorOf } from '@slipway/core';

export type FloatTensor = TensorOf<'float16'> | TensorOf<'float32'> | TensorOf<'float64'>;

export function isFloat(tensor: Tensor): tensor is FloatTensor {
  return tensor.dtype === 'float16' || tensor.dtype === 'float32' || tensor.dtype === 'float64';
}

export function numbersOf(tensor: FloatTensor): Float32Array | Float64Array {
  return tensor.dtype === 'float16' ? float16ToFloat32(tensor.data) : tensor.data;
}

export function floatTensor(dtype: FloatTensor['dtype'], shape: readonly number[], values: Float64Array): FloatTensor {
  switch (dtype) {
    case 'float16':
      return { dtype, shape, data: numbersToFloat16(values) };
    case 'float32':
      return { dtype, shape, data: new Float32Array(values) };
    case 'float64':
      return { dtype, shape, data: values };
  }
}

/** Elements of one row of `tensor`, whose axis 0 is the batch. */
export function rowSize({ shape }: Tensor): number {
  return shape.slice(1).reduce((product, size) => product * size, 1);
}

/** Size of the last axis. */
export function lastAxis({ shape }: Tensor): number {
  return shape.at(-1) ?? 1;
}
