/** The top of the page: what came of the build, in a sentence and a few figures. */
import { type CandidateReport, type Objective, OBJECTIVES, type Report, SOURCE_CANDIDATE } from '@slipway/core';
import { formatBytes, formatChange, formatCount, formatCpu, formatMs, formatSpeed } from '../format.ts';
import { formatMetric, formatValue, primaryOf } from '../metrics.ts';
import { withoutWinner } from '../recipes.ts';
import { markup, type Markup } from './markup.ts';

export function heroSection(report: Report): Markup {
  const winner = report.candidates.find((c) => c.name === report.winner);
  const version =
    report.release === null ? null : markup` <span class="chip winner">version ${report.release.version}</span>`;
  const badge = winner === undefined ? markup` <span class="chip failed">nothing released</span>` : version;
  const rows =
    report.rows.evaluation === 0 ? 'no evaluation data' : `${formatCount(report.rows.evaluation)} evaluation rows`;
  const measured = [
    report.createdAt.replace('T', ' ').replace(/\.\d+Z$/, ' UTC'),
    `took ${formatMs(report.durationMs)}`,
    rows,
    `objective: ${report.objective}`,
    `${formatCpu(report.host.cpu)}, ${report.host.cores} ${report.host.cores === 1 ? 'core' : 'cores'}`,
    report.host.engine,
  ];
  return markup`<header><p class="over">Slipway build report</p><h1>${report.name}${badge}</h1>
<p class="lead">${outcome(report, winner)}</p>${(report.oddities ?? []).map((text) => markup`<p class="note">${text}</p>`)}<div class="meta">${measured.map((text) => markup`<span>${text}</span>`)}</div></header>`;
}

function outcome(report: Report, winner: CandidateReport | undefined): Markup {
  const count = report.candidates.length;
  if (winner === undefined) {
    const why = withoutWinner(report);
    return markup`<b>${why.charAt(0).toUpperCase()}${why.slice(1)}.</b> ${count} ${count === 1 ? 'was' : 'were'} measured; the table says what each one missed.`;
  }
  return markup`<b>${winner.name}</b> ${report.release === null ? 'won' : 'was released'}, out of ${count} ${count === 1 ? 'candidate' : 'candidates'}: ${winner.reason}.`;
}

/** The figures of the winner, or of the source when nothing won, each against the source. */
export function figuresSection(report: Report): Markup | null {
  const source = report.candidates.find((c) => c.name === SOURCE_CANDIDATE);
  const shown = report.candidates.find((c) => c.name === report.winner) ?? source;
  if (shown === undefined) return null;
  const isSource = shown.name === SOURCE_CANDIDATE;
  const against = (value: number | undefined, reference: number | undefined): Markup =>
    isSource || value === undefined || reference === undefined
      ? markup`${isSource ? 'the source' : ''}`
      : markup`<span class="${value > reference * 1.005 ? 'up' : value < reference * 0.995 ? 'down' : ''}">${formatChange(value, reference)}</span> against source`;
  const tiles: Markup[] = [];
  const tile = (title: string, value: string, under: Markup): void => {
    tiles.push(
      markup`<div class="card tile"><p class="over">${title}</p><p class="value">${value}</p><p class="under">${under}</p></div>`,
    );
  };
  const { size, latency } = shown;
  if (size !== null) {
    tile('Size', formatBytes(size.bytes), against(size.bytes, source?.size?.bytes));
    tile('Compressed', formatBytes(size.compressedBytes), against(size.compressedBytes, source?.size?.compressedBytes));
  }
  const metric = primaryOf(shown);
  const estimate = metric?.value ?? null;
  if (metric !== null && estimate !== null) {
    const { value, low, high, rows } = estimate;
    const text = (end: number): string => formatMetric(end, metric.unit);
    const interval = low === null || high === null ? '' : `95 %: ${text(low)} to ${text(high)}, `;
    const title = metric.name.charAt(0).toUpperCase() + metric.name.slice(1);
    tile(title, text(value), markup`${interval}${formatCount(rows)} rows`);
  }
  if (latency !== null) tile('Median latency', formatMs(latency.p50Ms), against(latency.p50Ms, source?.latency?.p50Ms));
  if (shown.peakRssBytes !== null) {
    tile(
      'Peak memory',
      formatBytes(shown.peakRssBytes),
      against(shown.peakRssBytes, source?.peakRssBytes ?? undefined),
    );
  }
  return tiles.length === 0 ? null : markup`<section class="grid tiles">${tiles}</section>`;
}

const TITLES: Readonly<Record<Objective, string>> = { latency: 'Fastest', size: 'Smallest', accuracy: 'Most accurate' };

export function choicesSection(report: Report): Markup | null {
  const picks = OBJECTIVES.map((objective) => ({ objective, name: report.choices[objective] }));
  if (picks.every(({ name }) => name === null)) return null;
  const differ = new Set(picks.flatMap(({ name }) => (name === null ? [] : [name]))).size > 1;
  const lead = differ
    ? 'The candidates that passed are good at different things: what you optimize for decides.'
    : `Whatever you optimize for${picks.some(({ name }) => name === null) ? ', of what was measured' : ''}, the same candidate is chosen.`;
  const cards = picks.map(({ objective, name }) => {
    const chosen = objective === report.objective;
    const figures = report.candidates.find((c) => c.name === name);
    return markup`<div class="card tile pick ${chosen ? 'chosen' : ''}"><p class="over">${TITLES[objective]}${chosen ? ' · your objective' : ''}</p>
<p class="value">${name ?? '–'}</p><p class="under">${figures === undefined ? `${objective} not measured` : figure(objective, figures)}</p></div>`;
  });
  return markup`<section><h2>What each objective picks</h2><p class="note">${lead}</p><div class="grid tiles">${cards}</div></section>`;
}

function figure(objective: Objective, c: CandidateReport): string {
  if (objective === 'latency') {
    if (c.latency === null) return 'latency not measured';
    const { p50Ms, versusSource } = c.latency;
    return versusSource === null
      ? `p50 ${formatMs(p50Ms)}`
      : `p50 ${formatMs(p50Ms)}, ${formatSpeed(versusSource.ratio)} than source`;
  }
  if (objective === 'size') {
    return c.size === null
      ? 'size not measured'
      : `${formatBytes(c.size.bytes)}, ${formatBytes(c.size.compressedBytes)} compressed`;
  }
  const metric = primaryOf(c);
  return metric === null ? 'accuracy not measured' : `${metric.name} ${formatValue(metric)}`;
}
