import { describe, expect, it } from 'vitest';
import {
  type Dim,
  describeSpec,
  isBatchable,
  type Signature,
  type TensorSpec,
  validateInputs,
  validateLayout,
} from './signature.ts';
import { signatureSchema } from './signature-schema.ts';
import type { StringElement } from './dtype.ts';
import { type Tensors, tensor } from './tensor.ts';

const spec = (name: string, shape: readonly Dim[] | null): TensorSpec => ({ name, dtype: 'float32', shape });
const zeros = (...shape: number[]) => tensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)));
const model: Signature = {
  inputs: [spec('a', ['batch', 'sequence']), spec('b', ['batch', 3]), spec('c', ['?', '?'])],
  outputs: [spec('y', ['batch', 2])],
};

describe('validateInputs', () => {
  const good = { a: zeros(2, 5), b: zeros(2, 3), c: zeros(7, 8) };
  it('takes what fits; unknown dimensions need not agree with each other', () =>
    expect(() => validateInputs(model, good)).not.toThrow());

  it('takes any shape where none is known', () => {
    expect(() => validateInputs({ inputs: [spec('x', null)], outputs: [] }, { x: zeros(1, 2, 3) })).not.toThrow();
  });

  it.each<[string, Tensors, string]>([
    ['a missing input', { a: good.a, c: good.c }, 'input "b": missing; the model takes float32[batch, 3]'],
    [
      'a misspelt input',
      { a: good.a, B: good.b, c: good.c },
      'input "B": the model has no such input; it takes "a", "b", "c"',
    ],
    ['an unknown input', { ...good, d: zeros(1) }, 'input "d": the model has no such input; it takes "a", "b", "c"'],
    [
      'another dtype',
      { ...good, b: tensor('int32', [2, 3], new Int32Array(6)) },
      'input "b": dtype is int32, expected float32',
    ],
    ['another rank', { ...good, b: zeros(2, 3, 1) }, 'input "b": shape is [2, 3, 1], expected [batch, 3]'],
    ['another size', { ...good, b: zeros(2, 4) }, 'input "b": shape is [2, 4], expected [batch, 3]'],
    ['batches that differ', { ...good, b: zeros(3, 3) }, 'input "b": dimension "batch" is 3 here and 2 in input "a"'],
  ])('refuses %s', (_, inputs, message) => {
    expect(() => validateInputs(model, inputs)).toThrow(expect.objectContaining({ code: 'TENSOR_INVALID' }) as Error);
    expect(() => validateInputs(model, inputs)).toThrow(message);
  });

  it('does not take what every object has for an input', () => {
    const odd: Signature = { inputs: [spec('constructor', [1])], outputs: [] };
    expect(() => validateInputs(odd, {})).toThrow('missing');
    expect(() => validateInputs(odd, { constructor: zeros(1) })).not.toThrow();
  });
});

describe('isBatchable', () => {
  const only = (...shapes: (readonly Dim[] | null)[]): Signature => ({
    inputs: shapes.map((shape, i) => spec(`x${i}`, shape)),
    outputs: model.outputs,
  });
  it('needs a free axis 0 on every input and output', () => {
    expect(isBatchable(model)).toBe(true);
    expect(isBatchable(only(['n', 3], [1, 3]))).toBe(false);
    expect(isBatchable(only([]))).toBe(false);
    expect(isBatchable(only(null))).toBe(false);
    expect(isBatchable(only())).toBe(false);
    expect(isBatchable({ inputs: model.inputs, outputs: [spec('y', [1])] })).toBe(false);
  });
});

it('refuses strings that the engine would cut at a NUL, and bytes, which it cannot take at all', () => {
  const signature: Signature = { inputs: [{ name: 's', dtype: 'string', shape: ['n'] }], outputs: [] };
  const strings = (...data: StringElement[]) => ({ s: { dtype: 'string', shape: [data.length], data } as const });
  expect(() => validateInputs(signature, strings('a', 'é', ''))).not.toThrow();
  expect(() => validateInputs(signature, strings('a', 'b\0c'))).toThrow('input "s": a string has a NUL character');
  const bytes = strings('a', Uint8Array.of(0xff));
  expect(() => validateInputs(signature, bytes)).toThrow('input "s": element 1 is not UTF-8');
  expect(() => validateLayout(signature, bytes)).not.toThrow();
});

describe('signatureSchema', () => {
  it('reads its own JSON and nothing else', () => {
    expect(signatureSchema.parse(JSON.parse(JSON.stringify(model)))).toEqual(model);
    const wrong = [
      { ...spec('x', [1]), extra: 1 },
      spec('', [1]),
      spec('x', [-1]),
      spec('x', [1.5]),
      spec('x', ['']),
      { ...spec('x', [1]), dtype: 'complex64' },
    ];
    for (const input of wrong) expect(signatureSchema.safeParse({ inputs: [input], outputs: [] }).success).toBe(false);
  });
});

it('describeSpec reads like a type', () => {
  expect(describeSpec(spec('x', ['batch', 1, 28, 28]))).toBe('float32[batch, 1, 28, 28]');
  expect(describeSpec(spec('x', []))).toBe('float32[]');
  expect(describeSpec(spec('x', null))).toBe('float32[…]');
});
