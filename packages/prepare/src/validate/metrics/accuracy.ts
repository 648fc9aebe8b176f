/** The share of rows a model answers correctly: accuracy, and top-k, where the answer may be among the k largest scores. */
import type { MetricSpec } from '@slipway/core';
import { meanFigure, type Metric, type MetricContext } from '../metric.ts';
import { answersOf, checkComparable, checkExpected, expectedAnswers } from './answers.ts';
import { labelsOf, outputOf, scoresOf } from './read.ts';

type Spec<K extends MetricSpec['metric']> = Extract<MetricSpec, { metric: K }>;

const share = {
  unit: 'share',
  better: 'higher',
  needsLabels: true,
  isProportion: true,
  byClass: true,
  resamples: true,
  figure: meanFigure,
} as const;

export function accuracy(name: string, spec: Spec<'accuracy'>, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    ...share,
    name,
    reader: () => (call, keep) => {
      const expected = expectedAnswers(labelsOf(name, call), call, context.names);
      const own = outputOf(name, call, output);
      const answers = answersOf(name, own, output, call.rows, spec.threshold ?? null, context.names);
      for (let row = 0; row < call.rows; row++) {
        const [wanted, given] = [expected[row] ?? 0, answers.at(row)];
        checkExpected(wanted, answers.classes, output, call.firstRow + row);
        checkComparable(wanted, given, output, call.firstRow + row);
        keep([given === wanted ? 1 : 0]);
      }
    },
  };
}

/** Of equal scores the class with the smaller number comes first, so that top-1 is accuracy. */
export function topK(name: string, spec: Spec<'top-k'>, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    ...share,
    name,
    reader: () => (call, keep) => {
      const expected = expectedAnswers(labelsOf(name, call), call, context.names);
      const { classes, width, read } = scoresOf(name, output, outputOf(name, call, output), call.rows);
      for (let row = 0; row < call.rows; row++) {
        const wanted = expected[row] ?? 0;
        checkExpected(wanted, classes ?? 1, output, call.firstRow + row);
        const own = read(row * width + Number(wanted));
        let before = 0;
        for (let column = 0; column < width; column++) {
          const score = read(row * width + column);
          if (score > own || (score === own && column < Number(wanted))) before++;
        }
        // A score that is no number comes after every other: NaN is larger than nothing and nothing is larger than it.
        keep([!Number.isNaN(own) && before < spec.k ? 1 : 0]);
      }
    },
  };
}
