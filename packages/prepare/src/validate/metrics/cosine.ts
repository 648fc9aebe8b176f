/** Cosine of an embedding to the one the labels give, row by row, and its mean. Of a vector of zeros it is 0. */
import type { MetricSpec } from '@slipway/core';
import { meanFigure, type Metric, type MetricContext } from '../metric.ts';
import { finiteReader, labelsOf, mismatch, outputOf, rowWidth, shapeOf } from './read.ts';

type Spec = Extract<MetricSpec, { metric: 'cosine' }>;

export function cosine(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    name,
    unit: 'plain',
    better: 'higher',
    needsLabels: true,
    isProportion: false,
    byClass: false,
    resamples: true,
    figure: meanFigure,
    reader: () => (call, keep) => {
      const labels = labelsOf(name, call);
      const value = outputOf(name, call, output);
      const width = rowWidth(name, `output "${output}"`, value, call.rows);
      if (labels.data.length !== value.data.length) {
        throw mismatch(
          `${name} compares vectors: labels are ${shapeOf(labels)}, output "${output}" is ${shapeOf(value)}`,
        );
      }
      const wanted = finiteReader(name, 'the label', labels, call);
      const given = finiteReader(name, `output "${output}"`, value, call);
      for (let row = 0; row < call.rows; row++) keep([cosineOf(wanted, given, row * width, width)]);
    },
  };
}

/** Of `width` elements from `start` on. */
export function cosineOf(
  first: (index: number) => number,
  second: (index: number) => number,
  start: number,
  width: number,
): number {
  let [dot, a, b] = [0, 0, 0];
  for (let i = start; i < start + width; i++) {
    const [x, y] = [first(i), second(i)];
    dot += x * y;
    a += x * x;
    b += y * y;
  }
  return a === 0 || b === 0 ? 0 : Math.max(-1, Math.min(1, dot / (Math.sqrt(a) * Math.sqrt(b))));
}
