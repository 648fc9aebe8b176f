/**
 * Chart: what is bought for what. Across: median latency, whisker to the 90th percentile. Up: the primary metric with its
 * interval, better values above, or similarity to the source when there are no labels. The line is the Pareto front: nothing is both faster and better.
 */
import type { CandidateReport, MetricValue } from '@slipway/core';
import { formatMs } from '../format.ts';
import { formatMetric, primaryOf } from '../metrics.ts';
import { truncate } from '../text.ts';
import { type Box, type Label, placeLabels } from './labels.ts';
import { markup, type Markup } from './markup.ts';
import { linearScale, logScale, paretoFront, type Scale } from './scale.ts';
import { COLOR } from './verdicts.ts';

const WIDTH = 560;
const HEIGHT = 330;
const LEFT = 62;
const RIGHT = WIDTH - 16;
const TOP = 14;
const BOTTOM = HEIGHT - 44;

interface Point {
  readonly candidate: CandidateReport;
  readonly cost: number;
  readonly worth: number;
  readonly low: number;
  readonly high: number;
  readonly slow: number;
}

export interface Scatter {
  readonly chart: Markup;
  /** The metric that the vertical axis shows; null when it is similarity to the source. */
  readonly worth: string | null;
}

/** null when there are not two points to compare. */
export function scatterChart(candidates: readonly CandidateReport[]): Scatter | null {
  const shown = candidates.map(primaryOf).find((metric) => (metric?.value ?? null) !== null) ?? null;
  const points = candidates.flatMap((candidate): Point[] => {
    const { latency, parity } = candidate;
    if (latency === null) return [];
    const at = { candidate, cost: latency.p50Ms, slow: latency.p90Ms };
    if (shown !== null) {
      const own = primaryOf(candidate)?.value ?? null;
      if (own === null) return [];
      const { value, low, high } = own;
      const ends = [low ?? value, high ?? value].map((end) => end * aim(shown));
      return [{ ...at, worth: value * aim(shown), low: Math.min(...ends), high: Math.max(...ends) }];
    }
    if (parity === null) return [];
    return [{ ...at, worth: parity.cosine, low: parity.cosine, high: parity.cosine }];
  });
  if (points.length < 2) return null;
  return { chart: draw(points, shown), worth: shown?.name ?? null };
}

/** Where less is better, the axis is turned over. */
const aim = ({ better }: MetricValue): 1 | -1 => (better === 'higher' ? 1 : -1);

/** @param metric what the points show, or null for similarity */
function draw(points: readonly Point[], metric: MetricValue | null): Markup {
  const x = acrossScale(points);
  const lows = Math.min(...points.map((p) => p.low));
  const highs = Math.max(...points.map((p) => p.high));
  const margin = (highs - lows) * 0.08;
  const isShare = metric === null || metric.unit === 'share';
  const y = linearScale([lows - margin, isShare ? Math.min(1, highs + margin) : highs + margin], [BOTTOM, TOP]);
  const digits = decimals(y.ticks);
  const worthText = (value: number): string => {
    if (metric === null) return value.toFixed(digits);
    if (metric.unit === 'share') return `${(value * aim(metric) * 100).toFixed(Math.max(0, digits - 2))} %`;
    return formatMetric(value * aim(metric), metric.unit);
  };
  const front = paretoFront(points);
  const places = placeLabels(
    points.map((p) => ({ x: x.at(p.cost), y: y.at(p.worth), text: truncate(p.candidate.name, 22) })),
    points.flatMap((p) => whiskers(p, x, y)),
    { x: LEFT, y: TOP, width: RIGHT - LEFT, height: BOTTOM - TOP },
  );
  const gridY = y.ticks.map(
    (tick) => markup`<line x1="${LEFT}" x2="${RIGHT}" y1="${y.at(tick)}" y2="${y.at(tick)}" stroke="var(--grid)"/>
<text class="faint" x="${LEFT - 8}" y="${y.at(tick) + 4}" text-anchor="end">${worthText(tick)}</text>`,
  );
  const gridX = x.ticks.map(
    (tick) => markup`<line x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${TOP}" y2="${BOTTOM}" stroke="var(--grid)"/>
<text class="faint" x="${x.at(tick)}" y="${BOTTOM + 17}" text-anchor="middle">${formatMs(tick)}</text>`,
  );
  // The winner last, so that it is never hidden.
  const layered = [...points].sort(
    (a, b) => Number(a.candidate.verdict === 'winner') - Number(b.candidate.verdict === 'winner'),
  );
  const marks = layered.map((p) => mark(p, x, y, worthText));
  // Names last, so that nothing is drawn over them.
  const names = points.map((p, i) => nameOf(p, x, y, places[i] ?? { x: 0, y: 0, anchor: 'start', far: false }));
  return markup`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Latency against ${metric?.name ?? 'similarity'}">${gridY}${gridX}
<path d="${frontPath(front, x, y)}" fill="none" stroke="var(--good)" stroke-width="1.5" stroke-dasharray="5 4" opacity=".75"/>${marks}${names}
<text class="faint" x="${(LEFT + RIGHT) / 2}" y="${HEIGHT - 6}" text-anchor="middle">median latency, whisker to p90${isLog(points) ? ' (logarithmic)' : ''} — left is faster</text></svg>`;
}

const isLog = (points: readonly Point[]): boolean =>
  Math.max(...points.map((p) => p.slow)) / Math.min(...points.map((p) => p.cost)) > 4;

function acrossScale(points: readonly Point[]): Scale {
  const low = Math.min(...points.map((p) => p.cost));
  const high = Math.max(...points.map((p) => p.slow));
  return isLog(points)
    ? logScale([low / 1.3, high * 1.3], [LEFT, RIGHT])
    : linearScale([low * 0.9, high * 1.05], [LEFT, RIGHT]);
}

/** Steps: between two points of the front nothing is better than the faster one. */
function frontPath(front: readonly Point[], x: Scale, y: Scale): string {
  const f = (value: number): string => value.toFixed(1);
  const steps = front.map((p, i) =>
    i === 0 ? `M${f(x.at(p.cost))} ${f(BOTTOM)}V${f(y.at(p.worth))}` : `H${f(x.at(p.cost))}V${f(y.at(p.worth))}`,
  );
  return `${steps.join('')}H${f(RIGHT)}`;
}

function mark(p: Point, x: Scale, y: Scale, worthText: (value: number) => string): Markup {
  const color = COLOR[p.candidate.verdict];
  const [cx, cy, low, high] = [x.at(p.cost), y.at(p.worth), y.at(p.low), y.at(p.high)];
  const interval = `${worthText(p.worth)} [${worthText(p.low)}, ${worthText(p.high)}]`;
  return markup`<g><title>${p.candidate.name}: ${formatMs(p.cost)} (p90 ${formatMs(p.slow)}), ${interval}</title>
<g stroke="var(${color})" stroke-width="1.5" opacity=".45"><line x1="${cx}" x2="${cx}" y1="${low}" y2="${high}"/><line x1="${cx - 4}" x2="${cx + 4}" y1="${low}" y2="${low}"/><line x1="${cx - 4}" x2="${cx + 4}" y1="${high}" y2="${high}"/><line x1="${cx}" x2="${x.at(p.slow)}" y1="${cy}" y2="${cy}"/></g>
<circle cx="${cx}" cy="${cy}" r="5.5" fill="var(${color})" stroke="var(--card)" stroke-width="2"/></g>`;
}

function nameOf(p: Point, x: Scale, y: Scale, label: Label): Markup {
  const end = label.x + (label.anchor === 'start' ? -3 : 3);
  const leader = label.far
    ? markup`<line x1="${x.at(p.cost)}" y1="${y.at(p.worth)}" x2="${end}" y2="${label.y - 4}" stroke="var(--faint)" stroke-width=".8"/>`
    : null;
  return markup`${leader}<text class="name" x="${label.x}" y="${label.y}" text-anchor="${label.anchor}" stroke="var(--card)" stroke-width="4" paint-order="stroke" stroke-linejoin="round">${truncate(p.candidate.name, 22)}</text>`;
}

/** The areas the whiskers of a point take. */
function whiskers(p: Point, x: Scale, y: Scale): Box[] {
  const across = { x: x.at(p.cost), y: y.at(p.worth) - 2, width: x.at(p.slow) - x.at(p.cost), height: 4 };
  return [across, { x: x.at(p.cost) - 4, y: y.at(p.high), width: 8, height: y.at(p.low) - y.at(p.high) }];
}

/** Decimals that tell neighbouring ticks apart. */
function decimals(ticks: readonly number[]): number {
  const [first = 0, second = 1] = ticks;
  return Math.max(0, Math.min(8, Math.ceil(-Math.log10(Math.abs(second - first) || 1) - 1e-9)));
}
