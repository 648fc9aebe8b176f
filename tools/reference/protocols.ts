/** docs/reference/protocols.md: the exchanges that the golden tests of the server replay, so that every example is true. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const folder = path.join(import.meta.dirname, '../../packages/serve/src/protocols/golden');

const SECTIONS = [
  { file: 'tensorflow.txt', title: 'TensorFlow Serving REST' },
  { file: 'inference.txt', title: 'Open Inference Protocol v2' },
  { file: 'plain.txt', title: 'Plain JSON' },
] as const;

const BINARY = `### Binary tensors

A request to \`infer\` may carry tensors as bytes: the header \`Inference-Header-Content-Length\` gives the length of the JSON, the bytes of
each tensor follow in the order listed, little-endian and row-major, and each input says \`"parameters": {"binary_data_size": N}\`
instead of \`data\`. BYTES are a 32-bit length and the bytes, per element. \`"parameters": {"binary_data_output": true}\` asks for binary outputs.
`;

export function protocolsReference(): string {
  return `# Protocols

One port (8501) speaks three protocols over HTTP/1.1; administration has its own (8502). The exchanges below are the ones the tests of
the server replay. Every answer carries \`x-request-id\`; an error is \`{"error", "code", "request_id", "hint"}\`: the text for people, the
code for programs. [Every code](errors.md), [every limit](limits.md).

${SECTIONS.map(({ file, title }) => section(title, readFileSync(path.join(folder, file), 'utf8'))).join('\n')}
## Administration

| path | answer |
| --- | --- |
| \`GET /status\` | models, versions, runners, queues, outcomes: what \`slipway status\` shows |
| \`GET /metrics\` | Prometheus text: request, queue and compute histograms, batch sizes, runner state, process memory |
`;
}

const FENCE = '```';

function section(title: string, golden: string): string {
  const [preamble = '', ...exchanges] = golden.split(/^=== /m);
  if (exchanges.length === 0) throw new Error(`${title}: the golden file holds no exchange`);
  const shown = exchanges.map((exchange) => {
    const [name = '', ...lines] = exchange.trimEnd().split('\n');
    return `${name}:\n\n${FENCE}\n${lines.join('\n').trim()}\n${FENCE}\n`;
  });
  return `## ${title}\n\n${preamble.trim()}\n\n${shown.join('\n')}${title.startsWith('Open') ? `\n${BINARY}` : ''}`;
}
