/**
 * Examples to inputs. TensorFlow Serving's classify and regress take `tf.Example`: by name, flat lists of numbers or strings.
 * Here every input of the model takes the feature of its name, and row n of the input is the list of example n, shaped as the model
 * wants a row. Features that no input asks for are ignored, as TensorFlow does; a missing one is an error that
 * names it. A context is merged into every example, which wins.
 *
 * Memory: the context is counted once per example, so the rows may be far larger than what was sent; they are
 * bounded before anything is allocated.
 */
import { BYTES_PER_ELEMENT, type DType, fail, type Signature, type SlipwayError, type TensorSpec } from '@slipway/core';

/** The shape of one input for `examples` rows of `length` values each. @throws TENSOR_INVALID */
export function rowsShape(spec: TensorSpec, examples: number, length: number): number[] {
  const { shape } = spec;
  if (shape === null) return [examples, length];
  if (shape.length === 0) throw invalid(spec, 'is a scalar, and examples are rows; use predict');
  const row = shape.slice(1);
  const free = row.findIndex((dim) => typeof dim === 'string');
  if (row.some((dim, axis) => typeof dim === 'string' && axis !== free)) {
    throw invalid(spec, `a flat list cannot say how long each axis of [${shape.join(', ')}] is; use predict`);
  }
  const fixed = row.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1);
  if (free === -1 ? fixed !== length : fixed === 0 || length % fixed !== 0) {
    const wanted = free === -1 ? String(fixed) : `a multiple of ${fixed}`;
    throw invalid(spec, `has ${length} values, expected ${wanted} (a row of [${shape.join(', ')}])`);
  }
  return [examples, ...row.map((dim) => (typeof dim === 'number' ? dim : length / fixed))];
}

/** @throws TENSOR_INVALID unless every example has as many values as the first */
export function sameLength(spec: TensorSpec, lengths: readonly number[]): number {
  const [first = 0] = lengths;
  const other = lengths.findIndex((length) => length !== first);
  if (other === -1) return first;
  throw fail('TENSOR_INVALID', {
    where: featureOf(spec, other),
    problem: `has ${lengths[other] ?? 0} values where the first example has ${first}`,
  });
}

/** @throws BODY_TOO_LARGE */
export function checkSize(dtype: DType, elements: number, mostBytes: number): void {
  // A string takes a place in the array, whatever its length.
  if (elements * (dtype === 'string' ? 8 : BYTES_PER_ELEMENT[dtype]) > mostBytes) {
    throw fail('BODY_TOO_LARGE', { limit: mostBytes });
  }
}

export function missing(spec: TensorSpec, example: number, signature: Signature): SlipwayError {
  const names = signature.inputs.map(({ name }) => `"${name}"`).join(', ');
  return fail('TENSOR_INVALID', { where: featureOf(spec, example), problem: `is missing; the model takes ${names}` });
}

export const featureOf = ({ name }: TensorSpec, example: number): string => `examples[${example}], feature "${name}"`;

const invalid = ({ name }: TensorSpec, problem: string): SlipwayError =>
  fail('TENSOR_INVALID', { where: `feature "${name}"`, problem });
