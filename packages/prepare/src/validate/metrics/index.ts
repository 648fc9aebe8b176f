/** The metrics there are, by kind. */
import { metricNameOf, type MetricSpec } from '@slipway/core';
import type { Metric, MetricContext } from '../metric.ts';
import { accuracy, topK } from './accuracy.ts';
import { bleu } from './bleu.ts';
import { classification } from './classification.ts';
import { cosine } from './cosine.ts';
import { custom } from './custom.ts';
import { detection } from './detection.ts';
import { likelihood } from './likelihood.ts';
import { agreement, largestError, signalToNoise, sourceCosine } from './parity.ts';
import { ranking } from './ranking.ts';
import { regression } from './regression.ts';
import { rouge } from './rouge.ts';
import { segmentation } from './segmentation.ts';

/** @param spec one entry of `data.metric` */
export function createMetric(spec: MetricSpec, context: MetricContext): Metric {
  const name = metricNameOf(spec);
  switch (spec.metric) {
    case 'accuracy':
      return accuracy(name, spec, context);
    case 'top-k':
      return topK(name, spec, context);
    case 'precision':
    case 'recall':
    case 'f1':
      return classification(name, spec, context);
    case 'roc-auc':
    case 'pr-auc':
      return ranking(name, spec, context);
    case 'mae':
    case 'rmse':
    case 'r2':
      return regression(name, spec, context);
    case 'log-loss':
    case 'perplexity':
      return likelihood(name, spec, context);
    case 'iou':
      return segmentation(name, spec, context);
    case 'map':
      return detection(name, spec);
    case 'bleu':
      return bleu(name, spec, context);
    case 'rouge-1':
    case 'rouge-2':
    case 'rouge-l':
      return rouge(name, spec, context);
    case 'cosine':
      return cosine(name, spec, context);
    case 'agreement':
      return agreement(name, spec, context);
    case 'source-cosine':
      return sourceCosine(name, spec, context);
    case 'sqnr':
      return signalToNoise(name, spec, context);
    case 'max-error':
      return largestError(name, spec, context);
    case 'custom':
      return custom(name, spec);
  }
}
