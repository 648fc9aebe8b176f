/** What a build measures on its rows, checked before anything runs: a metric that needs labels where there are none, a gate on none. */
import { type Config, fail, metricNameOf, type MetricSpec } from '@slipway/core';
import type { Metric } from '../validate/metric.ts';
import { createMetric } from '../validate/metrics/index.ts';
import type { Slice } from '../validate/slices.ts';
import { MIN_SLICE_ROWS } from './gates.ts';

const UNLABELLED = 'without labels, "agreement", "sqnr", "source-cosine" and "max-error" compare with the source';

/** What the config asks for, or accuracy where there are labels. @throws DATA_MISMATCH for a metric that cannot be measured */
export function specsFor(
  wanted: readonly MetricSpec[] | null,
  data: { readonly labelled: boolean; readonly generated: boolean },
): readonly MetricSpec[] {
  if (wanted === null) return data.labelled ? [{ metric: 'accuracy' }] : [];
  for (const spec of wanted) {
    const { name, needsLabels } = createMetric(spec, { output: '', names: null });
    if (!needsLabels || data.labelled) continue;
    const place = data.generated ? 'there is no evaluation data' : 'the evaluation data has none';
    throw fail('DATA_MISMATCH', { problem: `the metric ${name} needs labels, and ${place}; ${UNLABELLED}` });
  }
  return wanted;
}

/** Gates on metrics and slices that are not measured would fail every candidate after the whole build. @throws CONFIG_INVALID */
export function checkMetricGates(
  { gates, file, data }: Config,
  metrics: readonly Metric[],
  slices: readonly Slice[],
): void {
  const invalid = (problem: string): Error => fail('CONFIG_INVALID', { path: file, problem });
  const known = data.metrics?.map(metricNameOf) ?? metrics.map(({ name }) => name);
  const unknown = Object.keys(gates.metrics ?? {}).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw invalid(`gates.metrics: "${unknown}" is not measured (data.metric: ${known.join(', ') || 'none'})`);
  }
  const [primary] = metrics;
  const bounded = (['metric', 'drop'] as const).find((gate) => gates[gate] !== undefined);
  if (bounded !== undefined && primary === undefined) {
    throw invalid(
      `gates.${bounded}: no metric is measured: give evaluation rows with labels, or data.metric; ${UNLABELLED}`,
    );
  }
  for (const metric of metrics) {
    const [own, place] =
      metric === primary ? [gates, 'gates'] : [gates.metrics?.[metric.name], `gates.metrics["${metric.name}"]`];
    const problem = own === undefined ? null : outOfRange(own, metric);
    if (problem !== null) throw invalid(`${place}.${problem}`);
  }
  if (gates.slices === undefined) return;
  const own = slices.filter(({ by }) => by === 'group' || primary?.byClass === true);
  if (primary === undefined || own.length === 0) {
    const why = primary === undefined ? 'there is no metric' : `${primary.name} has none here`;
    throw invalid(`gates.slices: there are no slices to protect: ${why}; give the rows classes as labels, or a group`);
  }
  const least = gates.slices.rows ?? MIN_SLICE_ROWS;
  const largest = Math.max(...own.map((slice) => slice.rows.length));
  if (largest < least) {
    throw invalid(
      `gates.slices: no slice has ${least} rows (the largest ${largest}); give more rows, or lower gates.slices.rows`,
    );
  }
}

/** A share lies between 0 and 1: what is written as a percentage could never hold, or would hold for anything. */
function outOfRange(
  bounds: { readonly metric?: number | undefined; readonly drop?: number | undefined },
  metric: Metric,
): string | null {
  if (metric.unit !== 'share') return null;
  const hint = `${metric.name} is a share from 0 to 1, and 0.01 is one percentage point`;
  if (bounds.metric !== undefined && bounds.metric > 1) {
    return `metric: is ${bounds.metric}, which nothing reaches: ${hint}`;
  }
  if (bounds.drop !== undefined && bounds.drop >= 1) return `drop: is ${bounds.drop}, which nothing exceeds: ${hint}`;
  return null;
}
