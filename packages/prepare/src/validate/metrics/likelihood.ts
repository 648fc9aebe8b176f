/**
 * How probable the model finds the labels: log-loss (mean negative log-likelihood, natural logarithm) and perplexity, its
 * exponential. Per row, or per token where a row is a sequence: then rows count by how many of their tokens have a label.
 *
 * Of logits exactly, by log-softmax. Probabilities are bounded away from 0 and 1 by the precision of their type, as
 * scikit-learn does: one label that a model calls impossible must not make the figure infinite.
 */
import type { MetricCall, MetricSpec, Tensor } from '@slipway/core';
import { floatReader } from '../floats.ts';
import { type Metric, type MetricContext, ratioFigure, type Reader } from '../metric.ts';
import { expectedAnswers } from './answers.ts';
import {
  areProbabilities,
  finiteReader,
  labelsOf,
  logSumExp,
  mismatch,
  numeric,
  outputOf,
  rowShape,
  shapeOf,
} from './read.ts';

type Spec = Extract<MetricSpec, { metric: 'log-loss' | 'perplexity' }>;

const IGNORE = -100;
const EPSILON = { float16: 2 ** -10, float32: 2 ** -23, float64: 2 ** -52 } as const;

export function likelihood(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    name,
    unit: 'plain',
    better: 'lower',
    needsLabels: true,
    isProportion: false,
    byClass: true,
    resamples: true,
    reader: (first) => {
      const value = outputOf(name, first, output);
      const { classes, positions } = layout(name, output, value, first.rows);
      const probabilities =
        spec.scores === undefined
          ? areProbabilities(floatReader(numeric(name, output, value)), first.rows * positions, classes)
          : spec.scores === 'probabilities';
      return readerOf(name, spec, context, probabilities);
    },
    figure: (kept) => {
      const mean = ratioFigure(kept, 0, 1);
      return spec.metric === 'perplexity' ? (weights) => Math.exp(mean(weights)) : mean;
    },
  };
}

/** Rows of one score, of a score per class, or of positions with a score per class. */
function layout(name: string, output: string, value: Tensor, rows: number): { classes: number; positions: number } {
  const shape = rowShape(value, rows);
  if (value.dtype.startsWith('float') && shape !== null && shape.length <= 2) {
    if (shape.length === 2) return { positions: shape[0] ?? 0, classes: shape[1] ?? 0 };
    return { positions: 1, classes: shape[0] ?? 1 };
  }
  throw mismatch(
    `${name} cannot be read from output "${output}" (${shapeOf(value)} for ${rows} rows): it needs [rows, classes] or [rows, tokens, classes]`,
  );
}

function readerOf(name: string, spec: Spec, context: MetricContext, probabilities: boolean): Reader {
  const output = spec.output ?? context.output;
  const ignore = spec.ignore ?? IGNORE;
  const shift = spec.shift === true ? 1 : 0;
  return (call, keep) => {
    const value = outputOf(name, call, output);
    const { classes, positions } = layout(name, output, value, call.rows);
    const label = labelReader(name, call, positions, context);
    const read = finiteReader(name, `output "${output}"`, value, call);
    const epsilon = EPSILON[value.dtype as keyof typeof EPSILON];
    const loss = (at: number, wanted: number): number => {
      const range = Math.max(2, classes);
      if (!(wanted >= 0 && wanted < range)) {
        const row = call.firstRow + Math.floor(at / classes / positions);
        throw mismatch(
          `${name}: a label of row ${row} is ${wanted}; output "${output}" has the classes 0 to ${range - 1}`,
        );
      }
      if (!probabilities) {
        return classes === 1 ? softplus(read(at), wanted) : logSumExp(read, at, classes) - read(at + wanted);
      }
      const likely = classes > 1 ? read(at + wanted) : wanted === 1 ? read(at) : 1 - read(at);
      return -Math.log(Math.min(1 - epsilon, Math.max(epsilon, likely)));
    };
    for (let row = 0; row < call.rows; row++) {
      let sum = 0;
      let count = 0;
      for (let position = 0; position + shift < positions; position++) {
        const wanted = label(row, position + shift);
        if (wanted === ignore) continue;
        sum += loss((row * positions + position) * classes, wanted);
        count++;
      }
      keep([sum, count]);
    }
  };
}

/** −log of the logistic function of a single logit, for class 1, or of its complement. */
const softplus = (logit: number, wanted: number): number => {
  const x = wanted === 1 ? -logit : logit;
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
};

function labelReader(
  name: string,
  call: MetricCall,
  positions: number,
  context: MetricContext,
): (row: number, position: number) => number {
  const labels = labelsOf(name, call);
  if (positions === 1) {
    const expected = expectedAnswers(labels, call, context.names);
    return (row) => Number(expected[row] ?? 0);
  }
  if (labels.data.length !== call.rows * positions) {
    throw mismatch(
      `${name} needs a label per token: labels are ${shapeOf(labels)} for ${call.rows} rows of ${positions} tokens`,
    );
  }
  const read = floatReader(numeric(name, 'the label', labels));
  return (row, position) => read(row * positions + position);
}
