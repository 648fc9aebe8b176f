/** A builder with what transformers are made of, written as PyTorch's exporter writes it: scalars are Constant nodes, sizes are computed. */
import { type Attribute, intAttribute, intsAttribute, tensorAttribute } from '../ir/attribute.ts';
import { type Initializer, initializerOf } from '../ir/initializer.ts';
import type { Builder } from './builder.ts';
import { normalFiller } from './random.ts';

/** Deviation of the weights, and of what is added to ones in the normalizations: BERT's initialisation. */
const DEVIATION = 0.02;

export interface Linear {
  readonly at: string;
  readonly from: number;
  readonly to: number;
  /** Default true. */
  readonly bias?: boolean;
}

export class Writer {
  readonly b: Builder;
  readonly opset: number;
  readonly #fill: (values: Float32Array, deviation: number, mean?: number) => Float32Array;
  #constants = 0;

  constructor(b: Builder, seed: number, opset: number) {
    this.b = b;
    this.opset = opset;
    this.#fill = normalFiller(seed);
  }

  op(op: string, inputs: readonly string[], ...attributes: readonly Attribute[]): string {
    return this.b.op(op, inputs, { attributes });
  }
  weight(name: string, dims: readonly number[], mean = 0): string {
    const length = dims.reduce((product, dim) => product * dim, 1);
    return this.b.constant(name, {
      dtype: 'float32',
      shape: dims,
      data: this.#fill(new Float32Array(length), DEVIATION, mean),
    });
  }
  #constant(value: Initializer): string {
    return this.b.op('Constant', [], {
      attributes: [tensorAttribute('value', value)],
      outputs: [`constant_${this.#constants++}`],
    });
  }
  scalar(value: number): string {
    return this.#constant(initializerOf('', { dtype: 'float32', shape: [], data: Float32Array.of(value) }));
  }
  integer(value: number, shape: readonly [] | readonly [1] = []): string {
    return this.#constant(initializerOf('', { dtype: 'int64', shape, data: BigInt64Array.of(BigInt(value)) }));
  }
  /** A vector of one element: the size of `axis` at run time. */
  size(value: string, axis: number): string {
    return this.unsqueeze(this.sizeOf(value, axis), 0);
  }
  /** A scalar: the size of `axis` at run time. */
  sizeOf(value: string, axis: number): string {
    return this.op('Gather', [this.op('Shape', [value]), this.integer(axis)], intAttribute('axis', 0));
  }
  /** `value` in a shape put together of vectors. */
  reshape(value: string, sizes: readonly string[]): string {
    return this.op('Reshape', [value, this.concat(sizes, 0)]);
  }
  concat(values: readonly string[], axis: number): string {
    return this.op('Concat', values, intAttribute('axis', axis));
  }
  transpose(value: string, ...perm: readonly number[]): string {
    return this.op('Transpose', [value], intsAttribute('perm', perm));
  }
  /** Elements [start, end) of `axis`, each a vector of one element. */
  slice(value: string, start: string, end: string, axis: number, step = 1): string {
    return this.op('Slice', [value, start, end, this.integer(axis, [1]), this.integer(step, [1])]);
  }
  unsqueeze(value: string, axis: number): string {
    // Axes became an input with operator set 13.
    return this.opset >= 13
      ? this.op('Unsqueeze', [value, this.integer(axis, [1])])
      : this.op('Unsqueeze', [value], intsAttribute('axes', [axis]));
  }
  mean(value: string): string {
    return this.opset >= 18
      ? this.op('ReduceMean', [value, this.integer(-1, [1])])
      : this.op('ReduceMean', [value], intsAttribute('axes', [-1]));
  }
  linear(value: string, { at, from, to, bias = true }: Linear): string {
    const product = this.op('MatMul', [value, this.weight(`${at}.weight`, [from, to])]);
    return bias ? this.op('Add', [this.weight(`${at}.bias`, [to]), product]) : product;
  }
}
