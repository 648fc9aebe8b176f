/** What a model answered, for people: the best classes of each row when the output looks like scores, otherwise the values. */
import { type Column, float16ToNumber, rows as rowsOfTensor, type Tensor, tensorToJson } from '@slipway/core';
import type { Style } from '../frame/style.ts';
import { table } from '../frame/table.ts';
import { percent } from '../frame/units.ts';

interface Scored {
  readonly index: number;
  readonly label: string | null;
  readonly score: number;
}

export interface Answers {
  readonly output: string;
  /** The scores of every row are shares that add up to 1. */
  readonly probabilities: boolean;
  readonly rows: readonly (readonly Scored[])[];
}

/** The answers of all rows by output; those of one output may differ in shape. */
export type Columns = Readonly<Record<string, Column>>;

const isTensor = (value: Column): value is Tensor => !('parts' in value);

/** null where the rows differ. */
export function shapeOf(value: Column): readonly (number | null)[] {
  if (isTensor(value)) return value.shape;
  const shapes = value.parts.map(({ shape }) => shape.slice(1));
  const [first = []] = shapes;
  return [
    value.parts.length,
    ...first.map((size, axis) => (shapes.every((each) => each[axis] === size) ? size : null)),
  ];
}

export const columnToJson = (value: Column): unknown =>
  isTensor(value) ? tensorToJson(value) : value.parts.flatMap((part) => tensorToJson(part));

const MAX_ROWS_SHOWN = 20;

/** A number per class and row; image classifiers often keep two axes of size 1 behind them. */
function isScores(value: Column): value is Tensor {
  if (!isTensor(value)) return false;
  const { shape, dtype } = value;
  const [, classes = 0, ...rest] = shape;
  return classes > 1 && rest.every((size) => size === 1) && dtype.startsWith('float');
}

/** The best classes per row of the first output that has a score per class; null when there is none. */
export function answersOf(outputs: Columns, labels: readonly string[] | null, top: number): Answers | null {
  const scored = Object.entries(outputs).flatMap(([name, value]) => (isScores(value) ? [[name, value] as const] : []));
  const [found] = scored;
  if (found === undefined) return null;
  const [output, value] = found;
  const scores = Array.from({ length: value.shape[0] ?? 0 }, (_, row) => numbersOf(rowsOfTensor(value, row, row + 1)));
  const probabilities = scores.every((row) => row.every((x) => x >= 0) && Math.abs(sum(row) - 1) < 1e-3);
  const best = scores.map((row) =>
    row
      .map((score, index): Scored => ({ index, label: labels?.[index] ?? null, score }))
      .sort((a, b) => b.score - a.score)
      .slice(0, top),
  );
  return { output, probabilities, rows: best };
}

export function renderAnswers(
  given: { model: string; from: string; outputs: Columns; answers: Answers | null },
  style: Style,
): string {
  const head = `${style.bold(given.model)} ${style.dim(`from ${given.from}`)}`;
  const { answers } = given;
  if (answers === null) {
    return `${head}\n${Object.entries(given.outputs)
      .map(([name, value]) => values(name, value, style))
      .join('\n')}`;
  }
  const shown = answers.rows.slice(0, MAX_ROWS_SHOWN);
  const score = (value: number): string => (answers.probabilities ? percent(value) : value.toPrecision(4));
  const name = ({ index, label }: Scored): string => (label === null ? `class ${index}` : label);
  const places = shown[0]?.length ?? 0;
  const columns = [
    { title: 'row', align: 'right' as const },
    ...Array.from({ length: places }, (_, i) => [
      { title: i === 0 ? 'answer' : `${i + 1}.` },
      { title: i === 0 ? (answers.probabilities ? 'probability' : 'score') : '', align: 'right' as const },
    ]).flat(),
  ];
  const lines = shown.map((row, i) => [
    String(i),
    ...row.flatMap((scored, place) => [place === 0 ? style.bold(name(scored)) : name(scored), score(scored.score)]),
  ]);
  const more = answers.rows.length - shown.length;
  return [
    head,
    table(columns, lines, style),
    ...(more > 0 ? [style.dim(`… and ${more} rows more; --json has them all`)] : []),
  ].join('\n');
}

function values(name: string, value: Column, style: Style): string {
  const json = JSON.stringify(columnToJson(value));
  const limit = Math.max(40, style.width * 6);
  const shown = json.length <= limit ? json : `${json.slice(0, limit)}…`;
  return `${style.bold(name)} ${style.dim(
    `${value.dtype}[${shapeOf(value)
      .map((size) => size ?? '…')
      .join(', ')}]`,
  )}\n${shown}`;
}

function numbersOf(value: Tensor): number[] {
  if (value.dtype === 'float16') return Array.from(value.data, float16ToNumber);
  return value.dtype === 'string' ? [] : Array.from(value.data, Number);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
