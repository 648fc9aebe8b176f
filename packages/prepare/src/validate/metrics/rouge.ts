/**
 * ROUGE (C.-Y. Lin, 2004): the F-measure of common words (1), pairs of words (2) or of the longest common subsequence (L), and its mean
 * over rows. Text is compared as Google's `rouge_score` does without stemming: lower case, letters and digits of ASCII. Of
 * several references the best counts. Where nothing can match (an empty answer or reference) a row has 0.
 */
import type { MetricSpec } from '@slipway/core';
import { meanFigure, type Metric, type MetricContext } from '../metric.ts';
import { countRuns, type Words } from './sequences.ts';
import { textMetric } from './text.ts';

type Spec = Extract<MetricSpec, { metric: 'rouge-1' | 'rouge-2' | 'rouge-l' }>;

const COMMON: Readonly<Record<Spec['metric'], (answer: Words, reference: Words) => number>> = {
  'rouge-1': (answer, reference) => overlap(answer, reference, 1),
  'rouge-2': (answer, reference) => overlap(answer, reference, 2),
  'rouge-l': (answer, reference) => f1(commonSubsequence(answer, reference), answer.length, reference.length),
};

export function rouge(name: string, spec: Spec, context: MetricContext): Metric {
  const common = COMMON[spec.metric];
  const measured = (answer: Words, references: readonly Words[]): number[] => [
    Math.max(0, ...references.map((reference) => common(answer, reference))),
  ];
  return textMetric(name, spec, context, { split: words, measured, figure: meanFigure });
}

const words = (text: string): Words =>
  text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');

function f1(common: number, answer: number, reference: number): number {
  return common === 0 ? 0 : (2 * common) / (answer + reference);
}

function overlap(answer: Words, reference: Words, n: number): number {
  const known = countRuns(reference, n);
  let common = 0;
  for (const [run, count] of countRuns(answer, n)) common += Math.min(count, known.get(run) ?? 0);
  return f1(common, Math.max(0, answer.length - n + 1), Math.max(0, reference.length - n + 1));
}

function commonSubsequence(first: Words, second: Words): number {
  let row = new Uint32Array(second.length + 1);
  for (const word of first) {
    const next = new Uint32Array(second.length + 1);
    for (let i = 1; i <= second.length; i++) {
      next[i] = second[i - 1] === word ? (row[i - 1] ?? 0) + 1 : Math.max(row[i] ?? 0, next[i - 1] ?? 0);
    }
    row = next;
  }
  return row[second.length] ?? 0;
}
