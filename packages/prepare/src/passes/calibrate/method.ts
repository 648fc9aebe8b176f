/** The methods that find a range from the distribution of a tensor, by their names in the config. */
import type { CalibrationMethod, CalibrationSpec } from '@slipway/core';
import { entropyRange } from './entropy.ts';
import type { Histogram } from './histogram.ts';
import { mseRange } from './mse.ts';
import { percentileRange } from './percentile.ts';
import type { Range, Target } from './range.ts';

export const methodOf = (spec: CalibrationSpec = 'minmax'): CalibrationMethod =>
  typeof spec === 'string' ? { method: spec } : spec;

/** What ONNX Runtime and TensorRT take. With fewer than 100,000 values it leaves nothing out. */
const DEFAULT_PERCENTILE = 99.999;

/** A method that looks at each tensor by itself. */
export type Estimator = Extract<CalibrationMethod, { method: 'minmax' | 'percentile' | 'entropy' | 'mse' }>;

export function estimate(histogram: Histogram, target: Target, estimator: Estimator): Range {
  switch (estimator.method) {
    case 'minmax':
      return { min: histogram.min, max: histogram.max };
    case 'percentile':
      return percentileRange(histogram, target, estimator.percentile ?? DEFAULT_PERCENTILE);
    case 'entropy':
      return entropyRange(histogram, target);
    case 'mse':
      return mseRange(histogram, target);
  }
}

/** For messages: `percentile 99.99`. */
export function nameOf(method: CalibrationMethod): string {
  return method.method === 'percentile' ? `percentile ${method.percentile ?? DEFAULT_PERCENTILE}` : method.method;
}
