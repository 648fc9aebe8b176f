/** Chart: the layers a pass hurts, by the noise each brings alone, and which of them the recipe leaves out. */
import type { CandidateReport, LayerSensitivity, MetricValue, SensitivityReport } from '@slipway/core';
import { formatCount, significant } from '../format.ts';
import { formatGap, primaryOf } from '../metrics.ts';
import { truncate } from '../text.ts';
import { markup, type Markup } from './markup.ts';

const WIDTH = 1074;
const LABEL = 300;
const VALUE = 250;
const ROW = 22;
/** More bars than this are no picture any more; the first are the ones that matter. */
const MAX_LAYERS = 24;
/** Below this the bar has no length: −60 dB of the largest. */
const DECADES = 6;

export function sensitivitySection(candidates: readonly CandidateReport[]): Markup[] {
  const metric = candidates.map(primaryOf).find((one) => one !== null) ?? null;
  return candidates.flatMap(({ name, sensitivity }) =>
    sensitivity === null || sensitivity.layers.length === 0 ? [] : [card(name, sensitivity, metric)],
  );
}

function card(name: string, { pass, rows, layers, steps }: SensitivityReport, metric: MetricValue | null): Markup {
  const out = layers.filter(({ leftOut }) => leftOut).length;
  const tried = steps
    .map(({ leftOut, holds }) => `${leftOut === 0 ? 'none' : leftOut} left out ${holds ? '✓' : '✗'}`)
    .join(', ');
  const extent = layers.length > MAX_LAYERS ? ` The ${MAX_LAYERS} most sensitive are shown.` : '';
  const held = steps.some(({ holds }) => holds);
  return markup`<section class="card"><h2>Layers that ${pass} hurts, in ${name}</h2>
<p class="note">Noise of the outputs (NMSE, logarithmic) when only this layer is changed, on ${formatCount(rows)} rows; the thin bar is what remains when all layers but this one are. ${out} of ${layers.length} layers ${out === 1 ? 'was' : 'were'} left out${held ? '' : ', and that was not enough'}.${extent}</p>${chart(layers, metric)}
<div class="legend"><span><i style="background:var(--warn)"></i>left out</span><span><i style="background:var(--plain)"></i>changed</span><span><i style="background:var(--bar)"></i>noise without it</span><span>tried in this order: ${tried}</span></div></section>`;
}

function chart(layers: readonly LayerSensitivity[], metric: MetricValue | null): Markup {
  const shown = layers.slice(0, MAX_LAYERS);
  const largest = Math.max(1e-30, ...layers.flatMap(({ nmseAlone, nmseWithout }) => [nmseAlone, nmseWithout]));
  const length = (nmse: number): number => {
    const decades = Math.log10(Math.max(nmse, 1e-300) / largest) + DECADES;
    return Math.max(1, (Math.max(0, decades) / DECADES) * (WIDTH - LABEL - VALUE));
  };
  const bars = shown.map((layer, i) => {
    const y = i * ROW + 2;
    const drop =
      layer.metricDrop === null || metric === null ? '' : `, ${metric.name} ${signed(layer.metricDrop, metric)}`;
    return markup`<g><title>${layer.name}: NMSE ${layer.nmseAlone.toExponential(2)} alone, ${layer.nmseWithout.toExponential(2)} without it${drop}</title>
<text class="${layer.leftOut ? 'name' : ''}" x="${LABEL - 12}" y="${y + 12}" text-anchor="end">${truncate(layer.name, 30)} <tspan class="faint">${layer.operator}</tspan></text>
<rect x="${LABEL}" y="${y}" width="${length(layer.nmseAlone)}" height="10" rx="2.5" fill="var(${layer.leftOut ? '--warn' : '--plain'})"/>
<rect x="${LABEL}" y="${y + 12}" width="${length(layer.nmseWithout)}" height="4" rx="1.5" fill="var(--bar)"/>
<text class="faint" x="${LABEL + Math.max(length(layer.nmseAlone), length(layer.nmseWithout)) + 8}" y="${y + 9}">${decibels(layer.nmseAlone)}${drop}</text></g>`;
  });
  return markup`<svg viewBox="0 0 ${WIDTH} ${shown.length * ROW + 4}" role="img" aria-label="Sensitivity of layers">${bars}</svg>`;
}

/** NMSE as people compare it: −40 dB is a hundredth of the amplitude. */
const decibels = (nmse: number): string => (nmse === 0 ? 'no noise' : `${significant(10 * Math.log10(nmse), 2)} dB`);

const signed = (drop: number, metric: MetricValue): string =>
  `${drop > 0 ? '−' : drop < 0 ? '+' : '±'}${formatGap(Math.abs(drop), metric.unit)}`;
