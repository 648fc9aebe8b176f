/**
 * Precision, recall and F1 from the expected and the predicted class of every row, as scikit-learn defines them: the classes
 * are those that occur among either; where a denominator is zero (a class that is never predicted has no precision)
 * the figure is 0.
 */
import type { MetricSpec } from '@slipway/core';
import type { Kept } from '../kept.ts';
import type { Metric, MetricContext } from '../metric.ts';
import { answersOf, checkExpected, expectedAnswers } from './answers.ts';
import { labelsOf, mismatch, outputOf } from './read.ts';

type Spec = Extract<MetricSpec, { metric: 'precision' | 'recall' | 'f1' }>;

interface Counts {
  readonly hits: number;
  readonly predicted: number;
  readonly expected: number;
}

const over = (numerator: number, denominator: number): number => (denominator === 0 ? 0 : numerator / denominator);

const OF_COUNTS: Readonly<Record<Spec['metric'], (counts: Counts) => number>> = {
  precision: ({ hits, predicted }) => over(hits, predicted),
  recall: ({ hits, expected }) => over(hits, expected),
  f1: ({ hits, predicted, expected }) => over(2 * hits, predicted + expected),
};

/** A probability of one half separates two classes. */
const THRESHOLD = 0.5;

export function classification(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  const { average = 'macro', positive = 1, threshold = THRESHOLD } = spec;
  return {
    name,
    unit: 'share',
    better: 'higher',
    needsLabels: true,
    isProportion: false,
    byClass: false,
    resamples: true,
    reader: () => (call, keep) => {
      const expected = expectedAnswers(labelsOf(name, call), call, context.names);
      const answers = answersOf(name, outputOf(name, call, output), output, call.rows, threshold, context.names);
      if (average === 'binary' && answers.classes !== null && answers.classes !== 2) {
        throw mismatch(
          `${name} is of two classes; output "${output}" has ${answers.classes}. Choose another \`average\``,
        );
      }
      for (let row = 0; row < call.rows; row++) {
        const wanted = expected[row] ?? 0;
        checkExpected(wanted, answers.classes, output, call.firstRow + row);
        const given = answers.at(row);
        if (typeof wanted === 'string' || typeof given === 'string') {
          throw mismatch(`${name} of text needs the names of the classes: list them as \`labels\` in the config`);
        }
        keep([wanted, given]);
      }
    },
    figure: (kept) => {
      const count = counter(kept);
      return (weights) => combine(OF_COUNTS[spec.metric], count(weights), average, positive);
    },
  };
}

function counter({ rows, values }: Kept): (weights: Uint32Array) => readonly Counts[] {
  const classes = values.reduce((largest, value) => Math.max(largest, value + 1), 0);
  return (weights) => {
    const [hits, predicted, expected] = [0, 1, 2].map(() => new Float64Array(classes)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    for (let row = 0; row < rows; row++) {
      const weight = weights[row] ?? 0;
      const [wanted, given] = [values[2 * row] ?? 0, values[2 * row + 1] ?? 0];
      expected[wanted] = (expected[wanted] ?? 0) + weight;
      // A row without any answer is a miss of its class and a hit of none.
      if (given < 0) continue;
      predicted[given] = (predicted[given] ?? 0) + weight;
      if (given === wanted) hits[given] = (hits[given] ?? 0) + weight;
    }
    return Array.from(hits, (own, i) => ({ hits: own, predicted: predicted[i] ?? 0, expected: expected[i] ?? 0 }));
  };
}

function combine(
  of: (counts: Counts) => number,
  counts: readonly Counts[],
  average: NonNullable<Spec['average']>,
  positive: number,
): number {
  const total = (key: keyof Counts): number => counts.reduce((sum, each) => sum + each[key], 0);
  if (total('expected') === 0) return Number.NaN;
  if (average === 'binary') return of(counts[positive] ?? { hits: 0, predicted: 0, expected: 0 });
  if (average === 'micro') {
    return of({ hits: total('hits'), predicted: total('predicted'), expected: total('expected') });
  }
  if (average === 'weighted') {
    return counts.reduce((sum, each) => sum + each.expected * of(each), 0) / total('expected');
  }
  const present = counts.filter(({ predicted, expected }) => predicted + expected > 0);
  return present.reduce((sum, each) => sum + of(each), 0) / present.length;
}
