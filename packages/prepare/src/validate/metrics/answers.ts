/**
 * The class a model names for each row, and the one it should have named. Fails closed: an output or labels that cannot be
 * compared are an error that says why, never an accuracy of zero.
 */
import { type MetricCall, type Tensor, textsOf } from '@slipway/core';
import { argmaxRows, classAxis } from '../classes.ts';
import { floatReader } from '../floats.ts';
import { mismatch, shapeOf } from './read.ts';

/** A class by its number, or text. */
export type Answer = number | string;

/**
 * The expected answer of every row: an index of a class, or text.
 * @param names names of the classes, which turn labels that are text into numbers
 */
export function expectedAnswers(
  labels: Tensor,
  { rows, firstRow }: Pick<MetricCall, 'rows' | 'firstRow'>,
  names: readonly string[] | null,
): readonly Answer[] {
  if (labels.shape[0] !== rows) throw mismatch(`${labels.shape[0] ?? 0} labels for ${rows} rows`);
  const width = classAxis(labels.shape, rows);
  if (labels.data.length !== rows && (width === null || labels.dtype === 'string')) {
    throw mismatch(`labels have the shape [${labels.shape.join(', ')}]; give one per row, or one-hot`);
  }
  if (labels.dtype === 'string') {
    const texts = textsOf(labels, 'labels');
    if (names === null) return texts;
    return texts.map((label, row) => {
      const index = names.indexOf(label);
      if (index < 0) throw mismatch(`label "${label}" of row ${firstRow + row} is not among the labels of the config`);
      return index;
    });
  }
  if (width !== null) return oneHot(labels, rows, width, firstRow);
  const read = floatReader(labels);
  return Array.from({ length: rows }, (_, row) => {
    const label = read(row);
    if (!Number.isInteger(label)) {
      throw mismatch(`the label of row ${firstRow + row} is ${label}; labels must be whole numbers or text`);
    }
    return label;
  });
}

function oneHot(
  labels: Exclude<Tensor, { dtype: 'string' }>,
  rows: number,
  width: number,
  firstRow: number,
): readonly number[] {
  const read = floatReader(labels);
  return Array.from({ length: rows }, (_, row) => {
    let hot = -1;
    for (let column = 0; column < width; column++) {
      const value = read(row * width + column);
      if (value === 0) continue;
      if (value !== 1 || hot >= 0) {
        throw mismatch(
          `the labels of row ${firstRow + row} are neither one class nor one-hot: column ${column} is ${value}`,
        );
      }
      hot = column;
    }
    if (hot < 0) throw mismatch(`the labels of row ${firstRow + row} are one-hot of nothing`);
    return hot;
  });
}

export interface Answers {
  /** How many classes there are, when the answer is an index. */
  readonly classes: number | null;
  /** −1 where the model gives no number at all, or text that names no class. */
  readonly at: (row: number) => Answer;
}

/**
 * @param threshold at or above it a single score per row means class 1; null when a single score is no answer
 * @param names names of the classes, which turn answers that are text into numbers
 * @throws DATA_MISMATCH when the output holds no answer
 */
export function answersOf(
  metric: string,
  output: Tensor,
  name: string,
  rows: number,
  threshold: number | null,
  names: readonly string[] | null,
): Answers {
  const isFloat = output.dtype.startsWith('float');
  const classes = classAxis(output.shape, rows);
  if (isFloat && classes !== null) {
    const best = argmaxRows(output, rows);
    return { classes, at: (row) => best[row] ?? 0 };
  }
  if (output.dtype === 'string' && output.data.length === rows) {
    const texts = textsOf(output);
    if (names === null) return { classes: null, at: (row) => texts[row] ?? '' };
    return { classes: names.length, at: (row) => names.indexOf(texts[row] ?? '') };
  }
  if (output.dtype !== 'string' && output.data.length === rows && (!isFloat || threshold !== null)) {
    const read = floatReader(output);
    if (!isFloat) return { classes: null, at: read };
    const bound = threshold ?? 0;
    return {
      classes: 2,
      at: (row) => {
        const score = read(row);
        return Number.isNaN(score) ? -1 : score >= bound ? 1 : 0;
      },
    };
  }
  throw mismatch(
    `${metric} cannot be read from output "${name}" (${shapeOf(output)} for ${rows} rows): it needs one score per class, or one answer per row. ` +
      'Name another output with data.output, choose another metric, or leave the labels out',
  );
}

/** @throws DATA_MISMATCH when a label is not one of the classes of the output */
export function checkExpected(wanted: Answer, classes: number | null, name: string, row: number): void {
  if (classes === null || (typeof wanted === 'number' && wanted >= 0 && wanted < classes)) return;
  throw mismatch(
    `the label of row ${row} is ${JSON.stringify(wanted)}, but output "${name}" has the classes 0 to ${classes - 1}`,
  );
}

/** @throws DATA_MISMATCH when one is text and the other a number: they would never be equal */
export function checkComparable(wanted: Answer, given: Answer, name: string, row: number): void {
  if (typeof wanted === typeof given) return;
  throw mismatch(
    `the label of row ${row} is ${JSON.stringify(wanted)}, and output "${name}" answers ${JSON.stringify(given)}: ` +
      'list the names of the classes, in order, as `labels` in the config',
  );
}
