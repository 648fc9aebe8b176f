/** The bottom of the page: where the model came from, what it takes and gives, and what it was measured on. */
import { describeSpec, type Report } from '@slipway/core';
import { formatBytes, formatCpu, formatMs, shortDigest } from '../format.ts';
import { markup, type Markup } from './markup.ts';

/** Flags that decide which kernels an engine picks; the rest of a long list tells a reader nothing. */
const TELLING = /^(?:avx|amx|fma|f16c|sse4|asimd|neon|sve|i8mm|bf16|fphp|dotprod)/;

export function factsSection(report: Report): Markup {
  return markup`<section class="grid two">${[lineage(report), facts(report)]}</section>`;
}

function lineage({ lineage, candidates, winner }: Report): Markup {
  if (lineage === null) {
    return markup`<div class="card"><h2>Lineage</h2><p class="note">Nothing was released, so there is no lineage to keep.</p></div>`;
  }
  const steps = lineage.steps.map((step) => {
    const options = Object.keys(step.options).length === 0 ? '' : JSON.stringify(step.options);
    return markup`<li><b>${step.pass}</b> <span class="under">version ${step.version}</span><br><code>${options}</code> <code>${shortDigest(step.result)}</code></li>`;
  });
  const data = Object.entries(lineage.data).flatMap(([role, digest]) =>
    digest === undefined ? [] : [markup`<dt>${role}</dt><dd><code>${shortDigest(digest)}</code></dd>`],
  );
  const notes = candidates.find((c) => c.name === winner)?.notes ?? [];
  return markup`<div class="card"><h2>Lineage</h2><p class="note">Every step names the digest of what it made. It travels with the release.</p>
<ol class="steps"><li><b>${lineage.source.file}</b><br><code>${shortDigest(lineage.source.digest)}</code></li>${steps}</ol>
<ul class="plain">${notes.map((note) => markup`<li class="note" data-mark="·">${note}</li>`)}</ul><dl>${data}</dl></div>`;
}

function facts({ host, signature, tools, candidates }: Report): Markup {
  const flags = host.cpuFlags.filter((flag) => TELLING.test(flag));
  const latency = candidates.find((c) => c.latency !== null)?.latency;
  const how =
    latency === undefined || latency === null
      ? null
      : markup`<dt>Latency</dt><dd>${latency.iterations} calls of ${latency.batch} ${latency.batch === 1 ? 'row' : 'rows'}, ${latency.threads} ${latency.threads === 1 ? 'thread' : 'threads'}, inside the runner</dd>`;
  const specs = (list: Report['signature']['inputs']): Markup[] =>
    list.map((spec) => markup`<div><code>${spec.name}: ${describeSpec(spec)}</code></div>`);
  const versions = Object.entries(tools).map(([tool, version]) => `${tool} ${version}`);
  return markup`<div class="card"><h2>Measured here</h2><p class="note">Latency and memory hold for this host only. Measure again where the model will run.</p><dl>
<dt>Processor</dt><dd>${formatCpu(host.cpu)}, ${host.cores} ${host.cores === 1 ? 'core' : 'cores'} usable</dd>
<dt>Memory</dt><dd>${formatBytes(host.memoryBytes)}</dd><dt>Platform</dt><dd>${host.platform}, Node ${host.node}</dd><dt>Engine</dt><dd>${host.engine}</dd>${how}
<dt>Tools</dt><dd>${versions.join(', ')}</dd>
<dt>Inputs</dt><dd>${specs(signature.inputs)}</dd><dt>Outputs</dt><dd>${specs(signature.outputs)}</dd>
<dt>CPU flags</dt><dd class="flags">${flags.map((flag) => markup`<span>${flag}</span>`)}</dd></dl></div>`;
}

export function footerSection(report: Report): Markup {
  return markup`<footer>Made by Slipway in ${formatMs(report.durationMs)}. This page loads nothing from anywhere; the figures behind it are in the JSON beside it.</footer>`;
}
