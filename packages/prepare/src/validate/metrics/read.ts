/** How metrics get at outputs and labels, and what they say when those are not what is needed. Rows are counted in the data. */
import { fail, type MetricCall, type SlipwayError, type Tensor } from '@slipway/core';
import { classAxis } from '../classes.ts';
import { floatReader } from '../floats.ts';

export const mismatch = (problem: string): SlipwayError => fail('DATA_MISMATCH', { problem });

export type Numeric = Exclude<Tensor, { dtype: 'string' }>;

export const shapeOf = ({ dtype, shape }: Tensor): string => `${dtype}[${shape.join(', ')}]`;

/** @throws DATA_MISMATCH */
export function outputOf(metric: string, call: Pick<MetricCall, 'outputs'>, name: string): Tensor {
  const found = call.outputs[name];
  if (found !== undefined) return found;
  const known = Object.keys(call.outputs).map((each) => `"${each}"`);
  throw mismatch(`${metric} reads output "${name}"; the outputs of the model are ${known.join(', ')}`);
}

/** @throws DATA_MISMATCH */
export function labelsOf(metric: string, { labels }: Pick<MetricCall, 'labels'>): Tensor {
  if (labels !== null) return labels;
  throw mismatch(`${metric} needs labels, and the evaluation data has none`);
}

/** @throws DATA_MISMATCH */
export function numeric(metric: string, what: string, value: Tensor): Numeric {
  if (value.dtype !== 'string') return value;
  throw mismatch(`${metric} reads numbers; ${what} is text`);
}

/** The shape of one row: without axis 0 when that counts the rows, also of one row whose output lacks that axis. */
export function rowShape({ shape }: Tensor, rows: number): readonly number[] | null {
  if (shape[0] === rows) return shape.slice(1);
  return rows === 1 ? shape : null;
}

/** Elements per row. @throws DATA_MISMATCH when the tensor does not hold a whole number of elements for each row */
export function rowWidth(metric: string, what: string, value: Tensor, rows: number): number {
  const shape = rowShape(value, rows);
  if (shape === null) throw mismatch(`${metric}: ${what} is ${shapeOf(value)} for ${rows} rows`);
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Reads a finite number. @throws DATA_MISMATCH naming the row */
export function finiteReader(
  metric: string,
  what: string,
  value: Tensor,
  call: Pick<MetricCall, 'rows' | 'firstRow'>,
): (index: number) => number {
  const read = floatReader(numeric(metric, what, value));
  const width = value.data.length / call.rows;
  return (index) => {
    const number = read(index);
    if (Number.isFinite(number)) return number;
    throw mismatch(`${metric}: ${what} is ${number} in row ${call.firstRow + Math.floor(index / width)}`);
  };
}

export interface Scores {
  /** How many classes; null where a row is one score of the positive class. */
  readonly classes: number | null;
  /** The first element of a row is `read(row * width)`. */
  readonly width: number;
  readonly read: (index: number) => number;
}

/** One score per class, or one score, for every row. @throws DATA_MISMATCH */
export function scoresOf(metric: string, name: string, output: Tensor, rows: number): Scores {
  const width = output.data.length / rows;
  const classes = classAxis(output.shape, rows);
  if (output.dtype.startsWith('float') && output.dtype !== 'string' && (classes !== null || width === 1)) {
    return { classes, width, read: floatReader(output) };
  }
  throw mismatch(
    `${metric} cannot be read from output "${name}" (${shapeOf(output)} for ${rows} rows): it needs one score per class. Name another with \`output\``,
  );
}

/** Softmax outputs sum to one within rounding; that of float32 is far below this. */
const SUM_TOLERANCE = 1e-3;

/** Whether `width` numbers from each multiple of `width` on are probabilities that sum to one (or a single one in [0, 1]). */
export function areProbabilities(read: (index: number) => number, groups: number, width: number): boolean {
  for (let group = 0; group < groups; group++) {
    let sum = 0;
    for (let i = 0; i < width; i++) {
      const value = read(group * width + i);
      if (!(value >= 0 && value <= 1)) return false;
      sum += value;
    }
    if (width > 1 && Math.abs(sum - 1) > SUM_TOLERANCE) return false;
  }
  return true;
}

/** log Σ exp of `width` numbers from `start` on. */
export function logSumExp(read: (index: number) => number, start: number, width: number, stride = 1): number {
  let largest = -Infinity;
  for (let i = 0; i < width; i++) largest = Math.max(largest, read(start + i * stride));
  if (!Number.isFinite(largest)) return largest;
  let sum = 0;
  for (let i = 0; i < width; i++) sum += Math.exp(read(start + i * stride) - largest);
  return largest + Math.log(sum);
}
