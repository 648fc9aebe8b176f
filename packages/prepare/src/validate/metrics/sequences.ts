/** Sequences to compare: text, cut into words by whoever compares, or token numbers up to the one that pads. */
import { type Tensor, textsOf } from '@slipway/core';
import { floatReader } from '../floats.ts';
import { mismatch, rowShape, shapeOf } from './read.ts';

export type Words = readonly (string | number)[];

/** Masked labels of most training code. */
const PAD = -100;

/**
 * The sequences of every row: one for outputs, one or several for labels (text [rows, k]; an empty one is left out unless all are).
 * @param split cuts text into words
 * @throws DATA_MISMATCH for numbers that are no tokens
 */
export function sequencesOf(
  metric: string,
  what: string,
  value: Tensor,
  rows: number,
  options: { readonly split: (text: string) => Words; readonly pad: number | undefined },
): readonly (readonly Words[])[] {
  const shape = rowShape(value, rows);
  const width = value.data.length / rows;
  if (value.dtype === 'string' && shape !== null) {
    const all = textsOf(value);
    return Array.from({ length: rows }, (_, row) => {
      const texts = all.slice(row * width, (row + 1) * width);
      const filled = texts.filter((text) => text !== '');
      return (filled.length === 0 ? texts.slice(0, 1) : filled).map(options.split);
    });
  }
  if (value.dtype === 'string' || value.dtype.startsWith('float') || shape === null) {
    throw mismatch(`${metric} reads text or token numbers; ${what} is ${shapeOf(value)} for ${rows} rows`);
  }
  const read = floatReader(value);
  const { pad = PAD } = options;
  return Array.from({ length: rows }, (_, row) => {
    const tokens: number[] = [];
    for (let i = row * width; i < (row + 1) * width && read(i) !== pad; i++) tokens.push(read(i));
    return [tokens];
  });
}

/** How often each run of `n` words occurs. */
export function countRuns(words: Words, n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let start = 0; start + n <= words.length; start++) {
    const key = words.slice(start, start + n).join('\u0000');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
