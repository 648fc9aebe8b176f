/** The path a search took: what every trial came to, how the best grew, what stopped the others; and the trials as a table. */
import type { Report, SearchReport, Trial } from '@slipway/core';
import { formatBytes, formatCount, formatMs, significant } from '../format.ts';
import { formatMetric, primaryOf } from '../metrics.ts';
import { markup, type Markup } from './markup.ts';
import { pathChart } from './search-path.ts';
import { STOPS, stopOf } from '../stops.ts';
import { tradeChart } from './search-trade.ts';

/** More rows than this are folded away: the picture tells of them. */
const OPEN_ROWS = 12;

const ENDS: Readonly<Record<SearchReport['ended'], string>> = {
  exhausted: 'every combination was tried',
  trials: 'the budget of trials was spent',
  minutes: 'the budget of minutes was spent',
};

export function searchSection(report: Report): Markup | null {
  const { search } = report;
  if (search === null || search.trials.length === 0) return null;
  const { trials, points, sampler, ended } = search;
  const spent = trials.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const taken = trials.filter(({ cached }) => cached).length;
  const space = points === null ? 'a space without end' : `${formatCount(points)} combinations`;
  const earlier =
    taken === 0 ? '' : ` ${formatCount(taken)} ${taken === 1 ? 'was' : 'were'} taken over from an earlier build.`;
  const trade = tradeChart(report, search);
  const side =
    trade === null
      ? null
      : markup`<div class="card"><h2>${trade.title}</h2><p class="note">Every trial that was measured that far. Nothing lies above and left of the dashed line.</p>${trade.chart}</div>`;
  return markup`<section class="card"><h2>Search</h2>
<p class="note">${formatCount(trials.length)} trials in ${space}, sampler ${sampler}, ${formatMs(spent)} of trying: ${ENDS[ended]}.${earlier}</p>${pathChart(report, trials)}
<div class="legend">${stops(trials)}</div></section><section class="grid two">${side}<div class="card">${table(report, trials)}</div></section>`;
}

function stops(trials: readonly Trial[]): Markup[] {
  return STOPS.flatMap(({ key, label }) => {
    const count = trials.filter((trial) => stopOf(trial) === key).length;
    return count === 0 ? [] : [markup`<span><b>${formatCount(count)}</b> ${label}</span>`];
  });
}

function table(report: Report, trials: readonly Trial[]): Markup {
  const finalists = trials.filter(({ outcome }) => outcome === 'finalist');
  const others = trials.filter(({ outcome }) => outcome !== 'finalist');
  const all = trials.length <= OPEN_ROWS;
  const first = all ? trials : finalists;
  const rest = all
    ? null
    : markup`<details><summary>${formatCount(others.length)} other trials</summary>${rows(report, others)}</details>`;
  return markup`<h2>${all ? 'Trials' : 'Finalists'}</h2><p class="note">Measured side by side in the end, with the source: their figures are in the table of candidates. A dot marks the best so far.</p>${rows(report, first)}${rest}`;
}

function rows(report: Report, trials: readonly Trial[]): Markup {
  const metric = report.candidates.map(primaryOf).find((one) => one !== null) ?? null;
  const cell = (value: string | null): Markup =>
    value === null ? markup`<td><span class="faint">–</span></td>` : markup`<td>${value}</td>`;
  const body = trials.map((trial) => {
    const shown = trial.metric === null || metric === null ? null : formatMetric(trial.metric, metric.unit);
    const figures = [
      cell(trial.bytes === null ? null : formatBytes(trial.bytes)),
      ...(metric === null ? [] : [cell(shown)]),
      cell(trial.timeRatio === null ? null : `${significant(trial.timeRatio)}×`),
    ];
    const passes = trial.passes.map((spec) => summaryOf(spec)).join(' → ');
    const why = trial.reason === null ? null : markup`<br>${trial.reason}`;
    return markup`<tr><td><b>${trial.name}</b>${trial.best ? markup` <span class="down" title="best so far">●</span>` : null}</td>${figures}</tr>
<tr class="why"><td colspan="${figures.length + 1}"><code>${passes === '' ? 'nothing' : passes}</code>${why}</td></tr>`;
  });
  const head = metric === null ? null : markup`<th>${metric.name}</th>`;
  return markup`<div class="scroll"><table class="trials"><thead><tr><th>trial</th><th>size</th>${head}<th>time vs source</th></tr></thead><tbody>${body}</tbody></table></div>`;
}

/** `quantize.static perChannel=false` */
function summaryOf({ pass, ...options }: Trial['passes'][number]): string {
  const shown = Object.entries(options).filter(([, value]) => value !== undefined);
  return [
    pass,
    ...shown.map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`),
  ].join(' ');
}
