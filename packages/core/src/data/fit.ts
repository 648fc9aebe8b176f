/**
 * Arrays as people have them, fitted to what a model takes. Axis 0 is the row axis; what a row holds is reshaped when that
 * cannot change its meaning, and cast when every value survives (see cast.ts).
 *
 * A reshape is safe when it only adds or drops axes of size 1, or when one side is a plain list of values:
 * [28, 28] and [784] both become [1, 28, 28]. [224, 224, 3] never becomes [3, 224, 224] although the counts match: that needs a
 * transposition, and silently skipping it would make every figure measured afterwards wrong.
 */
import { castTensor } from '../cast.ts';
import { fail, SlipwayError } from '../errors.ts';
import { describeSpec, type Dim, type TensorSpec } from '../signature.ts';
import type { Tensor } from '../tensor.ts';

/**
 * @param value an array whose axis 0 counts rows
 * @throws DATA_MISMATCH naming the input, what it is and what the model takes
 */
export function fitRows(value: Tensor, spec: TensorSpec): Tensor {
  const [count, ...row] = value.shape;
  const mismatch = (problem: string): SlipwayError =>
    fail('DATA_MISMATCH', { problem: `input "${spec.name}": ${problem}` });
  if (count === undefined) throw mismatch('the data is a single number; axis 0 must count the rows');
  const cast = (): Tensor => {
    try {
      return castTensor(value, spec.dtype, `input "${spec.name}"`);
    } catch (error) {
      throw error instanceof SlipwayError ? mismatch(String(error.params.problem)) : error;
    }
  };
  if (spec.shape === null) return cast();
  const expected = spec.shape.slice(1);
  if (fits(row, expected)) return cast();
  const found = `one row has shape [${row.join(', ')}], the model takes ${describeSpec(spec)} (axis 0 counts rows)`;
  const target = fixedShape(expected);
  if (target === null) throw mismatch(found);
  const [from, to] = [squeeze(row), squeeze(target)];
  if (product(from) !== product(to)) throw mismatch(found);
  if (from.length > 1 && to.length > 1 && from.join() !== to.join()) {
    throw mismatch(`${found}; the axes seem to be in another order, transpose the data first`);
  }
  return { ...cast(), shape: [count, ...target] };
}

const fits = (row: readonly number[], expected: readonly Dim[]): boolean =>
  row.length === expected.length && expected.every((dim, axis) => typeof dim !== 'number' || dim === row[axis]);

const fixedShape = (dims: readonly Dim[]): number[] | null => {
  const fixed = dims.filter((dim) => typeof dim === 'number');
  return fixed.length === dims.length ? fixed : null;
};

const squeeze = (shape: readonly number[]): number[] => shape.filter((dim) => dim !== 1);
const product = (shape: readonly number[]): number => shape.reduce((total, dim) => total * dim, 1);

/**
 * Labels with the rows along axis 0: [rows] for one per row, also from [rows, 1]; otherwise as they are, for whichever metric
 * reads them (one-hot rows, tokens, pixels, boxes).
 * @throws DATA_MISMATCH
 */
export function fitLabels(value: Tensor): Tensor {
  const [count, ...row] = value.shape;
  if (count === undefined) {
    throw fail('DATA_MISMATCH', { problem: 'the labels are a single value; axis 0 must count the rows' });
  }
  return product(row) === 1 ? { ...value, shape: [count] } : value;
}

/**
 * The name of the group of every row.
 * @throws DATA_MISMATCH
 */
export function fitGroups(value: Tensor): readonly string[] {
  const [count, ...row] = value.shape;
  if (count === undefined || product(row) !== 1) {
    const problem = `group has shape [${value.shape.join(', ')}]; one name or number per row is expected`;
    throw fail('DATA_MISMATCH', { problem });
  }
  return Array.from(value.data as ArrayLike<unknown>, String);
}
