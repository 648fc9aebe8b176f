/** The sentences of SST-2 as inputs of the sentiment model: WordPiece, lower case, longest piece first, 64 tokens. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Tensor, Tensors } from '@slipway/core';

const LENGTH = 64;

export function readSentences(
  data: string,
  part: 'train' | 'dev',
  count = Infinity,
): { readonly inputs: Tensors; readonly labels: readonly number[] } {
  const { model } = JSON.parse(readFileSync(path.join(data, 'sentiment/tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const lines = readFileSync(path.join(data, `sst2/${part}.tsv`), 'utf8').split('\n');
  const rows = lines.map((line) => line.split('\t')).filter(({ length }) => length === 2);
  const chosen = rows.slice(0, count);
  const ids = chosen.map(([text = '']) => tokenize(text, model.vocab));
  const tensor = (value: (row: readonly number[], at: number) => number): Tensor => ({
    dtype: 'int64',
    shape: [ids.length, LENGTH],
    data: BigInt64Array.from(ids.flatMap((row) => Array.from({ length: LENGTH }, (_, at) => BigInt(value(row, at))))),
  });
  return {
    inputs: {
      input_ids: tensor((row, at) => row[at] ?? 0),
      segment_ids: tensor(() => 0),
      input_mask: tensor((row, at) => (at < row.length ? 1 : 0)),
    },
    labels: chosen.map(([, label]) => Number(label)),
  };
}

function tokenize(text: string, vocabulary: Readonly<Record<string, number>>): number[] {
  const words =
    text
      .toLowerCase()
      .normalize('NFD')
      .replace(/\p{Mn}/gu, '')
      .match(/[\p{P}\p{S}]|[^\s\p{P}\p{S}]+/gu) ?? [];
  const pieces = words.flatMap((word) => split(word, vocabulary));
  return ['[CLS]', ...pieces.slice(0, LENGTH - 2), '[SEP]'].map((piece) => vocabulary[piece] ?? 0);
}

function split(word: string, vocabulary: Readonly<Record<string, number>>): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < word.length;) {
    let end = word.length;
    const piece = (): string => (start === 0 ? '' : '##') + word.slice(start, end);
    while (end > start && !Object.hasOwn(vocabulary, piece())) end--;
    if (end === start) return ['[UNK]'];
    pieces.push(piece());
    start = end;
  }
  return pieces;
}
