/**
 * Likeness to the source, row by row: what can be measured without labels. The same words as the parity figures of the
 * report, which cover all outputs at once; as metrics they read one output and have intervals, slices and gates.
 */
import type { MetricCall, MetricSpec } from '@slipway/core';
import { NO_NOISE_DB } from '../../report/format.ts';
import type { Kept } from '../kept.ts';
import { meanFigure, type Metric, type MetricContext } from '../metric.ts';
import { sqnr } from '../parity.ts';
import { answersOf } from './answers.ts';
import { cosineOf } from './cosine.ts';
import { finiteReader, mismatch, outputOf, rowWidth, shapeOf } from './read.ts';

type Spec = Extract<MetricSpec, { metric: 'agreement' | 'source-cosine' | 'sqnr' | 'max-error' }>;

const unlabelled = { needsLabels: false, isProportion: false, byClass: true, resamples: true } as const;

export function agreement(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    ...unlabelled,
    name,
    unit: 'share',
    better: 'higher',
    isProportion: true,
    figure: meanFigure,
    reader: () => (call, keep) => {
      const own = answersOf(name, outputOf(name, call, output), output, call.rows, null, null);
      const source = answersOf(name, outputOf(name, { outputs: call.source }, output), output, call.rows, null, null);
      for (let row = 0; row < call.rows; row++) keep([own.at(row) === source.at(row) ? 1 : 0]);
    },
  };
}

export function sourceCosine(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    ...unlabelled,
    name,
    unit: 'plain',
    better: 'higher',
    figure: meanFigure,
    reader: () => (call, keep) => {
      const { source, own, width } = pair(name, output, call);
      for (let row = 0; row < call.rows; row++) {
        const start = row * width;
        // Two vectors of zeros are alike, though they have no angle.
        keep([isSame(source, own, start, width) ? 1 : cosineOf(source, own, start, width)]);
      }
    },
  };
}

export function signalToNoise(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    ...unlabelled,
    name,
    unit: 'decibels',
    better: 'higher',
    figure: noiseFigure,
    reader: () => (call, keep) => {
      const { source, own, width } = pair(name, output, call);
      for (let row = 0; row < call.rows; row++) {
        let [signal, noise] = [0, 0];
        for (let i = row * width; i < (row + 1) * width; i++) {
          signal += source(i) ** 2;
          noise += (source(i) - own(i)) ** 2;
        }
        keep([signal, noise]);
      }
    },
  };
}

export function largestError(name: string, spec: Spec, context: MetricContext): Metric {
  const output = spec.output ?? context.output;
  return {
    ...unlabelled,
    name,
    unit: 'plain',
    better: 'lower',
    resamples: false,
    figure: (kept) => (weights) => {
      const present = kept.values.filter((_, row) => (weights[row] ?? 0) > 0);
      return present.length === 0 ? Number.NaN : present.reduce((largest, value) => Math.max(largest, value), 0);
    },
    reader: () => (call, keep) => {
      const { source, own, width } = pair(name, output, call);
      for (let row = 0; row < call.rows; row++) {
        let largest = 0;
        for (let i = row * width; i < (row + 1) * width; i++) largest = Math.max(largest, Math.abs(source(i) - own(i)));
        keep([largest]);
      }
    },
  };
}

interface Pair {
  readonly source: (index: number) => number;
  readonly own: (index: number) => number;
  readonly width: number;
}

function pair(name: string, output: string, call: MetricCall): Pair {
  const own = outputOf(name, call, output);
  const source = outputOf(name, { outputs: call.source }, output);
  if (own.data.length !== source.data.length) {
    throw mismatch(`${name}: output "${output}" is ${shapeOf(own)}, the source gives ${shapeOf(source)}`);
  }
  return {
    source: finiteReader(name, `output "${output}" of the source`, source, call),
    own: finiteReader(name, `output "${output}"`, own, call),
    width: rowWidth(name, `output "${output}"`, own, call.rows),
  };
}

function isSame(first: (i: number) => number, second: (i: number) => number, start: number, width: number): boolean {
  for (let i = start; i < start + width; i++) if (first(i) !== second(i)) return false;
  return true;
}

function noiseFigure({ rows, values }: Kept): (weights: Uint32Array) => number {
  return (weights) => {
    let [signal, noise, total] = [0, 0, 0];
    for (let row = 0; row < rows; row++) {
      const weight = weights[row] ?? 0;
      signal += weight * (values[2 * row] ?? 0);
      noise += weight * (values[2 * row + 1] ?? 0);
      total += weight;
    }
    if (total === 0) return Number.NaN;
    return noise === 0 ? NO_NOISE_DB : Math.min(NO_NOISE_DB, sqnr(signal, noise));
  };
}
