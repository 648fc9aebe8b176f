/** What is said of metrics in a config and in a report, without what checks it (`metric-schema.ts`). */
import type { MetricFunction, MetricSpec } from './metric-schema.ts';

/** A metric of your own: a function, or a module whose default export is one, that gives one number per row. */
export function custom(
  name: string,
  from: string | MetricFunction,
  options: Omit<Extract<MetricSpec, { metric: 'custom' }>, 'metric' | 'name' | 'function'> = {},
): MetricSpec {
  return { metric: 'custom', name, function: from, ...options };
}

/** The name of a metric in reports and gates. */
export function metricNameOf(spec: MetricSpec): string {
  if (spec.name !== undefined) return spec.name;
  switch (spec.metric) {
    case 'top-k':
      return `top-${spec.k}`;
    case 'precision':
    case 'recall':
    case 'f1':
      return `${spec.metric}-${spec.average ?? 'macro'}`;
    case 'map':
      return spec.iou === undefined ? 'map' : `map-${spec.iou}`;
    default:
      return spec.metric;
  }
}
