/** Chart: what trials buy for what, and the front of them. Size against the metric, or against time where there is no metric. */
import type { Report, SearchReport, Trial } from '@slipway/core';
import { formatBytes, significant } from '../format.ts';
import { formatMetric, primaryOf } from '../metrics.ts';
import { markup, type Markup } from './markup.ts';
import { linearScale, paretoFront } from './scale.ts';

const WIDTH = 560;
const HEIGHT = 330;
const LEFT = 70;
const RIGHT = WIDTH - 16;
const TOP = 14;
const BOTTOM = HEIGHT - 44;

interface Point {
  readonly trial: Trial;
  readonly cost: number;
  readonly worth: number;
}

export interface TradeChart {
  readonly title: string;
  readonly chart: Markup;
}

/** null when there are not two trials to compare. */
export function tradeChart(report: Report, { trials }: SearchReport): TradeChart | null {
  const metric = report.candidates.map(primaryOf).find((one) => one !== null) ?? null;
  const sign = metric?.better === 'lower' ? -1 : 1;
  const worthOf = (trial: Trial): number | null =>
    metric === null
      ? trial.timeRatio === null
        ? null
        : -trial.timeRatio
      : trial.metric === null
        ? null
        : sign * trial.metric;
  const say = (worth: number): string =>
    metric === null ? `${significant(-worth)}×` : formatMetric(sign * worth, metric.unit);
  const points = trials.flatMap((trial): Point[] => {
    const worth = worthOf(trial);
    return worth === null || trial.bytes === null || trial.outcome === 'same'
      ? []
      : [{ trial, cost: trial.bytes, worth }];
  });
  if (points.length < 2) return null;
  const span = (values: readonly number[]): [number, number] => [Math.min(...values), Math.max(...values)];
  const x = linearScale(span(points.map(({ cost }) => cost)), [LEFT + 12, RIGHT - 12]);
  // Up is better, as in the chart of the candidates; a collapsed trial must not press all others into one line.
  const worths = points.map(({ worth }) => worth).sort((a, b) => a - b);
  const floor = worths[Math.floor(worths.length * 0.1)] ?? 0;
  const held = points
    .filter(({ trial }) => trial.outcome === 'finalist' || trial.outcome === 'held')
    .map(({ worth }) => worth);
  const y = linearScale([Math.min(floor, ...held), worths.at(-1) ?? 1], [BOTTOM - 12, TOP + 10]);
  const below = y.at(Math.min(floor, ...held));
  const at = ({ cost, worth }: Point): [number, number] => [x.at(cost), Math.min(below + 10, y.at(worth))];
  const grid = [
    ...y.ticks.map(
      (tick) => markup`<line x1="${LEFT}" x2="${RIGHT}" y1="${y.at(tick)}" y2="${y.at(tick)}" stroke="var(--grid)"/>
<text class="faint" x="${LEFT - 8}" y="${y.at(tick) + 4}" text-anchor="end">${say(tick)}</text>`,
    ),
    ...x.ticks.map(
      (tick) => markup`<line x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${TOP}" y2="${BOTTOM}" stroke="var(--grid)"/>
<text class="faint" x="${x.at(tick)}" y="${BOTTOM + 17}" text-anchor="middle">${formatBytes(tick)}</text>`,
    ),
  ];
  const front = paretoFront(points);
  const steps = front.map((point, i) => {
    const [left, top] = at(point);
    return i === 0 ? `M${left.toFixed(1)} ${BOTTOM}V${top.toFixed(1)}` : `H${left.toFixed(1)}V${top.toFixed(1)}`;
  });
  const radius = points.length > 60 ? 3 : 4.5;
  const marks = points.map((point) => {
    const [cx, cy] = at(point);
    const { name, outcome } = point.trial;
    const color = outcome === 'finalist' ? '--good' : outcome === 'held' ? '--plain' : '--bad';
    return markup`<circle cx="${cx}" cy="${cy}" r="${radius}" fill="var(${color})" stroke="var(--card)" stroke-width="1"><title>${name}: ${formatBytes(point.cost)}, ${say(point.worth)}</title></circle>`;
  });
  const what = metric?.name ?? 'time against source';
  const chart = markup`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Size against ${what}">${grid}
<path d="${`${steps.join('')}H${RIGHT}`}" fill="none" stroke="var(--good)" stroke-width="1.5" stroke-dasharray="5 4" opacity=".75"/>${marks}
<text class="faint" x="${(LEFT + RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">size on disk — left is smaller, up is better</text></svg>`;
  return { title: `${what.charAt(0).toUpperCase()}${what.slice(1)} against size, all trials`, chart };
}
