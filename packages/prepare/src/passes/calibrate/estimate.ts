/** Ranges of tensors by methods that look at how their values are distributed. */
import type { Dataset, PassName } from '@slipway/core';
import type { Model } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { collectHistograms } from './collect.ts';
import { type Estimator, estimate } from './method.ts';
import type { Range, Target } from './range.ts';
import { callOf } from './rows.ts';
import { shared } from './shared.ts';

export interface Estimated {
  /** All values that occur. */
  readonly whole: Range;
  /** By each of the methods; the whole range where values cannot be seen one by one. */
  readonly by: readonly Range[];
}

/** Histograms are let go when the ranges are known: those of a large model are hundreds of megabytes. */
export function estimateRanges(
  pass: PassName,
  model: Model,
  tensors: readonly string[],
  estimators: readonly Estimator[],
  target: Target,
  rows: Dataset,
  context: PassContext,
): Promise<ReadonlyMap<string, Estimated>> {
  const { levels, symmetric } = target;
  const about = { estimators, target: { levels, symmetric }, call: callOf(rows) };
  return shared(about, model, tensors, context, async (unknown) => {
    const { histograms, extremes } = await collectHistograms(pass, model, unknown, rows, context);
    const found = new Map<string, Estimated>();
    for (const [tensor, whole] of extremes) found.set(tensor, { whole, by: estimators.map(() => whole) });
    for (const [tensor, histogram] of histograms) {
      const by = estimators.map((estimator) => estimate(histogram, target, estimator));
      found.set(tensor, { whole: { min: histogram.min, max: histogram.max }, by });
    }
    return found;
  });
}
