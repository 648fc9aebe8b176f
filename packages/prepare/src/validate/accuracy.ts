/**
 * Which rows a model answers correctly. Fails closed: an output or labels that cannot be compared are an error that says
 * why, never an accuracy of zero.
 */
import { fail, type Tensor } from '@slipway/core';
import { argmaxRows, classAxis } from './classes.ts';
import { floatReader } from './floats.ts';

const mismatch = (problem: string): Error => fail('DATA_MISMATCH', { problem });

/**
 * The expected answer of every row: an index of a class, or text.
 * @param names names of the classes, when the labels are text and the output is not
 */
export function expectedAnswers(
  labels: Tensor,
  rowCount: number,
  names: readonly string[] | null,
): readonly (number | string)[] {
  if (labels.shape[0] !== rowCount) throw mismatch(`${labels.shape[0] ?? 0} labels for ${rowCount} rows`);
  if (labels.dtype === 'string') {
    if (names === null) return labels.data;
    return labels.data.map((label, row) => {
      const index = names.indexOf(label);
      if (index < 0) throw mismatch(`label "${label}" of row ${row} is not among the labels of the config`);
      return index;
    });
  }
  const width = classAxis(labels.shape, rowCount);
  if (width !== null) return [...argmaxRows(labels, rowCount)];
  if (labels.data.length !== rowCount) {
    throw mismatch(`labels have the shape [${labels.shape.join(', ')}]; give one per row, or one-hot`);
  }
  const read = floatReader(labels);
  return Array.from({ length: rowCount }, (_, row) => {
    const label = read(row);
    if (!Number.isInteger(label)) {
      throw mismatch(`the label of row ${row} is ${label}; labels must be whole numbers or text`);
    }
    return label;
  });
}

/** 1 for every row of `output` whose answer is the expected one. */
export function correctRows(output: Tensor, name: string, expected: readonly (number | string)[]): Uint8Array {
  const rows = expected.length;
  const correct = new Uint8Array(rows);
  const answers = answersOf(output, name, rows);
  for (let row = 0; row < rows; row++) {
    const wanted = expected[row] ?? 0;
    if (answers.classes !== null && !(typeof wanted === 'number' && wanted >= 0 && wanted < answers.classes)) {
      throw mismatch(
        `a label is ${JSON.stringify(wanted)}, but output "${name}" has the classes 0 to ${answers.classes - 1}`,
      );
    }
    correct[row] = answers.at(row) === wanted ? 1 : 0;
  }
  return correct;
}

interface Answers {
  /** How many classes there are, when the answer is an index. */
  readonly classes: number | null;
  readonly at: (row: number) => number | string;
}

function answersOf(output: Tensor, name: string, rows: number): Answers {
  const isFloat = output.dtype.startsWith('float');
  const classes = classAxis(output.shape, rows);
  if (isFloat && classes !== null) {
    const best = argmaxRows(output, rows);
    return { classes, at: (row) => best[row] ?? 0 };
  }
  if (!isFloat && output.data.length === rows) {
    if (output.dtype === 'string') return { classes: null, at: (row) => output.data[row] ?? '' };
    const read = floatReader(output);
    return { classes: null, at: read };
  }
  const shape = `${output.dtype}[${output.shape.join(', ')}]`;
  throw mismatch(
    `accuracy cannot be read from output "${name}" (${shape} for ${rows} rows): it needs one score per class, or one answer per row. ` +
      'Name another output with data.output, or leave the labels out',
  );
}
