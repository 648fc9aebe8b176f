/** Metrics for people: figures with their intervals, and differences in words that claim no more than was shown. */
import type { CandidateReport, Estimate, MetricDifference, MetricUnit, MetricValue } from '@slipway/core';
import { decibels, formatShare, NO_NOISE_DB, points, significant } from './format.ts';

/** The metric that decides, or null when none was measured. */
export function primaryOf({ metrics }: Pick<CandidateReport, 'metrics'>): MetricValue | null {
  return metrics[0] ?? null;
}

/** `98.93 %`, `12.31`, `33.1 dB` */
export function formatMetric(value: number, unit: MetricUnit): string {
  if (unit === 'share') return formatShare(value);
  return unit === 'decibels' ? decibels(value) : significant(value, 4);
}

/** `98.93 ±0.21 %`: half the width of the interval; without one, the value alone. */
export function formatEstimate({ value, low, high }: Estimate, unit: MetricUnit): string {
  if (low === null || high === null) return formatMetric(value, unit);
  const half = (high - low) / 2;
  if (unit === 'share') return `${(value * 100).toFixed(2)} ±${(100 * half).toFixed(2)} %`;
  if (unit === 'decibels' && value >= NO_NOISE_DB) return decibels(value);
  return unit === 'decibels'
    ? `${value.toFixed(1)} ±${half.toFixed(1)} dB`
    : `${significant(value, 4)} ±${significant(half, 2)}`;
}

/** The value of a metric, or that it has none. */
export function formatValue({ value, unit }: Pick<MetricValue, 'value' | 'unit'>): string {
  return value === null ? 'not defined' : formatEstimate(value, unit);
}

/** A difference without its sign: `1.33 points`. */
export function formatGap(gap: number, unit: MetricUnit): string {
  const size = Math.abs(gap);
  return unit === 'share' ? points(size) : unit === 'decibels' ? `${size.toFixed(1)} dB` : significant(size);
}

/** `worse by 1.33 points (95 % 1.05 to 1.62, p < 0.001)`, or `no difference shown (p = 0.42)`. */
export function describeDifference(difference: MetricDifference, unit: MetricUnit): string {
  const { value, low, high, p, verdict, confidence } = difference;
  const chance = p < 0.001 ? 'p < 0.001' : `p = ${significant(p, 2)}`;
  if (verdict === 'same') return `no difference shown (${chance})`;
  const ends = [low, high].flatMap((end) => (end === null ? [] : [Math.abs(end)])).sort((a, b) => a - b);
  const [least, most] = ends.map((end) => formatGap(end, unit).replace(/ .*$/, ''));
  const interval = most === undefined ? '' : `${Math.round(confidence * 100)} % ${least ?? ''} to ${most}, `;
  return `${verdict} by ${formatGap(value, unit)} (${interval}${chance})`;
}

/**
 * What the table cannot hold: how a candidate differs from the source in the primary metric, the slices where that is worse,
 * and the other metrics; those that show no difference in one line. The page and the JSON have all slices of all metrics.
 */
export function metricNotes({ metrics: [primary, ...others] }: Pick<CandidateReport, 'metrics'>): string[] {
  if (primary === undefined) return [];
  const own = differenceOf(primary);
  const line = own === null ? [] : [`${primary.name}: ${describeDifference(own, primary.unit)}`];
  const told = Map.groupBy(others, (metric) => differenceOf(metric)?.verdict ?? 'alone');
  const values = (metrics: readonly MetricValue[]): string =>
    metrics.map((metric) => `${metric.name} ${formatValue(metric)}`).join(', ');
  const { same = [], alone = [] } = Object.fromEntries(told);
  const changed = others.flatMap((metric) => {
    const difference = differenceOf(metric);
    if (difference === null || difference.verdict === 'same') return [];
    return [`${metric.name}: ${formatValue(metric)}, ${describeDifference(difference, metric.unit)}`];
  });
  return [
    ...line,
    ...worseSlices(primary),
    ...changed,
    ...(same.length === 0 ? [] : [`no difference shown: ${values(same)}`]),
    ...(alone.length === 0 ? [] : [values(alone)]),
  ];
}

/**
 * Decibels are against the source already: its ratio to its own outputs is infinite, and so is the difference of any other to
 * it. That is no number to tell.
 */
export function differenceOf({
  unit,
  versusSource,
}: Pick<MetricValue, 'unit' | 'versusSource'>): MetricDifference | null {
  return unit === 'decibels' ? null : versusSource;
}

function worseSlices({ name, unit, slices }: MetricValue): string[] {
  const worse = slices.flatMap(({ by, name: slice, rows, versusSource }) => {
    const difference = differenceOf({ unit, versusSource });
    return difference?.verdict === 'worse'
      ? [`${name} of ${by} ${slice} (${rows} rows): ${describeDifference(difference, unit)}`]
      : [];
  });
  const more = worse.length - MAX_SLICES;
  const rest = more <= 0 ? [] : [`… and ${more} more ${more === 1 ? 'slice is' : 'slices are'} worse`];
  return [...worse.slice(0, MAX_SLICES), ...rest];
}

const MAX_SLICES = 3;
