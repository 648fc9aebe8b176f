/**
 * Tensors as people have them, fitted to what the model takes, where that cannot change their meaning: NumPy makes float64
 * of everything, a table has a column of scalars where the model wants rows of one, a single row comes without its axis.
 *
 * What still does not fit is left as it is: the scheduler then says what is wrong with it, as of every other request.
 */
import {
  castTensor,
  type Dim,
  fail,
  type Signature,
  type SlipwayError,
  type Tensor,
  type TensorSpec,
} from '@slipway/core';

/**
 * - Another dtype is cast when every value survives it; only float to narrower float may round.
 * - One row without its batch axis becomes a batch of one.
 * - Rows that are plain lists of as many values as the model's rows have are given its shape; so are scalars in columns.
 * @throws TENSOR_INVALID naming the first value that the dtype of the input cannot hold
 */
export function fitInput(value: Tensor, spec: TensorSpec): Tensor {
  const cast = castTensor(value, spec.dtype, `input "${spec.name}"`);
  const shape = spec.shape === null ? null : fittedShape(value.shape, spec.shape);
  return shape === null ? cast : { ...cast, shape };
}

/** null: as it is. */
function fittedShape(shape: readonly number[], expected: readonly Dim[]): readonly number[] | null {
  if (fits(shape, expected)) return null;
  const [batch, ...row] = expected;
  if (typeof batch === 'string' && fits(shape, row)) return [1, ...shape];
  const [rows, ...rest] = shape;
  if (rows === undefined || !row.every((dim) => typeof dim === 'number')) return null;
  const listed = rest.length <= 1 && (rest[0] ?? 1) === row.reduce((product, dim) => product * dim, 1);
  return listed && (typeof batch === 'string' || batch === rows) ? [rows, ...row] : null;
}

const fits = (shape: readonly number[], expected: readonly Dim[]): boolean =>
  shape.length === expected.length && expected.every((dim, axis) => typeof dim === 'string' || dim === shape[axis]);

/** @param what the kind of body that can hold one tensor only. @throws REQUEST_MALFORMED */
export function onlyInput(signature: Signature, what: string): TensorSpec {
  const [spec] = signature.inputs;
  if (spec !== undefined && signature.inputs.length === 1) return spec;
  throw malformed(
    `${what} holds one tensor, and the model takes ${namesOf(signature)}; send .npz, Arrow or multipart/form-data`,
  );
}

/** `"a", "b"`, for messages. */
export const namesOf = (signature: Signature): string => signature.inputs.map(({ name }) => `"${name}"`).join(', ');

export const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
