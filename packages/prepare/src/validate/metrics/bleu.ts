/**
 * BLEU of a corpus (K. Papineni et al., 2002), 4-grams, as sacreBLEU computes it by default so that figures compare: text is cut
 * by its tokenizer "13a", a precision without any match is smoothed exponentially, several references count by their
 * largest number of occurrences and the closest length. 0 to 1, not 0 to 100.
 */
import type { MetricSpec } from '@slipway/core';
import type { Kept } from '../kept.ts';
import type { Metric, MetricContext } from '../metric.ts';
import { countRuns, type Words } from './sequences.ts';
import { textMetric } from './text.ts';

type Spec = Extract<MetricSpec, { metric: 'bleu' }>;

const ORDER = 4;
/** Matches and totals of every order, length of the answer, length of the reference. */
const WIDTH = 2 * ORDER + 2;

export function bleu(name: string, spec: Spec, context: MetricContext): Metric {
  return textMetric(name, spec, context, { split: tokenize13a, measured: statistics, figure: corpusBleu });
}

function statistics(answer: Words, references: readonly Words[]): Float64Array {
  const kept = new Float64Array(WIDTH);
  for (let n = 1; n <= ORDER; n++) {
    const own = countRuns(answer, n);
    const known = references.map((reference) => countRuns(reference, n));
    let matches = 0;
    for (const [run, count] of own) {
      matches += Math.min(
        count,
        known.reduce((most, counts) => Math.max(most, counts.get(run) ?? 0), 0),
      );
    }
    kept[n - 1] = matches;
    kept[ORDER + n - 1] = Math.max(0, answer.length - n + 1);
  }
  const lengths = references.map(({ length }) => length);
  const distance = (length: number): number => Math.abs(length - answer.length);
  kept[WIDTH - 2] = answer.length;
  // The closest; of two equally close ones the shorter.
  kept[WIDTH - 1] = lengths.sort((a, b) => distance(a) - distance(b) || a - b)[0] ?? 0;
  return kept;
}

function corpusBleu({ rows, values }: Kept): (weights: Uint32Array) => number {
  return (weights) => {
    const sums = new Float64Array(WIDTH);
    let counted = 0;
    for (let row = 0; row < rows; row++) {
      const weight = weights[row] ?? 0;
      counted += weight;
      for (let i = 0; weight > 0 && i < WIDTH; i++) sums[i] = (sums[i] ?? 0) + weight * (values[row * WIDTH + i] ?? 0);
    }
    return counted === 0 ? Number.NaN : score(sums);
  };
}

function score(sums: Float64Array): number {
  const at = (index: number): number => sums[index] ?? 0;
  const [own, reference] = [at(WIDTH - 2), at(WIDTH - 1)];
  if (at(0) === 0 && at(1) === 0 && at(2) === 0 && at(3) === 0) return 0;
  let logs = 0;
  let smoothing = 1;
  for (let n = 0; n < ORDER; n++) {
    const total = at(ORDER + n);
    // No answer is n words long: its precision is nothing, and so is the product.
    if (total === 0) return 0;
    if (at(n) === 0) smoothing *= 2;
    logs += Math.log(at(n) === 0 ? 1 / (smoothing * total) : at(n) / total);
  }
  return (own < reference ? Math.exp(1 - reference / own) : 1) * Math.exp(logs / ORDER);
}

/** mteval-v13a, as sacreBLEU has it. */
function tokenize13a(text: string): Words {
  const line = text
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return ` ${line} `
    .replaceAll(/([{-~[-` -&(-+:-@/])/g, ' $1 ')
    .replaceAll(/([^0-9])([.,])/g, '$1 $2 ')
    .replaceAll(/([.,])([^0-9])/g, ' $1 $2')
    .replaceAll(/([0-9])(-)/g, '$1 $2 ')
    .split(/\s+/)
    .filter((word) => word !== '');
}
