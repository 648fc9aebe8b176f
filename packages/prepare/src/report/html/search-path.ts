/**
 * Chart: trials over time. Across: their number. Up: what the objective looks at, smaller is lower; the line is the best so far.
 * What was stopped before that figure was known stands in a lane of its own below, by what stopped it.
 */
import type { Objective, Report, Trial } from '@slipway/core';
import { formatBytes, significant } from '../format.ts';
import { formatMetric, primaryOf } from '../metrics.ts';
import { markup, type Markup } from './markup.ts';
import { linearScale } from './scale.ts';
import { STOPS, stopOf } from '../stops.ts';

const WIDTH = 1074;
const LEFT = 78;
const RIGHT = WIDTH - 16;
const TOP = 16;
const PLOT = 190;
const LANE = 20;

const COLOR: Readonly<Record<Trial['outcome'], string>> = {
  finalist: '--good',
  held: '--plain',
  rejected: '--bad',
  same: '--faint',
  error: '--warn',
};

interface Figure {
  readonly label: string;
  readonly of: (trial: Trial) => number | null;
  readonly format: (value: number) => string;
}

/** What the objective looks at, so that less is better, and how to say it. */
function figureOf(objective: Objective, report: Report): Figure {
  if (objective === 'size') return { label: 'size', of: ({ bytes }) => bytes, format: formatBytes };
  if (objective === 'latency') {
    return { label: 'time vs source', of: ({ timeRatio }) => timeRatio, format: (value) => `${significant(value)}×` };
  }
  const metric = report.candidates.map(primaryOf).find((one) => one !== null) ?? null;
  const sign = metric?.better === 'lower' ? 1 : -1;
  return {
    label: metric?.name ?? 'metric',
    of: (trial) => (trial.metric === null ? null : sign * trial.metric),
    format: (value) => formatMetric(sign * value, metric?.unit ?? 'plain'),
  };
}

export function pathChart(report: Report, trials: readonly Trial[]): Markup {
  const { label, of, format } = figureOf(report.objective, report);
  const known = trials.flatMap((trial) => {
    const value = of(trial);
    return value === null ? [] : [{ trial, value }];
  });
  const unknown = trials.filter((trial) => of(trial) === null);
  const lanes = STOPS.filter(({ key }) => unknown.some((trial) => stopOf(trial) === key));
  const bottom = TOP + (known.length === 0 ? 0 : PLOT);
  const height = bottom + lanes.length * LANE + 40;
  const x = (number: number): number =>
    LEFT + 8 + ((number - 1) / Math.max(1, trials.length - 1)) * (RIGHT - LEFT - 16);
  const values = known.map(({ value }) => value);
  const y = linearScale([Math.min(...values, Infinity), Math.max(...values, -Infinity)], [bottom - 12, TOP + 6]);
  const grid =
    known.length === 0
      ? []
      : y.ticks.map(
          (tick) => markup`<line x1="${LEFT}" x2="${RIGHT}" y1="${y.at(tick)}" y2="${y.at(tick)}" stroke="var(--grid)"/>
<text class="faint" x="${LEFT - 8}" y="${y.at(tick) + 4}" text-anchor="end">${format(tick)}</text>`,
        );
  // Many trials get small dots: they may touch, but not hide each other.
  const radius = Math.max(2.2, Math.min(5, ((RIGHT - LEFT) / trials.length) * 0.4));
  const dot = (trial: Trial, at: number): Markup =>
    markup`<circle cx="${x(trial.number)}" cy="${at}" r="${radius}" fill="var(${COLOR[trial.outcome]})"><title>${trial.name}: ${trial.outcome}${trial.reason === null ? '' : `, ${trial.reason}`}</title></circle>`;
  const laneMarks = lanes.map(({ key, label: text }, lane) => {
    const at = bottom + 10 + lane * LANE;
    const marks = unknown.filter((trial) => stopOf(trial) === key).map((trial) => dot(trial, at));
    return markup`<line x1="${LEFT}" x2="${RIGHT}" y1="${at}" y2="${at}" stroke="var(--grid)" stroke-dasharray="2 4"/>${marks}<text class="faint" x="${LEFT}" y="${at - 6}"><title>${text}</title></text><text class="faint" x="${LEFT - 8}" y="${at + 4}" text-anchor="end">${LANES[key]}</text>`;
  });
  const leading = known.filter(({ trial }) => trial.best);
  const line = leading.map(({ trial, value }, i) => {
    const [at, level] = [x(trial.number).toFixed(1), y.at(value).toFixed(1)];
    return i === 0 ? `M${at} ${level}` : `H${at}V${level}`;
  });
  const best =
    leading.length === 0
      ? null
      : markup`<path d="${`${line.join('')}H${RIGHT}`}" fill="none" stroke="var(--good)" stroke-width="1.5" stroke-dasharray="5 4" opacity=".75"/>`;
  return markup`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Trials over time">${grid}${best}${known.map(({ trial, value }) => dot(trial, y.at(value)))}${laneMarks}
<text class="faint" x="${LEFT + 8}" y="${height - 8}">trial 1</text><text class="faint" x="${RIGHT - 8}" y="${height - 8}" text-anchor="end">${trials.length}</text>
<text class="faint" x="${(LEFT + RIGHT) / 2}" y="${height - 8}" text-anchor="middle">${label} of each trial — lower is better; the line is the best so far</text></svg>`;
}

/** A lane has room for a word. */
const LANES: Readonly<Record<(typeof STOPS)[number]['key'], string>> = {
  error: 'error',
  same: 'same',
  passes: 'passes',
  size: 'size gate',
  rows: 'some rows',
  evaluation: 'metric',
  latency: 'latency',
  done: 'held',
};
