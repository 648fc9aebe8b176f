/** What was measured on the rows: every metric of every candidate with its interval, its difference, and its slices. */
import type { CandidateReport, MetricDifference, MetricUnit, MetricValue, Report } from '@slipway/core';
import { formatCount } from '../format.ts';
import { describeDifference, differenceOf, formatValue } from '../metrics.ts';
import { markup, type Markup } from './markup.ts';

const none = markup`<span class="faint">–</span>`;

/** null when nothing was measured beyond what the table of candidates shows. */
export function metricsSection(report: Report): Markup | null {
  const rows = report.candidates.flatMap((candidate) => candidate.metrics.map((metric) => ({ candidate, metric })));
  if (rows.length === 0) return null;
  return markup`<section class="card"><h2>Metrics</h2>
<p class="note">Intervals are of 95 %. A difference counts when a paired test over the same rows says so (p ≤ 0.01): McNemar's for rows that are right or wrong, a bootstrap for other figures.</p>
<div class="scroll"><table><thead><tr><th>metric</th><th>candidate</th><th>value</th><th>rows</th><th>against source</th></tr></thead>
<tbody>${report.metrics.map((name) => rows.filter(({ metric }) => metric.name === name).map(line))}</tbody></table></div>${slices(report)}</section>`;
}

function line({ candidate, metric }: { candidate: CandidateReport; metric: MetricValue }): Markup {
  const aim = `${metric.better} is better`;
  return markup`<tr><td><b>${metric.name}</b><small>${aim}</small></td><td>${candidate.name}</td><td>${formatValue(metric)}</td><td>${metric.value === null ? none : formatCount(metric.value.rows)}</td><td>${against(differenceOf(metric), metric.unit)}</td></tr>`;
}

function against(difference: MetricDifference | null, unit: MetricUnit): Markup {
  if (difference === null) return none;
  const chip = { better: 'winner', worse: 'failed', same: 'passed' }[difference.verdict];
  return markup`<span class="chip ${chip}">${difference.verdict}</span> ${describeDifference(difference, unit)}`;
}

function slices(report: Report): Markup | null {
  const all = report.candidates.flatMap((candidate) =>
    candidate.metrics.flatMap((metric) => metric.slices.map((slice) => ({ candidate, metric, slice }))),
  );
  if (all.length === 0) return null;
  const lines = all.map(
    ({ candidate, metric, slice }) =>
      markup`<tr><td>${slice.by} <b>${slice.name}</b></td><td>${metric.name}</td><td>${candidate.name}</td><td>${formatValue({ value: slice.value, unit: metric.unit })}</td><td>${formatCount(slice.rows)}</td><td>${against(differenceOf({ ...slice, unit: metric.unit }), metric.unit)}</td></tr>`,
  );
  return markup`<details><summary>${formatCount(all.length)} slices</summary><div class="scroll"><table><thead><tr><th>slice</th><th>metric</th><th>candidate</th><th>value</th><th>rows</th><th>against source</th></tr></thead><tbody>${lines}</tbody></table></div></details>`;
}
