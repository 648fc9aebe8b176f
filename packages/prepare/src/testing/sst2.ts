/**
 * The sentences of SST-2 as inputs of the sentiment model, for tests that say what a pass costs in accuracy. The tokenizer
 * is WordPiece as the model was trained with: lower case, split at spaces and punctuation, longest piece first.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Tensor, Tensors } from '@slipway/core';

/** Longest sequence, as the model's reference accuracy was measured. */
const LENGTH = 64;

export interface Sentences {
  readonly inputs: Tensors;
  /** 0 negative, 1 positive. */
  readonly labels: readonly number[];
}

export interface TokenizedSentence {
  readonly ids: readonly number[];
  readonly label: number;
}

/** The tokens of each sentence, as many as it has. @param directory that of the shared data */
export function readTokens(
  directory: string,
  part: 'train' | 'dev',
  from = 0,
  to = Infinity,
): readonly TokenizedSentence[] {
  const vocabulary = readVocabulary(path.join(directory, 'sentiment/tokenizer.json'));
  const lines = readFileSync(path.join(directory, `sst2/${part}.tsv`), 'utf8').split('\n');
  const rows = lines.filter((line) => line.includes('\t')).slice(from, to);
  return rows.map((row) => ({
    ids: tokenize(row.slice(0, row.lastIndexOf('\t')), vocabulary),
    label: Number(row.slice(row.lastIndexOf('\t') + 1)),
  }));
}

/** All sentences padded to one length. @param directory that of the shared data */
export function readSentences(directory: string, part: 'train' | 'dev', from = 0, to = Infinity): Sentences {
  const rows = readTokens(directory, part, from, to);
  const ids = rows.map((row) => row.ids);
  const tensor = (value: (row: readonly number[], at: number) => number): Tensor => ({
    dtype: 'int64',
    shape: [rows.length, LENGTH],
    data: BigInt64Array.from(
      ids.flatMap((row) => Array.from({ length: LENGTH }, (_, at) => value(row, at))),
      BigInt,
    ),
  });
  return {
    inputs: {
      input_ids: tensor((row, at) => row[at] ?? 0),
      segment_ids: tensor(() => 0),
      input_mask: tensor((row, at) => (at < row.length ? 1 : 0)),
    },
    labels: rows.map(({ label }) => label),
  };
}

function readVocabulary(file: string): ReadonlyMap<string, number> {
  const { model } = JSON.parse(readFileSync(file, 'utf8')) as { model: { vocab: Record<string, number> } };
  return new Map(Object.entries(model.vocab));
}

function tokenize(text: string, vocabulary: ReadonlyMap<string, number>): number[] {
  const id = (piece: string): number => vocabulary.get(piece) ?? vocabulary.get('[UNK]') ?? 1;
  const words =
    text
      .toLowerCase()
      .normalize('NFD')
      .replace(/\p{Mn}/gu, '')
      .match(/[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+/gu) ?? [];
  const pieces = words.flatMap((word) => split(word, vocabulary)).map(id);
  return [id('[CLS]'), ...pieces.slice(0, LENGTH - 2), id('[SEP]')];
}

function split(word: string, vocabulary: ReadonlyMap<string, number>): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < word.length;) {
    let end = word.length;
    const piece = (): string => `${start === 0 ? '' : '##'}${word.slice(start, end)}`;
    while (end > start && !vocabulary.has(piece())) end--;
    if (end === start) return ['[UNK]'];
    pieces.push(piece());
    start = end;
  }
  return pieces;
}
