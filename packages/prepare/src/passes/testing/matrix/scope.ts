/**
 * What a piece of a random graph is made with. A piece takes a float32 value of a known shape, does something with the
 * operator it is there for, and gives a float32 value of a known shape back, so that any piece can follow any other.
 *
 * Values stay within a few units of zero, and pieces whose operator leaves that range, or is not defined outside of one,
 * begin with what bounds them: what lossy passes lose can then be compared with a bound.
 */
import { randomStream } from '@slipway/core';
import type { initializerOf } from '@slipway/onnx';
import {
  type Attribute,
  type Builder,
  floatAttribute,
  type Initializer,
  intAttribute,
  intsAttribute,
  MS_DOMAIN,
  stringAttribute,
} from '@slipway/onnx';

export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface Piece {
  /** Operators that occur in the graph when the piece does; those of other domains with their domain. */
  readonly ops: readonly string[];
  /** Rank of the value it takes: see `SHAPES`. */
  readonly rank: 2 | 3 | 4;
  /** The first operator set it can be written in. */
  readonly since?: number;
  /** The last one that the engine has a kernel for. */
  readonly until?: number;
  /** A small change of the value can change the result by much: only what is exact can be held to a bound. */
  readonly steps?: true;
  make(scope: Scope, x: string): Value | string;
}

/** Elements per row of a value between two pieces. */
export const ROW = 48;
/** What a piece is given, without axis 0. */
export const SHAPES = { 2: [ROW], 3: [4, 12], 4: [3, 4, 4] } as const;

export const elements = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** Attributes by name: whole numbers, lists of them, words. What is a float is made by `float`. */
export type Attributes = Readonly<Record<string, number | readonly number[] | string | Attribute>>;
export const float = (name: string, value: number): Attribute => floatAttribute(name, value);

function attributesOf(attributes: Attributes): Attribute[] {
  return Object.entries(attributes).map(([name, value]) => {
    if (typeof value === 'number') return intAttribute(name, value);
    if (typeof value === 'string') return stringAttribute(name, value);
    return 'kind' in value ? value : intsAttribute(name, value);
  });
}

export class Scope {
  readonly random: () => number;
  #count = 0;
  readonly builder: Builder;
  readonly opset: number;
  /** Rows of a call. */
  readonly rows: number;
  readonly #prefix: string;
  constructor(builder: Builder, opset: number, rows: number, seed: number, prefix = '') {
    this.builder = builder;
    this.opset = opset;
    this.rows = rows;
    this.#prefix = prefix;
    this.random = randomStream(seed);
  }

  name(base: string): string {
    return `${this.#prefix}${base}_${this.#count++}`;
  }
  below(bound: number): number {
    return Math.floor(this.random() * bound);
  }
  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new RangeError('there is nothing to pick from');
    return found;
  }

  /** @param op an operator, with its domain in front when it is ONNX Runtime's (`ms.`) or of classical models (`ml.`) */
  op(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.several(op, inputs, 1, attributes)[0] ?? '';
  }
  several(op: string, inputs: readonly string[], count: number, attributes: Attributes = {}): readonly string[] {
    const [, short = '', name = op] = /^(ms|ml)\.(.+)$/.exec(op) ?? [];
    const domain = short === 'ms' ? MS_DOMAIN : short === 'ml' ? 'ai.onnx.ml' : '';
    const outputs = Array.from({ length: count }, () => this.name(name.toLowerCase()));
    const options = { domain, outputs, name: outputs[0] ?? '', attributes: attributesOf(attributes) };
    this.builder.op(name, inputs, options);
    return outputs;
  }

  constant(tensor: Parameters<typeof initializerOf>[1]): string {
    return this.builder.constant(this.name('c'), tensor);
  }
  initializer(make: (name: string) => Initializer): string {
    return this.builder.initializer(make(this.name('c')));
  }
  /** Uniform in [-1, 1), changed by `change`. */
  weights(shape: readonly number[], change: (value: number) => number = (value) => value): string {
    const data = Float32Array.from({ length: elements(shape) }, () => change(this.random() * 2 - 1));
    return this.constant({ dtype: 'float32', shape, data });
  }
  /** So that what is multiplied by it keeps its size. */
  kernel(shape: readonly number[], inputs: number): string {
    return this.weights(shape, (value) => value * Math.sqrt(3 / inputs));
  }
  positive(shape: readonly number[]): string {
    return this.weights(shape, (value) => Math.abs(value) + 0.5);
  }
  scalar(value: number): string {
    return this.constant({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
  }
  longs(...values: readonly number[]): string {
    return this.constant({ dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) });
  }
  long(value: number): string {
    return this.constant({ dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(value)) });
  }
  /** @param to a number of `TensorProto.DataType` */
  cast(x: string, to: number): string {
    return this.op('Cast', [x], { to });
  }
  /** To float32. */
  back(x: string): string {
    return this.cast(x, TYPE.float);
  }
  /** Into (-1, 1). */
  bounded(x: string): string {
    return this.op('Tanh', [x]);
  }
}

/** What was an attribute before operator set `since`, and is an input from then on. */
export const list = (
  scope: Scope,
  name: string,
  since: number,
  values: readonly number[],
): readonly [inputs: readonly string[], attributes: Attributes] =>
  scope.opset >= since ? [[scope.longs(...values)], {}] : [[], { [name]: values }];

/** Numbers of `TensorProto.DataType`. */
export const TYPE = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
} as const;

/** One node of this operator, which keeps the shape. */
export const same = (
  op: string,
  attributes: Attributes = {},
  rest: Partial<Piece> = {},
  prepare: (scope: Scope, x: string) => string = (_, x) => x,
): Piece => ({
  ops: [op],
  rank: 3,
  ...rest,
  make: (scope, x) => scope.op(op, [prepare(scope, x)], attributes),
});
