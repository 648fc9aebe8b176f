/**
 * The signature of a model: its named inputs and outputs, each with a dtype and a shape.
 *
 * A dimension is a number when fixed, a name when symbolic (equal names are equal sizes within one call), and `'?'`
 * when nothing is known of it. `shape: null` means that not even the rank is known.
 */
import type { DType, StringElement } from './dtype.ts';
import { fail } from './errors.ts';
import type { Tensors } from './tensor.ts';

export type Dim = number | string;
export const UNKNOWN_DIM = '?';

export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[] | null;
}

export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** True when axis 0 of every input and output may vary: then independent rows can share one call. */
export function isBatchable(signature: Signature): boolean {
  const free = (spec: TensorSpec): boolean => typeof spec.shape?.[0] === 'string';
  return signature.inputs.length > 0 && signature.inputs.every(free) && signature.outputs.every(free);
}

/** `float32[batch, 1, 28, 28]` */
export function describeSpec(spec: Pick<TensorSpec, 'dtype' | 'shape'>): string {
  return `${spec.dtype}[${spec.shape === null ? '…' : spec.shape.join(', ')}]`;
}

/** What an engine can take of a string tensor. */
function checkTexts(data: readonly StringElement[], where: string): void {
  data.forEach((element, index) => {
    if (typeof element !== 'string') {
      throw fail('TENSOR_INVALID', {
        where,
        problem: `element ${index} is not UTF-8, and the engine takes only text`,
      });
    }
    // The binding of the engine hands strings over as C does: it would silently cut them there.
    if (element.includes('\0')) {
      throw fail('TENSOR_INVALID', { where, problem: 'a string has a NUL character, which the engine cannot take' });
    }
  });
}

/**
 * Check that an engine can take `inputs`: they fit the signature, and strings are text that it can hold.
 * @throws TENSOR_INVALID naming the input
 */
export function validateInputs(signature: Signature, inputs: Tensors): void {
  validateLayout(signature, inputs);
  for (const name in inputs) {
    const value = inputs[name];
    if (value?.dtype === 'string') checkTexts(value.data, `input "${name}"`);
  }
}

/**
 * Check that `inputs` are exactly what the signature says: names, dtypes, ranks, fixed dimensions, and symbolic
 * dimensions that agree with each other.
 * @throws TENSOR_INVALID naming the input
 */
export function validateLayout(signature: Signature, inputs: Tensors): void {
  // First, so that a misspelt name is told as one, and not as the absence of another.
  for (const name of Object.keys(inputs)) {
    if (!signature.inputs.some((spec) => spec.name === name)) {
      const known = signature.inputs.map((spec) => `"${spec.name}"`).join(', ');
      throw fail('TENSOR_INVALID', {
        where: `input "${name}"`,
        problem: `the model has no such input; it takes ${known}`,
      });
    }
  }
  const bound = new Map<string, { size: number; where: string }>();
  for (const spec of signature.inputs) {
    const value = Object.hasOwn(inputs, spec.name) ? inputs[spec.name] : undefined;
    const where = `input "${spec.name}"`;
    if (value === undefined) {
      throw fail('TENSOR_INVALID', { where, problem: `missing; the model takes ${describeSpec(spec)}` });
    }
    if (value.dtype !== spec.dtype) {
      throw fail('TENSOR_INVALID', { where, problem: `dtype is ${value.dtype}, expected ${spec.dtype}` });
    }
    if (spec.shape === null) continue;
    const wrong = (): never => {
      const problem = `shape is [${value.shape.join(', ')}], expected [${(spec.shape ?? []).join(', ')}]`;
      throw fail('TENSOR_INVALID', { where, problem });
    };
    if (value.shape.length !== spec.shape.length) wrong();
    for (let axis = 0; axis < spec.shape.length; axis++) {
      const expected = spec.shape[axis];
      const actual = value.shape[axis] ?? 0;
      if (typeof expected === 'number') {
        if (actual !== expected) wrong();
        continue;
      }
      if (expected === undefined || expected === UNKNOWN_DIM) continue;
      const other = bound.get(expected);
      if (other === undefined) bound.set(expected, { size: actual, where });
      else if (other.size !== actual) {
        const problem = `dimension "${expected}" is ${actual} here and ${other.size} in ${other.where}`;
        throw fail('TENSOR_INVALID', { where, problem });
      }
    }
  }
}
