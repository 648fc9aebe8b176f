/**
 * Errors of numbers: mean absolute error, root of the mean squared error, and R² = 1 − Σ(y−ŷ)² / Σ(y−ȳ)². With several numbers per
 * row, the mean over them of each one's figure, as scikit-learn has it. R² of constant labels is 1 when all answers are
 * right and 0 otherwise, and not defined for fewer than two rows.
 */
import type { MetricSpec } from '@slipway/core';
import type { Kept } from '../kept.ts';
import type { Metric, MetricContext } from '../metric.ts';
import { finiteReader, labelsOf, mismatch, outputOf, rowWidth, shapeOf } from './read.ts';

type Spec = Extract<MetricSpec, { metric: 'mae' | 'rmse' | 'r2' }>;

export function regression(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    name,
    unit: 'plain',
    better: spec.metric === 'r2' ? 'higher' : 'lower',
    needsLabels: true,
    isProportion: false,
    byClass: false,
    resamples: true,
    reader: () => (call, keep) => {
      const labels = labelsOf(name, call);
      const value = outputOf(name, call, output);
      const width = rowWidth(name, `output "${output}"`, value, call.rows);
      if (labels.data.length !== call.rows * width) {
        const given = `labels are ${shapeOf(labels)} for ${call.rows} rows, output "${output}" is ${shapeOf(value)}`;
        throw mismatch(`${name} compares number by number: ${given}`);
      }
      const wanted = finiteReader(name, 'the label', labels, call);
      const given = finiteReader(name, `output "${output}"`, value, call);
      const pairs = new Float64Array(2 * width);
      for (let row = 0; row < call.rows; row++) {
        for (let i = 0; i < width; i++) {
          pairs[2 * i] = wanted(row * width + i);
          pairs[2 * i + 1] = given(row * width + i);
        }
        keep(pairs);
      }
    },
    figure: (kept) => {
      const targets = (kept.starts[1] ?? 0) / 2;
      return (weights) => {
        let sum = 0;
        for (let target = 0; target < targets; target++) sum += FIGURES[spec.metric](kept, weights, target);
        return sum / targets;
      };
    },
  };
}

type Figure = (kept: Kept, weights: Uint32Array, target: number) => number;

const FIGURES: Readonly<Record<Spec['metric'], Figure>> = {
  mae: (kept, weights, target) => meanOf(kept, weights, target, (wanted, given) => Math.abs(wanted - given)),
  rmse: (kept, weights, target) => Math.sqrt(meanOf(kept, weights, target, squaredError)),
  r2: (kept, weights, target) => {
    const rows = weights.reduce((sum, weight) => sum + weight, 0);
    if (rows < 2) return Number.NaN;
    // Around the mean, in a second pass: Σy² − (Σy)²/n loses all digits where the labels are far from zero.
    const mean = meanOf(kept, weights, target, (wanted) => wanted);
    const spread = meanOf(kept, weights, target, (wanted) => (wanted - mean) ** 2);
    const error = meanOf(kept, weights, target, squaredError);
    if (spread === 0) return error === 0 ? 1 : 0;
    return 1 - error / spread;
  },
};

const squaredError = (wanted: number, given: number): number => (wanted - given) ** 2;

function meanOf(
  { rows, values, starts }: Kept,
  weights: Uint32Array,
  target: number,
  of: (wanted: number, given: number) => number,
): number {
  let sum = 0;
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const weight = weights[row] ?? 0;
    if (weight === 0) continue;
    const at = (starts[row] ?? 0) + 2 * target;
    sum += weight * of(values[at] ?? 0, values[at + 1] ?? 0);
    total += weight;
  }
  return sum / total;
}
