/** Chart: the share of zeros in every weight tensor of every candidate, as a heat map. */
import type { CandidateReport, LayerSparsity } from '@slipway/core';
import { formatCount, formatShare } from '../format.ts';
import { truncate } from '../text.ts';
import { markup, type Markup } from './markup.ts';

/** Names of layers differ at the end as often as at the start. */
const shortName = (name: string): string => (name.length <= 24 ? name : `${name.slice(0, 10)}…${name.slice(-13)}`);

/** A share below this is chance, not pruning. */
const NOTABLE_SHARE = 0.005;

/** More rows than this are no picture any more; the largest tensors are shown. */
const MAX_LAYERS = 40;
/** Quantization renames a weight; it is the same layer all the same. */
const keyOf = ({ name }: LayerSparsity): string => name.replace(/_(?:quantized|q|int8|uint8)$/, '');
const WIDTH = 1074;
const LABEL = 300;
const ROW = 24;
const HEAD = 26;

export interface SparsityChart {
  readonly chart: Markup;
  readonly shown: number;
  readonly total: number;
  /** Some layer of some candidate has a share of zeros worth a picture. */
  readonly notable: boolean;
}

/** null when no weight of any candidate is known. */
export function sparsityChart(candidates: readonly CandidateReport[]): SparsityChart | null {
  const columns = candidates.filter((c) => c.sparsity.length > 0);
  const layers = new Map<string, LayerSparsity>();
  for (const { sparsity } of columns) {
    for (const layer of sparsity) if (!layers.has(keyOf(layer))) layers.set(keyOf(layer), layer);
  }
  if (layers.size === 0) return null;
  const largest = [...layers.values()].sort((a, b) => b.elements - a.elements).slice(0, MAX_LAYERS);
  const names = new Set(largest.map(keyOf));
  const rows = [...layers.values()].filter((layer) => names.has(keyOf(layer)));
  const cell = (WIDTH - LABEL) / columns.length;
  const head = columns.map(
    (c, i) =>
      markup`<text class="name" x="${LABEL + (i + 0.5) * cell}" y="15" text-anchor="middle">${truncate(c.name, Math.floor(cell / 8))}</text>`,
  );
  const body = rows.map((layer, r) => {
    const y = HEAD + r * ROW;
    const cells = columns.map((c, i) =>
      heat(
        c.sparsity.find((own) => keyOf(own) === keyOf(layer)),
        LABEL + i * cell,
        y,
        cell,
      ),
    );
    return markup`<text x="0" y="${y + 16}"><title>${layer.name}</title>${shortName(keyOf(layer))}</text>
<text class="faint" x="${LABEL - 14}" y="${y + 16}" text-anchor="end">${layer.operator} · ${formatCount(layer.elements)}</text>${cells}`;
  });
  const chart = markup`<svg viewBox="0 0 ${WIDTH} ${HEAD + rows.length * ROW}" role="img" aria-label="Share of zeros per layer">${head}${body}</svg>`;
  const notable = columns.some(({ sparsity }) =>
    sparsity.some((layer) => layer.zeros / layer.elements > NOTABLE_SHARE),
  );
  return { chart, shown: rows.length, total: layers.size, notable };
}

function heat(layer: LayerSparsity | undefined, x: number, y: number, width: number): Markup {
  if (layer === undefined) {
    return markup`<text class="faint" x="${x + width / 2}" y="${y + 16}" text-anchor="middle">–</text>`;
  }
  const share = layer.elements === 0 ? 0 : layer.zeros / layer.elements;
  return markup`<g><title>${layer.name}: ${layer.zeros} of ${layer.elements} ${layer.dtype} weights are zero</title>
<rect x="${x + 2}" y="${y + 1}" width="${width - 4}" height="${ROW - 3}" rx="4" fill="rgba(var(--heat),${(0.05 + 0.75 * share).toFixed(3)})"/>
<text x="${x + width / 2}" y="${y + 16}" text-anchor="middle" class="${share > NOTABLE_SHARE ? 'name' : 'faint'}">${formatShare(share, 1)}</text></g>`;
}
