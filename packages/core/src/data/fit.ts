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
import { type Column, columnOf, isRagged } from './column.ts';

/**
 * Rows of different shapes are fitted each by itself.
 * @param firstRow the position of the first of them in the file, for messages
 * @throws DATA_MISMATCH naming the input, the row, what it is and what the model takes
 */
export function fitColumn(value: Column, spec: TensorSpec, firstRow: number): Column {
  if (!isRagged(value)) return fitRows(value, spec);
  return columnOf(value.parts.map((part, i) => fitRows(part, spec, firstRow + i)));
}

/**
 * @param value an array whose axis 0 counts rows
 * @param at which one it is, when it is a single one of rows that differ
 * @throws DATA_MISMATCH naming the input, what it is and what the model takes
 */
export function fitRows(value: Tensor, spec: TensorSpec, at: number | null = null): Tensor {
  const [count, ...row] = value.shape;
  const where = `input "${spec.name}"`;
  const mismatch = (problem: string): SlipwayError => fail('DATA_MISMATCH', { problem: `${where}: ${problem}` });
  if (count === undefined) throw mismatch('the data is a single number; axis 0 must count the rows');
  const cast = (): Tensor => {
    try {
      return castTensor(value, spec.dtype, where);
    } catch (error) {
      if (!(error instanceof SlipwayError)) throw error;
      throw mismatch(`${at === null ? '' : `row ${at}: `}${String(error.params.problem)}`);
    }
  };
  if (spec.shape === null) return cast();
  const expected = spec.shape.slice(1);
  if (fits(row, expected)) return cast();
  const found = `${at === null ? 'one row' : `row ${at}`} has shape [${row.join(', ')}], the model takes ${describeSpec(spec)} (axis 0 counts rows)`;
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
export function fitLabels(value: Column): Column {
  if (isRagged(value)) {
    const [first, ...others] = value.parts.map(({ shape }) => shape.length);
    const odd = others.findIndex((rank) => rank !== first) + 1;
    if (odd === 0) return value;
    const shapeOf = (row: number): string => `[${value.parts[row]?.shape.slice(1).join(', ') ?? ''}]`;
    const problem = `labels: row ${odd} has shape ${shapeOf(odd)}, row 0 has ${shapeOf(0)}; rows may differ in length, not in rank`;
    throw fail('DATA_MISMATCH', { problem });
  }
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
export function fitGroups(value: Column): readonly string[] {
  if (isRagged(value)) {
    throw fail('DATA_MISMATCH', {
      problem: 'group has lists of different lengths; one name or number per row is expected',
    });
  }
  const [count, ...row] = value.shape;
  if (count === undefined || product(row) !== 1) {
    const problem = `group has shape [${value.shape.join(', ')}]; one name or number per row is expected`;
    throw fail('DATA_MISMATCH', { problem });
  }
  return Array.from(value.data as ArrayLike<unknown>, String);
}
