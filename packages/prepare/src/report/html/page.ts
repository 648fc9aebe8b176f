/**
 * The report as one self-contained HTML page: no script, no external resource (a content policy forbids both), light
 * and dark, charts as inline SVG. A pure function of the report.
 */
import type { Report } from '@slipway/core';
import { candidatesSection } from './candidates.ts';
import { factsSection, footerSection } from './facts.ts';
import { markup, type Markup } from './markup.ts';
import { metricsSection } from './metrics.ts';
import { choicesSection, figuresSection, heroSection } from './overview.ts';
import { scatterChart } from './scatter.ts';
import { searchSection } from './search.ts';
import { sensitivitySection } from './sensitivity.ts';
import { sizesChart } from './sizes.ts';
import { sparsityChart } from './sparsity.ts';
import { STYLE } from './style.ts';

const legend = markup`<div class="legend"><span><i style="background:var(--good)"></i>winner</span><span><i style="background:var(--plain)"></i>passed</span><span><i style="background:var(--bad)"></i>failed a gate</span><span><i style="background:var(--warn)"></i>refused</span></div>`;

export function renderPage(report: Report): string {
  const title = `${report.name} · Slipway report`;
  const page = markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="Slipway"><title>${title}</title><style>${STYLE}</style></head>
<body><main>${heroSection(report)}${figuresSection(report)}${choicesSection(report)}${charts(report)}${searchSection(report)}${candidatesSection(report)}${sensitivitySection(report.candidates)}${metricsSection(report)}${sparsity(report)}${factsSection(report)}${footerSection(report)}</main></body></html>
`;
  return page.markup;
}

function charts(report: Report): Markup {
  const scatter = scatterChart(report.candidates);
  const sizes = markup`<div class="card"><h2>Size</h2><p class="note">On disk, and compressed with zstd as a registry stores it. Pruning shows in the second only.</p>${sizesChart(report.candidates)}${legend}</div>`;
  if (scatter === null) return markup`<section class="grid two">${sizes}</section>`;
  const [title, note] =
    scatter.worth !== null
      ? [
          `${scatter.worth.charAt(0).toUpperCase()}${scatter.worth.slice(1)} against latency`,
          `Whiskers are the 95 % interval of the ${scatter.worth}; up is better. Nothing lies above and left of the dashed line.`,
        ]
      : [
          'Similarity against latency',
          'Accuracy was not measured, so this shows how alike the outputs are to those of the source (cosine).',
        ];
  return markup`<section class="grid two">${sizes}<div class="card"><h2>${title}</h2><p class="note">${note}</p>${scatter.chart}</div></section>`;
}

function sparsity(report: Report): Markup | null {
  const heat = sparsityChart(report.candidates);
  if (heat === null) return null;
  if (!heat.notable) {
    return markup`<section class="card"><h2>Zeros per layer</h2><p class="note">No candidate has zeros to speak of in any of its ${heat.total} weight tensors.</p></section>`;
  }
  const extent = heat.shown < heat.total ? ` The ${heat.shown} largest of ${heat.total} tensors are shown.` : '';
  return markup`<section class="card"><h2>Zeros per layer</h2><p class="note">The share of weights that are exactly zero. Zeros compress well; this engine computes with them all the same.${extent}</p>${heat.chart}</section>`;
}
