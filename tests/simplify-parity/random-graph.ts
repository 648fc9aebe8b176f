/**
 * Random models over the operators that `simplify` understands: valid by construction, because every value is made with
 * its actual shape in hand. They are made to be simplified: constants to fold, pairs that cancel, things done twice.
 */
import {
  type Attribute,
  type Builder,
  buildGraph,
  buildModel,
  floatAttribute,
  graphAttribute,
  intAttribute,
  intsAttribute,
  type Model,
  stringAttribute,
} from '@slipway/onnx';

import { Choices } from './choices.ts';

/** What the symbolic batch dimension is when the model runs. */
export const BATCH = 2;

interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

const size = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

class Maker {
  readonly values: Value[] = [];
  readonly #b: Builder;
  readonly #c: Choices;
  readonly #opset: number;
  #count = 0;

  constructor(b: Builder, choices: Choices, opset: number) {
    this.#b = b;
    this.#c = choices;
    this.#opset = opset;
  }

  #name(base: string): string {
    return `${base}_${this.#count++}`;
  }
  #op(op: string, inputs: readonly string[], attributes: readonly Attribute[] = []): string {
    const output = this.#name(op.toLowerCase());
    return this.#b.op(op, inputs, { attributes, outputs: [output], name: output });
  }
  #floats(shape: readonly number[], value?: number): string {
    const data = Array.from({ length: size(shape) }, () => value ?? (this.#c.below(17) - 8) / 8);
    return this.#b.floats(this.#name('w'), shape, data);
  }
  #longs(values: readonly number[], scalar = false): string {
    return this.#b.integers(this.#name('i'), scalar ? [] : [values.length], values);
  }
  #some(fits: (value: Value) => boolean = () => true): Value | undefined {
    const able = this.values.filter(fits);
    return able.length === 0 ? undefined : this.#c.yes() ? able.at(-1) : this.#c.of(able);
  }
  #push(name: string, shape: readonly number[]): void {
    this.values.push({ name, shape });
  }

  step(): void {
    const steps = [
      this.#unary,
      this.#transpose,
      this.#reshape,
      this.#unsqueeze,
      this.#squeezes,
      this.#detour,
      this.#norms,
      this.#squeeze,
      this.#nothing,
      this.#slice,
      this.#concat,
      this.#constant,
      this.#pair,
      this.#convolution,
      this.#convolution,
      this.#matrix,
      this.#matrix,
      this.#shapes,
      this.#branch,
      this.#twice,
      this.#folded,
      this.#reduce,
      this.#pool,
      this.#casts,
      this.#layerNorm,
      this.#gelu,
      this.#einsum,
      this.#again,
    ];
    this.#c.of(steps).call(this);
  }

  #unary(): void {
    const value = this.#some()!;
    this.#push(this.#op(this.#c.of(['Relu', 'Neg', 'Sigmoid', 'Abs', 'Tanh']), [value.name]), value.shape);
  }
  #transpose(): void {
    const { name, shape } = this.#some()!;
    const perm = shape.map((_, axis) => axis);
    for (let axis = perm.length - 1; axis > 0; axis--) {
      const other = this.#c.below(axis + 1);
      [perm[axis], perm[other]] = [perm[other]!, perm[axis]!];
    }
    this.#push(
      this.#op('Transpose', [name], [intsAttribute('perm', perm)]),
      perm.map((axis) => shape[axis]!),
    );
  }
  #reshape(): void {
    const { name, shape } = this.#some()!;
    const total = size(shape);
    const divisor = [1, 2, 3, 4, 6].filter((number) => total % number === 0);
    const last = this.#c.of(divisor);
    const target = this.#c.of([[-1, last], [total / last, last], [1, -1, last], shape]);
    const known = size(target.filter((dim) => dim !== -1));
    this.#push(
      this.#op('Reshape', [name, this.#longs(target)]),
      target.map((dim) => (dim === -1 ? total / known : dim)),
    );
  }
  #unsqueeze(): void {
    const value = this.#some(({ shape }) => shape.length < 5);
    if (value === undefined) return;
    const axis = this.#c.below(value.shape.length + 1);
    this.#push(this.#op('Unsqueeze', [value.name, this.#longs([axis])]), value.shape.toSpliced(axis, 0, 1));
  }
  #squeeze(): void {
    const value = this.#some(({ shape }) => shape.includes(1));
    if (value === undefined) return;
    const axis = value.shape.indexOf(1);
    this.#push(this.#op('Squeeze', [value.name, this.#longs([axis])]), value.shape.toSpliced(axis, 1));
  }
  #squeezes(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length > 0 && own.length < 4) ?? {};
    if (name === undefined || shape === undefined) return;
    const wide = this.#op('Tanh', [this.#op('Unsqueeze', [name, this.#longs([0, 2])])]);
    const narrow = this.#op('Squeeze', [wide, this.#longs([this.#c.yes() ? 0 : -shape.length - 2])]);
    this.#push(this.#op('Squeeze', [narrow, this.#longs([1])]), shape);
  }
  /** To another layout, something element by element, and back: what converters of channels-last models write. */
  #detour(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length === 3) ?? {};
    if (name === undefined || shape === undefined) return;
    const there = (from: string): string => this.#op('Transpose', [from], [intsAttribute('perm', [0, 2, 1])]);
    const moved = there(name);
    const other = this.#c.yes() ? this.#floats(shape.slice(1, 2)) : there(this.#op('Relu', [name]));
    const sum = this.#op('Clip', [this.#op('Add', [other, moved]), this.#floats([], -4)]);
    this.#push(there(sum), shape);
  }
  #nothing(): void {
    const { name, shape } = this.#some()!;
    const made = [
      () => this.#op('Identity', [name]),
      () => this.#op('Dropout', [name]),
      () => this.#op('Cast', [name], [intAttribute('to', 1)]),
      () => this.#op('Pad', [name, this.#longs(shape.flatMap(() => [0, 0]))]),
      () => this.#op('Slice', [name, this.#longs([0]), this.#longs([2 ** 31 - 1])]),
      () => this.#op('Tile', [name, this.#longs(shape.map(() => 1))]),
      () => this.#op('Sum', [name]),
      () => this.#op('Mul', [name, this.#floats([], 1)]),
      () => this.#op('Add', [this.#floats([1], 0), name]),
      () => this.#op('Expand', [name, this.#longs(shape)]),
    ];
    this.#push(this.#c.of(made)(), shape);
  }
  #slice(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length > 0) ?? {};
    if (name === undefined || shape === undefined) return;
    const axis = this.#c.below(shape.length);
    const back = this.#c.yes();
    const dim = shape[axis]!;
    const from = dim > 1 ? this.#c.below(2) : 0;
    const [start, end, step] = back ? [-1, from - dim - 1, -1] : [from, 1000, 1];
    const inputs = [name, ...[start, end, axis, step].map((value) => this.#longs([value]))];
    const cut = this.#op('Slice', inputs);
    const left = shape.with(axis, dim - from);
    const other = (axis + 1) % shape.length;
    if (other === axis || this.#c.yes()) this.#push(cut, left);
    else {
      const first = [cut, ...[0, 1, other].map((value) => this.#longs([value]))];
      this.#push(this.#op('Slice', first), left.with(other, 1));
    }
  }
  #concat(): void {
    const a = this.#some(({ shape }) => shape.length > 0 && size(shape) < 200);
    if (a === undefined) return;
    const axis = this.#c.below(a.shape.length);
    const b =
      this.#some(
        ({ shape }) => shape.length === a.shape.length && shape.every((dim, at) => at === axis || dim === a.shape[at]),
      ) ?? a;
    this.#push(
      this.#op('Concat', [a.name, b.name], [intAttribute('axis', this.#c.yes() ? axis : axis - a.shape.length)]),
      a.shape.with(axis, a.shape[axis]! + b.shape[axis]!),
    );
  }
  #constant(): void {
    const { name, shape } = this.#some()!;
    const of = this.#c.of([[], shape.slice(-1), shape.slice(1), shape.map((dim, axis) => (axis === 1 ? dim : 1))]);
    const fill = this.#c.of([undefined, undefined, 1, -0, 0.5]);
    const op = this.#c.of(['Add', 'Mul', 'Sub']);
    const constant = this.#floats(of, fill);
    this.#push(this.#op(op, this.#c.yes() ? [name, constant] : [constant, name]), shape);
  }
  #pair(): void {
    const a = this.#some()!;
    const b = this.#some(({ shape }) => shape.join() === a.shape.join()) ?? a;
    this.#push(this.#op(this.#c.of(['Add', 'Mul', 'Max']), [a.name, b.name]), a.shape);
  }
  #norm(name: string, channels: number): string {
    const positive = this.#b.floats(
      this.#name('v'),
      [channels],
      Array.from({ length: channels }, () => 0.5 + this.#c.below(8) / 4),
    );
    return this.#op('BatchNormalization', [
      name,
      this.#floats([channels]),
      this.#floats([channels]),
      this.#floats([channels]),
      positive,
    ]);
  }
  #norms(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length > 1 && own[1]! < 5) ?? {};
    if (name === undefined || shape === undefined) return;
    const channels = shape[1]!;
    const norm = this.#norm(this.#op('Tanh', [name]), channels);
    this.#push(
      this.#op(this.#c.of(['Mul', 'Sub']), [this.#floats([channels, ...shape.slice(2).map(() => 1)]), norm]),
      shape,
    );
  }
  #convolution(): void {
    const value = this.#some(({ shape }) => (shape.length === 3 || shape.length === 4) && size(shape) < 300);
    if (value === undefined) return;
    let { name } = value;
    const [batch = 1, channels = 1, ...spatial] = value.shape;
    let sizes = spatial;
    if (this.#c.yes()) {
      name = this.#op('Pad', [name, this.#longs([0, 0, ...spatial.map(() => 1), 0, 0, ...spatial.map(() => 2)])]);
      sizes = spatial.map((dim) => dim + 3);
    }
    const out = this.#c.below(3) + 1;
    const transposed = this.#c.below(3) === 0;
    const kernel = sizes.map((dim) => (dim >= 2 ? 2 : 1));
    const weight = this.#floats([...(transposed ? [channels, out] : [out, channels]), ...kernel]);
    const bias = this.#c.yes() ? [this.#floats([out])] : [];
    let made = this.#op(transposed ? 'ConvTranspose' : 'Conv', [name, weight, ...bias]);
    if (this.#c.yes()) made = this.#norm(made, out);
    if (this.#c.yes()) made = this.#op('Mul', [made, this.#floats([out, ...kernel.map(() => 1)])]);
    if (this.#c.yes()) made = this.#op('Add', [this.#floats([1, out, ...kernel.map(() => 1)]), made]);
    this.#push(made, [
      batch,
      out,
      ...sizes.map((dim, axis) => (transposed ? dim + kernel[axis]! - 1 : dim - kernel[axis]! + 1)),
    ]);
  }
  #matrix(): void {
    const value = this.#some(({ shape }) => shape.length === 2 && size(shape) < 300);
    if (value === undefined) return;
    const [rows = 1, inner = 1] = value.shape;
    const out = this.#c.below(3) + 1;
    let made: string;
    if (this.#c.yes()) made = this.#op('MatMul', [value.name, this.#floats([inner, out])]);
    else {
      const turned = this.#op('Transpose', [this.#op('Transpose', [this.#op('Tanh', [value.name])])]);
      const flat = this.#op('Transpose', [turned], [intsAttribute('perm', [1, 0])]);
      const attributes = [intAttribute('transA', 1), floatAttribute('alpha', 0.5)];
      made = this.#op('Gemm', [flat, this.#floats([inner, out])], attributes);
    }
    if (this.#c.yes()) made = this.#op('Add', [made, this.#floats([out])]);
    if (this.#c.yes()) {
      const gemm = this.#op('Gemm', [made, this.#floats([2, out]), this.#floats([1, 2])], [intAttribute('transB', 1)]);
      this.#push(this.#norm(gemm, 2), [rows, 2]);
    } else this.#push(made, [rows, out]);
  }
  #shapes(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length >= 2) ?? {};
    if (name === undefined || shape === undefined) return;
    const measured = this.#op('Shape', [name]);
    const axis = this.#longs([0]);
    const part = (index: number): string =>
      this.#op('Unsqueeze', [this.#op('Gather', [measured, this.#longs([index], true)]), axis]);
    const first = part(0);
    if (this.#c.yes()) {
      const target = this.#op('Concat', [first, this.#longs([-1])], [intAttribute('axis', 0)]);
      this.#push(this.#op('Reshape', [name, target]), [shape[0]!, size(shape.slice(1))]);
    } else {
      const product = this.#op('Mul', [first, part(1)]);
      const rest = this.#op('Slice', [measured, this.#longs([2]), this.#longs([1000])]);
      const target = this.#op('Concat', [product, rest], [intAttribute('axis', 0)]);
      this.#push(this.#op('Reshape', [name, target]), [shape[0]! * shape[1]!, ...shape.slice(2)]);
    }
  }
  #branch(): void {
    const { name: made, shape } = this.#some()!;
    // ONNX Runtime 1.30 drops one of two Casts although a branch reads what it makes ("Missing Input"): none is read.
    const name = this.#op('Tanh', [made]);
    const graph = (op: string): Attribute['value'] & object =>
      buildGraph((b) => {
        const same = b.op(op, [name], { outputs: ['branch_a'], name: '' });
        const again = b.op(op, [name], { outputs: ['branch_b'], name: '' });
        const half = b.op('Mul', [same, b.floats('branch_half', [], [0.5])], { outputs: ['branch_c'], name: '' });
        b.output(b.op('Add', [half, again], { outputs: ['branch_d'], name: '' }), 'float32', null);
      });
    const condition = this.#c.yes()
      ? this.#op('Cast', [this.#longs([this.#c.below(2)], true)], [intAttribute('to', 9)])
      : this.#op('Greater', [this.#op('ReduceMax', [name], [intAttribute('keepdims', 0)]), this.#floats([])]);
    const attributes = [
      graphAttribute('then_branch', graph('Neg') as never),
      graphAttribute('else_branch', graph('Abs') as never),
    ];
    this.#push(this.#op('If', [condition], attributes), shape);
  }
  #twice(): void {
    const { name, shape } = this.#some()!;
    const op = this.#c.of(['Exp', 'Tanh', 'Neg']);
    const bounded = this.#op('Tanh', [name]);
    this.#push(this.#op('Sub', [this.#op(op, [bounded]), this.#op('Add', [this.#op(op, [bounded]), bounded])]), shape);
  }
  #folded(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length > 1) ?? {};
    if (name === undefined || shape === undefined) return;
    const last = shape.at(-1)!;
    const made = [
      () => this.#op('Transpose', [this.#floats([last, 1])]),
      () => this.#op('Div', [this.#floats([last]), this.#floats([1], 0.75)]),
      () =>
        this.#op(
          'Cast',
          [
            this.#op(
              'Range',
              [0, last, 1].map((value) => this.#longs([value], true)),
            ),
          ],
          [intAttribute('to', 1)],
        ),
      () => this.#op('Sqrt', [this.#op('Abs', [this.#floats([last])])]),
      () => this.#op('Gather', [this.#floats([3, last]), this.#longs([-1], true)]),
      () => this.#op(this.#c.of(['Erf', 'Exp', 'Sigmoid', 'Sin', 'Round', 'Sign', 'Relu']), [this.#floats([last])]),
      () => this.#op('Pow', [this.#op('Abs', [this.#floats([last])]), this.#floats([], 0.5)]),
      () =>
        this.#op('Where', [
          this.#op('Less', [this.#floats([last]), this.#floats([1], 0)]),
          this.#floats([last]),
          this.#floats([1]),
        ]),
      () => this.#op('Concat', [this.#floats([last - 1]), this.#floats([1])], [intAttribute('axis', 0)]),
      () => this.#op('Expand', [this.#floats([1]), this.#longs([1, last])]),
      () => this.#op('Tile', [this.#floats([1]), this.#longs([last])]),
      () => this.#op('ConstantOfShape', [this.#longs([last])]),
    ];
    this.#push(this.#op('Add', [name, this.#c.of(made)()]), shape);
  }
  #reduce(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length > 1) ?? {};
    if (name === undefined || shape === undefined) return;
    const axis = this.#c.below(shape.length);
    const mean = this.#reduction(this.#c.of(['ReduceMean', 'ReduceMax']), name, axis, 0);
    this.#push(this.#op('Unsqueeze', [mean, this.#longs([axis])]), shape.with(axis, 1));
  }
  /** Axes became an input with operator set 18. */
  #reduction(op: string, name: string, axis: number, keepdims: number): string {
    const keep = intAttribute('keepdims', keepdims);
    return this.#opset < 18
      ? this.#op(op, [name], [intsAttribute('axes', [axis]), keep])
      : this.#op(op, [name, this.#longs([axis])], [keep]);
  }
  #layerNorm(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length > 1) ?? {};
    if (name === undefined || shape === undefined) return;
    const bounded = this.#op('Tanh', [name]);
    const centred = this.#op('Sub', [bounded, this.#reduction('ReduceMean', bounded, -1, 1)]);
    const square = this.#c.yes()
      ? this.#op('Mul', [centred, centred])
      : this.#op('Pow', [centred, this.#floats([], 2)]);
    const variance = this.#op('Add', [this.#reduction('ReduceMean', square, -1, 1), this.#floats([], 0.01)]);
    let made = this.#op('Div', [centred, this.#op('Sqrt', [variance])]);
    if (this.#c.yes()) made = this.#op('Mul', [this.#floats(shape.slice(-1)), made]);
    if (this.#c.yes()) made = this.#op('Add', [made, this.#floats(shape.slice(-1))]);
    this.#push(made, shape);
  }
  #gelu(): void {
    const { name, shape } = this.#some() ?? {};
    if (name === undefined || shape === undefined) return;
    const scalar = (value: number): string => this.#floats([], value);
    const cube = (): string => this.#op('Mul', [this.#op('Pow', [name, scalar(3)]), scalar(0.044715)]);
    const bell = this.#c.yes()
      ? this.#op('Erf', [this.#op('Div', [name, scalar(Math.SQRT2)])])
      : this.#op('Tanh', [this.#op('Mul', [this.#op('Add', [name, cube()]), scalar(Math.sqrt(2 / Math.PI))])]);
    const gate = this.#op('Add', [bell, scalar(1)]);
    const made = this.#c.yes()
      ? this.#op('Mul', [this.#op('Mul', [name, scalar(0.5)]), gate])
      : this.#op('Mul', [this.#op('Mul', [gate, name]), scalar(0.5)]);
    this.#push(made, shape);
  }
  /** One operand or two, with every kind of index, in any order. */
  #einsum(): void {
    const a = this.#some(({ shape }) => shape.length > 0 && shape.length < 4 && size(shape) < 100);
    if (a === undefined) return;
    const sizes = new Map(a.shape.map((dim, axis) => ['abcd'[axis]!, dim]));
    const first = [...sizes.keys()];
    const shuffled = (letters: readonly string[]): string[] =>
      letters
        .map((letter) => ({ letter, at: this.#c.below(97) }))
        .sort((x, y) => x.at - y.at)
        .map(({ letter }) => letter);
    // Index a is the batch, whose size the model does not know.
    const second = this.#c.yes()
      ? []
      : shuffled([...first.filter((letter) => letter !== 'a' && this.#c.yes()), 'x', 'y']);
    sizes.set('x', 2).set('y', 3);
    const all = [...new Set([...first, ...second])];
    const output = shuffled(all.filter((letter) => letter === 'a' || this.#c.below(3) > 0));
    const of = (letters: readonly string[]): number[] => letters.map((letter) => sizes.get(letter)!);
    const inputs = [this.#op('Tanh', [a.name]), ...(second.length === 0 ? [] : [this.#floats(of(second))])];
    const equation = `${[first, ...(second.length === 0 ? [] : [second])].map((term) => term.join('')).join(',')}->${output.join('')}`;
    if (size(of(output)) < 300) {
      this.#push(this.#op('Einsum', inputs, [stringAttribute('equation', equation)]), of(output));
    }
  }
  /** What does nothing the second time, and constants one after the other. */
  #again(): void {
    const { name, shape } = this.#some(({ shape: own }) => own.length > 0) ?? {};
    if (name === undefined || shape === undefined) return;
    const made = [
      () => this.#op('Relu', [this.#op('Relu', [name])]),
      () => this.#op('Neg', [this.#op('Neg', [name])]),
      () => this.#op('Log', [this.#op('Softmax', [this.#op('Tanh', [name])], [intAttribute('axis', -1)])]),
      () => this.#op('Mul', [this.#op('Mul', [name, this.#floats([], 0.3)]), this.#floats(shape.slice(-1))]),
      () => this.#op('Add', [this.#floats([], 0.3), this.#op('Add', [this.#floats([]), name])]),
    ];
    this.#push(this.#c.of(made)(), shape);
  }
  #pool(): void {
    const value = this.#some(({ shape }) => shape.length === 3 || shape.length === 4);
    if (value === undefined) return;
    const spatial = value.shape.slice(2);
    const relu = this.#op('Relu', [value.name]);
    const padded = this.#op('Pad', [relu, this.#longs([0, 0, ...spatial.map(() => 1), 0, 0, ...spatial.map(() => 0)])]);
    const kernel = [
      intsAttribute(
        'kernel_shape',
        spatial.map(() => 2),
      ),
    ];
    this.#push(this.#op(this.#c.of(['MaxPool', 'AveragePool']), [padded], kernel), value.shape);
  }
  #casts(): void {
    const { name, shape } = this.#some()!;
    const wide = this.#op('Cast', [name], [intAttribute('to', 11)]);
    const back = this.#c.yes()
      ? this.#op('Cast', [wide], [intAttribute('to', 1)])
      : this.#op(
          'Cast',
          [this.#op('Cast', [this.#op('Tanh', [name])], [intAttribute('to', 7)])],
          [intAttribute('to', 1)],
        );
    this.#push(back, shape);
  }
}

export function randomModel(numbers: readonly number[]): Model {
  const choices = new Choices(numbers);
  const opset = choices.of([17, 20]);
  return buildModel(
    (b) => {
      const maker = new Maker(b, choices, opset);
      const inner = choices.of([[3], [4], [2, 3], [2, 4], [2, 3, 4]]);
      maker.values.push({ name: b.input('x', 'float32', ['N', ...inner]), shape: [BATCH, ...inner] });
      maker.values.push({ name: b.input('z', 'float32', [BATCH, ...inner]), shape: [BATCH, ...inner] });
      while (choices.left && maker.values.length < 20) maker.step();
      const outputs = maker.values.slice(2).filter((_, index, all) => index === all.length - 1 || index % 4 === 1);
      for (const { name, shape } of outputs) {
        b.output(
          name,
          'float32',
          shape.map((_, axis) => `${name}_${axis}`),
        );
      }
    },
    { opset },
  );
}

export const INPUTS = ['x', 'z'] as const;
