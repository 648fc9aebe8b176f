/** Steps that work on numbers of any kind: `normalize` on one row, `transpose` on one row or many. */
import { ARRAY_OF, elementCount, fail, type InputTransform, type Tensor } from '@slipway/core';

type NumericTensor = Exclude<Tensor, { dtype: 'string' }>;

/**
 * (x · scale − mean) / std to float32, calculated in double precision and rounded once.
 * @throws TENSOR_INVALID when the channel axis does not have as many channels as there are means
 */
export function normalize(
  row: NumericTensor,
  { scale = 1, mean = 0, std = 1, axis = -1 }: Extract<InputTransform, { transform: 'normalize' }>,
  where: string,
): Tensor {
  const { shape, data } = row;
  const at = axis < 0 ? shape.length + axis : axis;
  const perChannel = Array.isArray(mean) || Array.isArray(std);
  const channels = perChannel ? (shape[at] ?? 0) : 1;
  for (const given of [mean, std]) {
    if (Array.isArray(given) && given.length !== channels) {
      const problem = `shape [${shape.join(', ')}] has ${channels} channels along axis ${axis}, expected ${given.length}`;
      throw fail('TENSOR_INVALID', { where, problem });
    }
  }
  const inner = perChannel ? shape.slice(at + 1).reduce((product, size) => product * size, 1) : data.length;
  const result = new Float32Array(data.length);
  const of = (value: number | readonly number[], channel: number): number =>
    typeof value === 'number' ? value : (value[channel] as number);
  for (let start = 0, channel = 0; start < data.length; start += inner, channel = (channel + 1) % channels) {
    const subtract = of(mean, channel);
    const divide = of(std, channel);
    const end = start + inner;
    for (let i = start; i < end; i++) result[i] = (Number(data[i]) * scale - subtract) / divide;
  }
  return { dtype: 'float32', shape, data: result };
}

/** @param order axes in their new order, all of `tensor.shape` */
export function transpose(tensor: Tensor, order: readonly number[]): Tensor {
  const { shape, dtype } = tensor;
  const to = order.map((axis) => shape[axis] ?? 0);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const steps = order.map((axis) => strides[axis] ?? 0);
  const count = elementCount(to);
  const from = tensor.data as unknown as Record<number, never>;
  const data = dtype === 'string' ? new Array<string>(count) : new ARRAY_OF[dtype](count);
  const into = data as unknown as Record<number, never>;
  const last = to.length - 1;
  const index = to.map(() => 0);
  const run = to[last] ?? 1;
  const step = steps[last] ?? 0;
  for (let written = 0, at = 0; written < count;) {
    for (let i = 0, source = at; i < run; i++, source += step) into[written++] = from[source] as never;
    // The next index of the axes before the last one.
    for (let axis = last - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] ?? 0) + 1;
      at += steps[axis] ?? 0;
      if ((index[axis] ?? 0) < (to[axis] ?? 0)) break;
      at -= (steps[axis] ?? 0) * (to[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return { dtype, shape: to, data } as Tensor;
}
