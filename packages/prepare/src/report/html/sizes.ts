/** Chart: bytes on disk and compressed, one pair of bars per candidate. */
import type { CandidateReport } from '@slipway/core';
import { formatBytes, formatChange } from '../format.ts';
import { truncate } from '../text.ts';
import { markup, type Markup } from './markup.ts';
import { COLOR } from './verdicts.ts';

const WIDTH = 560;
const LABEL = 132;
const VALUE = 118;
/** Few candidates get thicker bars, so that the chart fills its card. */
const rowHeight = (count: number): number => Math.max(46, Math.min(66, 264 / count));

export function sizesChart(candidates: readonly CandidateReport[]): Markup {
  const sized = candidates.flatMap((c) => (c.size === null ? [] : [{ candidate: c, size: c.size }]));
  const largest = Math.max(1, ...sized.map(({ size }) => Math.max(size.bytes, size.compressedBytes)));
  const source = sized[0]?.size;
  const bar = (bytes: number): number => Math.max(2, (bytes / largest) * (WIDTH - LABEL - VALUE));
  const height = rowHeight(sized.length);
  const thick = height * 0.36;
  const thin = height * 0.2;
  const rows = sized.map(({ candidate, size }, i) => {
    const y = i * height + 6;
    const change = source === undefined || i === 0 ? '' : formatChange(size.bytes, source.bytes);
    const packed = source === undefined || i === 0 ? '' : formatChange(size.compressedBytes, source.compressedBytes);
    return markup`<g><title>${candidate.name}: ${size.bytes} bytes, ${size.compressedBytes} compressed</title>
<text class="name" x="${LABEL - 12}" y="${y + thick - 1 + 4}" text-anchor="end">${truncate(candidate.name, 18)}</text>
<rect x="${LABEL}" y="${y}" width="${bar(size.bytes)}" height="${thick}" rx="3" fill="var(${COLOR[candidate.verdict]})"/>
<text x="${LABEL + bar(size.bytes) + 8}" y="${y + thick / 2 + 4}">${formatBytes(size.bytes)} <tspan class="faint" dx="4">${change}</tspan></text>
<rect x="${LABEL}" y="${y + thick + 3}" width="${bar(size.compressedBytes)}" height="${thin}" rx="2" fill="var(--bar)"/>
<text class="faint" x="${LABEL + bar(size.compressedBytes) + 8}" y="${y + thick + 3 + thin / 2 + 4}">${formatBytes(size.compressedBytes)} zstd<tspan dx="5">${packed}</tspan></text></g>`;
  });
  return markup`<svg viewBox="0 0 ${WIDTH} ${sized.length * height}" role="img" aria-label="Sizes of the candidates">${rows}</svg>`;
}
