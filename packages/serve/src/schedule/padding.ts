/**
 * Variable shapes brought to few: a free dimension is filled up to the next of the sizes declared for it, and outputs that
 * have the same dimension are cut back to what the request had. So requests of different lengths share a batch, and the
 * engine sees a handful of shapes. Only where it is declared: a model that does not ignore the value filled in answers
 * something else.
 */
import {
  ARRAY_OF,
  elementCount,
  type NumericData,
  type NumericDType,
  numberToFloat16,
  type Signature,
  type Tensor,
  type Tensors,
  type TensorSpec,
} from '@slipway/core';

export interface Padding {
  /** By the name of a free dimension, ascending; what is longer than the last is not filled up. `powers`: all, of two. */
  readonly dims: ReadonlyMap<string, readonly number[]> | 'powers';
  /** `first`: the first element of the tensor, as TensorFlow Serving has it. */
  readonly value: number | 'first';
}

/** What a request had, by the name of the dimension. */
export type Lengths = ReadonlyMap<string, number>;

export class Padder {
  readonly #signature: Signature;
  readonly #padding: Padding;

  constructor(signature: Signature, padding: Padding) {
    this.#signature = signature;
    this.#padding = padding;
  }

  /** @returns the lengths that outputs are cut back to; null when nothing was filled up */
  pad(inputs: Tensors): { readonly inputs: Tensors; readonly lengths: Lengths | null } {
    const lengths = this.#lengths(inputs);
    const padded: Record<string, Tensor> = {};
    for (const spec of this.#signature.inputs) {
      const value = inputs[spec.name];
      if (value === undefined) continue;
      const shape = value.shape.map((size, axis) => {
        const dim = dimOf(spec, axis);
        return dim !== null && lengths.has(dim) ? (this.#target(dim, size) ?? size) : size;
      });
      padded[spec.name] = resized(value, shape, this.#padding.value);
    }
    return lengths.size === 0 ? { inputs, lengths: null } : { inputs: padded, lengths };
  }

  cut(outputs: Tensors, lengths: Lengths): Tensors {
    const cut: Record<string, Tensor> = {};
    for (const name in outputs) {
      const value = outputs[name] as Tensor;
      const spec = this.#signature.outputs.find((candidate) => candidate.name === name);
      const shape = value.shape.map((size, axis) => {
        const dim = spec === undefined ? null : dimOf(spec, axis);
        const length = dim === null ? undefined : lengths.get(dim);
        return length === undefined ? size : Math.min(size, length);
      });
      cut[name] = resized(value, shape, 0);
    }
    return cut;
  }

  /** Of the dimensions that are filled up. One that inputs disagree about is left for the engine to refuse. */
  #lengths(inputs: Tensors): Map<string, number> {
    const seen = new Map<string, number>();
    const unequal = new Set<string>();
    for (const spec of this.#signature.inputs) {
      for (const [axis, size] of (inputs[spec.name]?.shape ?? []).entries()) {
        const dim = dimOf(spec, axis);
        if (dim === null) continue;
        if ((seen.get(dim) ?? size) !== size) unequal.add(dim);
        seen.set(dim, size);
      }
    }
    for (const [dim, size] of seen) {
      const target = this.#target(dim, size);
      if (target === undefined || target === size || unequal.has(dim)) seen.delete(dim);
    }
    return seen;
  }

  #target(dim: string, size: number): number | undefined {
    const { dims } = this.#padding;
    if (dims === 'powers') return size <= 1 ? size : 2 ** Math.ceil(Math.log2(size));
    return dims.get(dim)?.find((candidate) => candidate >= size);
  }
}

/** The name of a free dimension; null for axis 0, which counts rows, and for fixed ones. */
function dimOf(spec: TensorSpec, axis: number): string | null {
  const dim = axis === 0 ? undefined : spec.shape?.[axis];
  return typeof dim === 'string' ? dim : null;
}

/** The block that both shapes have in common, in a tensor of `shape`; the rest is `fill`. Shapes of equal rank. */
function resized(tensor: Tensor, shape: readonly number[], fill: number | 'first'): Tensor {
  if (shape.every((size, axis) => size === tensor.shape[axis])) return tensor;
  const count = elementCount(shape);
  const common = shape.map((size, axis) => Math.min(size, tensor.shape[axis] ?? 0));
  const run = common.at(-1) ?? 1;
  const runs = run === 0 ? 0 : elementCount(common) / run;
  const [from, to] = [strides(tensor.shape), strides(shape)];
  const starts = (index: number, by: readonly number[]): number => {
    let left = index;
    let at = 0;
    for (let axis = common.length - 2; axis >= 0; axis--) {
      const size = common[axis] as number;
      at += (left % size) * (by[axis] as number);
      left = Math.floor(left / size);
    }
    return at;
  };
  if (tensor.dtype === 'string') {
    const data = new Array<(typeof tensor.data)[number]>(count).fill(fill === 'first' ? (tensor.data[0] ?? '') : '');
    for (let index = 0; index < runs; index++) {
      const [source, target] = [starts(index, from), starts(index, to)];
      for (let i = 0; i < run; i++) data[target + i] = tensor.data[source + i] ?? '';
    }
    return { dtype: 'string', shape, data };
  }
  const data = new ARRAY_OF[tensor.dtype](count);
  if (fill === 'first') data.fill((tensor.data[0] ?? 0) as never);
  else if (fill !== 0) data.fill(elementOf(tensor.dtype, fill) as never);
  const source: NumericData = tensor.data;
  for (let index = 0; index < runs; index++) {
    const start = starts(index, from);
    data.set(source.subarray(start, start + run) as never, starts(index, to));
  }
  return { dtype: tensor.dtype, shape, data } as Tensor;
}

/** A number as the arrays of this type hold it. */
function elementOf(dtype: NumericDType, value: number): number | bigint {
  if (dtype === 'int64' || dtype === 'uint64') return BigInt(Math.trunc(value));
  return dtype === 'float16' ? numberToFloat16(value) : value;
}

function strides(shape: readonly number[]): readonly number[] {
  const by: number[] = [];
  let product = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    by[axis] = product;
    product *= shape[axis] as number;
  }
  return by;
}
