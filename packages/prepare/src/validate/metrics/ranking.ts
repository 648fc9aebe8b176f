/**
 * Areas under curves: ROC AUC (T. Fawcett, "An introduction to ROC analysis", 2006; ties count one half) and average precision,
 * Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct scores, as scikit-learn has it. With more than two classes, each against the rest.
 *
 * Scores are kept per row: the curve cannot be drawn before all are known. Two classes are ranked by what separates them, the
 * difference of their logits or the probability of the positive one; more classes by their log-probability.
 */
import type { MetricSpec } from '@slipway/core';
import type { Kept } from '../kept.ts';
import type { Metric, MetricContext, Reader } from '../metric.ts';
import { checkExpected, expectedAnswers } from './answers.ts';
import { areProbabilities, finiteReader, labelsOf, logSumExp, mismatch, outputOf, scoresOf } from './read.ts';

type Spec = Extract<MetricSpec, { metric: 'roc-auc' | 'pr-auc' }>;

/** All scores of all rows are in memory: 100,000 rows of this many classes take 200 MB. */
const MAX_CLASSES = 256;

export function ranking(name: string, spec: Spec, context: MetricContext): Metric {
  const area = spec.metric === 'roc-auc' ? rocArea : averagePrecision;
  return {
    name,
    unit: 'share',
    better: 'higher',
    needsLabels: true,
    isProportion: false,
    byClass: false,
    resamples: true,
    reader: (first) => readerOf(name, spec, context, isProbability(name, spec, context, first)),
    figure: (kept) => {
      // A row is its class and a score per class; of two classes only the score of the positive one is kept.
      const columns = (kept.starts[1] ?? 1) - 1;
      const curves = Array.from({ length: columns }, (_, column) => {
        const own = columns === 1 ? 1 : column;
        return { curve: curveOf(kept, columns, column, own), own };
      });
      return (weights) => {
        let sum = 0;
        let total = 0;
        for (const { curve } of curves) {
          const { value, positives } = area(curve, weights);
          if (Number.isNaN(value)) continue;
          const share = spec.average === 'weighted' ? positives : 1;
          sum += share * value;
          total += share;
        }
        return sum / total;
      };
    },
  };
}

function isProbability(
  name: string,
  spec: Spec,
  context: MetricContext,
  first: Parameters<Metric['reader']>[0],
): boolean {
  if (spec.scores !== undefined) return spec.scores === 'probabilities';
  const output = spec.output ?? context.output;
  const { read, width } = scoresOf(name, output, outputOf(name, first, output), first.rows);
  return areProbabilities(read, first.rows, width);
}

function readerOf(name: string, spec: Spec, context: MetricContext, probabilities: boolean): Reader {
  const output = spec.output ?? context.output;
  const positive = spec.positive ?? 1;
  return (call, keep) => {
    const expected = expectedAnswers(labelsOf(name, call), call, context.names);
    const value = outputOf(name, call, output);
    const { classes, width } = scoresOf(name, output, value, call.rows);
    const read = finiteReader(name, `output "${output}"`, value, call);
    if (width > MAX_CLASSES) throw mismatch(`${name} of ${width} classes: at most ${MAX_CLASSES} are kept in memory`);
    if (positive >= Math.max(2, width)) throw mismatch(`${name}: there is no class ${positive} in output "${output}"`);
    for (let row = 0; row < call.rows; row++) {
      const wanted = expected[row] ?? 0;
      checkExpected(wanted, classes ?? 2, output, call.firstRow + row);
      const at = row * width;
      if (width === 1) keep([wanted === 1 ? 1 : 0, read(at)]);
      else if (width === 2) {
        const own = read(at + positive);
        keep([wanted === positive ? 1 : 0, probabilities ? own : own - read(at + 1 - positive)]);
      } else {
        const norm = probabilities ? 0 : logSumExp(read, at, width);
        keep([Number(wanted), ...Array.from({ length: width }, (_, column) => read(at + column) - norm)]);
      }
    }
  };
}

interface Curve {
  /** Rows by falling score. */
  readonly order: Uint32Array;
  /** 1 where the row is of the class, in that order. */
  readonly positive: Uint8Array;
  /** 1 where the next row has a smaller score, in that order. */
  readonly last: Uint8Array;
}

function curveOf({ rows, values }: Kept, columns: number, column: number, own: number): Curve {
  const width = columns + 1;
  const score = Float64Array.from({ length: rows }, (_, row) => values[row * width + 1 + column] ?? 0);
  const order = Uint32Array.from({ length: rows }, (_, row) => row);
  order.sort((a, b) => (score[b] ?? 0) - (score[a] ?? 0));
  const positive = new Uint8Array(rows);
  const last = new Uint8Array(rows);
  order.forEach((row, place) => {
    positive[place] = values[row * width] === own ? 1 : 0;
    last[place] = score[row] === score[order[place + 1] ?? -1] ? 0 : 1;
  });
  return { order, positive, last };
}

interface Area {
  /** NaN when one side is empty. */
  readonly value: number;
  readonly positives: number;
}

/** Of the pairs of a positive and a negative row, those in the right order; ties count one half. */
function rocArea({ order, positive, last }: Curve, weights: Uint32Array): Area {
  let [positives, negatives, tiedPositives, tiedNegatives, pairs] = [0, 0, 0, 0, 0];
  for (let place = 0; place < order.length; place++) {
    const weight = weights[order[place] ?? 0] ?? 0;
    if (positive[place] === 1) tiedPositives += weight;
    else tiedNegatives += weight;
    if (last[place] === 0) continue;
    pairs += tiedNegatives * (positives + tiedPositives / 2);
    positives += tiedPositives;
    negatives += tiedNegatives;
    tiedPositives = 0;
    tiedNegatives = 0;
  }
  return { value: pairs / (positives * negatives), positives };
}

function averagePrecision({ order, positive, last }: Curve, weights: Uint32Array): Area {
  let [positives, seen, before, sum] = [0, 0, 0, 0];
  for (let place = 0; place < order.length; place++) {
    const weight = weights[order[place] ?? 0] ?? 0;
    seen += weight;
    if (positive[place] === 1) positives += weight;
    if (last[place] === 0 || seen === 0) continue;
    sum += (positives - before) * (positives / seen);
    before = positives;
  }
  return { value: sum / positives, positives };
}
