/** The table of candidates: figures, verdict, reason, and on demand gates, passes, notes. */
import { type CandidateReport, type Report, SOURCE_CANDIDATE } from '@slipway/core';
import { formatBytes, formatChange, formatMs, formatShare, shortDigest, significant } from '../format.ts';
import { describeGate } from '../gates.ts';
import { formatValue, primaryOf } from '../metrics.ts';
import { describeStep } from '../steps.ts';
import { markup, type Markup } from './markup.ts';

const none = markup`<span class="faint">–</span>`;

export function candidatesSection(report: Report): Markup {
  const source = report.candidates.find((c) => c.name === SOURCE_CANDIDATE);
  return markup`<section class="card"><h2>Candidates</h2>
<p class="note">Latency was measured in interleaved rounds, so that what else the machine did hits all candidates alike. Ratios carry a 99 % interval.</p>
<div class="scroll"><table><thead><tr><th>candidate</th><th>verdict</th><th>size</th><th>zstd</th><th>${report.metrics[0] ?? 'accuracy'}</th><th>p50</th><th>p99</th><th>time vs source</th><th>SQNR</th><th>same class</th><th>peak memory</th></tr></thead>
<tbody>${report.candidates.map((c) => row(c, source))}</tbody></table></div></section>`;
}

function row(c: CandidateReport, source: CandidateReport | undefined): Markup {
  const { size, latency, parity } = c;
  const metric = primaryOf(c);
  const ratio = latency?.versusSource ?? null;
  const change = (own: number, reference: number | undefined): Markup | null =>
    c === source || reference === undefined ? null : markup`<small>${formatChange(own, reference)}</small>`;
  const cells: Markup[] = [
    markup`<b>${c.name}</b>`,
    markup`<span class="chip ${c.verdict}">${c.verdict}</span>`,
    size === null ? none : markup`${formatBytes(size.bytes)}${change(size.bytes, source?.size?.bytes)}`,
    size === null
      ? none
      : markup`${formatBytes(size.compressedBytes)}${change(size.compressedBytes, source?.size?.compressedBytes)}`,
    metric === null ? none : markup`${formatValue(metric)}`,
    latency === null
      ? none
      : markup`${formatMs(latency.p50Ms)}${latency.cached ? markup`<small>cached</small>` : null}`,
    latency === null ? none : markup`${formatMs(latency.p99Ms)}`,
    ratio === null
      ? none
      : markup`${significant(ratio.ratio)}×<small>${significant(ratio.low)} – ${significant(ratio.high)}</small>`,
    parity === null || c === source
      ? none
      : markup`${parity.sqnrDb === null ? 'identical' : `${parity.sqnrDb.toFixed(1)} dB`}`,
    parity === null || parity.argmaxAgreement === null || c === source
      ? none
      : markup`${formatShare(parity.argmaxAgreement)}`,
    c.peakRssBytes === null ? none : markup`${formatBytes(c.peakRssBytes)}`,
  ];
  return markup`<tr>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>
<tr class="why"><td colspan="${cells.length}">${c.reason}${detail(c)}</td></tr>`;
}

function detail(c: CandidateReport): Markup | null {
  const gates = c.gates.map(
    (gate) =>
      markup`<li class="${gate.passed ? 'ok' : 'no'}" data-mark="${gate.passed ? '✓' : '✗'}">${describeGate(gate)}</li>`,
  );
  const passes = c.passes.map(({ pass, ...options }, i) => {
    const step = c.steps[i];
    const parity = step === undefined ? null : markup` <span class="faint">${describeStep(step)}</span>`;
    const shown = Object.entries(options).filter(([, value]) => value !== undefined);
    return markup`<li class="note" data-mark="›"><code>${pass}${shown.length === 0 ? '' : ` ${JSON.stringify(Object.fromEntries(shown))}`}</code>${parity}</li>`;
  });
  const notes = c.notes.map((note) => markup`<li class="note" data-mark="·">${note}</li>`);
  const digest =
    c.digest === null ? null : markup`<li class="note" data-mark="#"><code>${shortDigest(c.digest)}</code></li>`;
  if (gates.length + passes.length + notes.length === 0) return null;
  const counts = [
    gates.length === 0 ? null : `${gates.length} ${gates.length === 1 ? 'gate' : 'gates'}`,
    passes.length === 0 ? null : `${passes.length} ${passes.length === 1 ? 'pass' : 'passes'}`,
    notes.length === 0 ? null : `${notes.length} ${notes.length === 1 ? 'note' : 'notes'}`,
  ].filter((text) => text !== null);
  const open = c.verdict === 'failed' || c.verdict === 'error' ? markup` open` : null;
  return markup`<details${open}><summary>${counts.join(', ')}</summary><ul class="plain">${gates}${passes}${notes}${digest}</ul></details>`;
}
