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

const GRPC = `## gRPC

HTTP/2 without TLS, begun by prior knowledge, on port 8500. The names and numbers are those of the published definitions; what is spoken of
them is in \`packages/serve/proto\`.

| service | calls |
| --- | --- |
| \`tensorflow.serving.PredictionService\` | \`Predict\`, \`GetModelMetadata\`; \`Classify\`, \`Regress\` and \`MultiInference\` answer UNIMPLEMENTED |
| \`tensorflow.serving.ModelService\` | \`GetModelStatus\` |
| \`inference.GRPCInferenceService\` | \`ServerLive\`, \`ServerReady\`, \`ModelReady\`, \`ServerMetadata\`, \`ModelMetadata\`, \`ModelInfer\`, \`ModelStreamInfer\`, \`RepositoryIndex\` |
| \`grpc.health.v1.Health\` | \`Check\`, \`Watch\`: of the server (the empty name) and of each service here |

- **Predict** takes \`tensor_content\` or the typed field of the dtype (one value stands for all, as in TensorFlow) and answers in typed
  fields, as TensorFlow Serving does.
- **ModelInfer** takes \`raw_input_contents\` for all inputs, or typed contents; the answer comes the way the request came. An answer with an FP16
  output is raw, because there is no typed field for it. BF16 is taken raw, and widened to FP32.
- **ModelStreamInfer** answers in the order of the requests, each with its own \`error_message\`; 64 may be under way.
- **Deadline**: \`grpc-timeout\`, and for \`ModelInfer\` the parameter \`timeout\` (microseconds). A cancelled call leaves the queue.
- **Compression**: messages in gzip or deflate are taken; answers are not compressed.
- **Errors** have the gRPC status of the [error table](errors.md). Trailers: \`grpc-message\` is the text for people, \`slipway-code\` the code for
  programs, \`slipway-hint\` what to do, \`grpc-retry-pushback-ms\` when to try again after RESOURCE_EXHAUSTED. \`x-request-id\` is on every answer.
- **Bounds**: a message as large as a request body (\`--max-body-bytes\`), 1000 calls at a time on one connection, 16 KiB of headers; who resets streams faster
  than 100 a second, after 1000, is cut off.
- **Shutting down**: clients are told (GOAWAY), what they have sent is answered, streams end with UNAVAILABLE.
`;

export function protocolsReference(): string {
  return `# Protocols

One port (8501) speaks three protocols over HTTP/1.1, another (8500) [two of them over gRPC](#grpc); administration has its own (8502). The exchanges below are the ones the tests of
the server replay. Every answer carries \`x-request-id\`; an error is \`{"error", "code", "request_id", "hint"}\`: the text for people, the
code for programs. [Every code](errors.md), [every limit](limits.md).

${SECTIONS.map(({ file, title }) => section(title, readFileSync(path.join(folder, file), 'utf8'))).join('\n')}
${GRPC}
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
