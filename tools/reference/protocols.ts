/** docs/reference/protocols.md: the exchanges that the golden tests of the server replay, so that every example is true. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const folder = path.join(import.meta.dirname, '../../packages/serve/src/protocols/golden');

const SECTIONS = [
  { file: 'tensorflow.txt', title: 'TensorFlow Serving REST' },
  { file: 'kserve.txt', title: 'KServe v1' },
  { file: 'inference.txt', title: 'Open Inference Protocol v2' },
  { file: 'plain.txt', title: 'Plain JSON' },
  { file: 'invocations.txt', title: 'Amazon SageMaker, MLflow, Azure Machine Learning, Vertex AI' },
  { file: 'torchserve.txt', title: 'TorchServe' },
] as const;

const BINARY = `### Binary tensors

A request to \`infer\` may carry tensors as bytes: the header \`Inference-Header-Content-Length\` gives the length of the JSON, the bytes of
each tensor follow in the order listed, little-endian and row-major, and each input says \`"parameters": {"binary_data_size": N}\`
instead of \`data\`. BYTES are a 32-bit length and the bytes, per element. \`"parameters": {"binary_data_output": true}\` asks for binary outputs.
`;

const EXAMPLES = `### Examples: classify and regress

Both take \`tf.Example\`, over REST as \`examples\` and \`context\`, over gRPC as \`ExampleList\` or \`ExampleListWithContext\`. Every input of the model takes the
feature of its name: a flat list (or one value), shaped as the model wants a row. Other features are ignored; a missing one is an error that names it. A context
is merged into every example, which wins. The signature may be \`serving_default\`, \`classification\` or \`regression\`.

- **Classify** gives the classes in the order of the model. The scores are the output of floats of shape [rows, classes] or [rows]: the one named \`scores\`,
  or the only one there is. Labels are an output of strings, or of indices, of the same shape, else the \`labels\` of the release when there are as many as classes, else the
  index. Scores are what the model returns: of a model that returns logits they are logits, unless the release has the [transform](../guides/transforms.md)
  \`softmax\`.
- **Regress** gives the output of numbers of shape [rows] or [rows, 1]: the one named \`outputs\`, or the only one there is.
- A model that fits neither rule is refused with its outputs listed; nothing is guessed.
`;

const GRPC = `## gRPC

HTTP/2 on port 8500, begun by prior knowledge, or [over TLS](../guides/tls.md). The names and numbers are those of the published definitions; what is spoken of
them is in \`packages/serve/proto\`.

| service | calls |
| --- | --- |
| \`tensorflow.serving.PredictionService\` | \`Predict\`, \`Classify\`, \`Regress\`, \`MultiInference\`, \`GetModelMetadata\` |
| \`tensorflow.serving.ModelService\` | \`GetModelStatus\`, \`HandleReloadConfigRequest\` (refused unless model control is allowed) |
| \`tensorflow.serving.SessionService\` | \`SessionRun\` answers UNIMPLEMENTED: it names tensors of a TensorFlow graph |
| \`inference.GRPCInferenceService\` | \`ServerLive\`, \`ServerReady\`, \`ModelReady\`, \`ServerMetadata\`, \`ModelMetadata\`, \`ModelInfer\`, \`ModelStreamInfer\`, \`ModelConfig\`, \`ModelStatistics\`, \`RepositoryIndex\`, \`RepositoryModelLoad\`, \`RepositoryModelUnload\`, \`SystemSharedMemoryStatus\`, \`-Register\`, \`-Unregister\`, \`CudaSharedMemoryStatus\`, \`-Register\`, \`-Unregister\`, \`TraceSetting\`, \`LogSettings\` |
| \`org.pytorch.serve.grpc.inference.InferenceAPIsService\` | \`Ping\`, \`Predictions\`, \`StreamPredictions\` |
| \`org.pytorch.serve.grpc.management.ManagementAPIsService\` | \`DescribeModel\`, \`ListModels\`; \`RegisterModel\`, \`ScaleWorker\`, \`SetDefault\`, \`UnregisterModel\` (refused unless model control is allowed) |
| \`grpc.health.v1.Health\` | \`Check\`, \`Watch\`: of the server (the empty name) and of each service here |
| \`grpc.reflection.v1.ServerReflection\`, \`v1alpha\` | \`ServerReflectionInfo\`: \`grpcurl -plaintext localhost:8500 list\` works without definitions |

- **Predict** takes \`tensor_content\` or the typed field of the dtype (one value stands for all, as in TensorFlow) and answers in typed
  fields, as TensorFlow Serving does. DT_BFLOAT16 is widened to DT_FLOAT.
- **Classify**, **Regress**, **MultiInference**: see [what examples mean](#examples-classify-and-regress).
- **ModelInfer** takes \`raw_input_contents\` for all inputs, or typed contents; the answer comes the way the request came. An answer with an FP16
  output is raw, because there is no typed field for it. BF16 is taken raw, and widened to FP32.
- **ModelStreamInfer** answers in the order of the requests, each with its own \`error_message\` and the id of its request, and says of each answer that it is
  the last (\`triton_final_response\`); 64 may be under way.
- **Deadline**: \`grpc-timeout\`; the parameter \`timeout\` of \`ModelInfer\` bounds the time in the queue (microseconds). A cancelled call leaves the queue.
- **Compression**: messages in gzip or deflate are taken. Answers of 1 KiB and more are compressed for a client that compresses its requests and takes
  that encoding; others, who mostly only can take it, get them as they are, because floats hardly shrink.
- **Errors** have the gRPC status of the [error table](errors.md). Trailers: \`grpc-message\` is the text for people, \`slipway-code\` the code for
  programs, \`slipway-hint\` what to do, \`grpc-retry-pushback-ms\` when to try again after RESOURCE_EXHAUSTED. \`x-request-id\` is on every answer.
- **Bounds**: a message as large as a request body (\`--max-body-bytes\`), 1000 calls at a time on one connection, 16 KiB of headers; who resets streams faster
  than 100 a second, after 1000, is cut off.
- **Shutting down**: clients are told (GOAWAY), what they have sent is answered, streams end with UNAVAILABLE.
`;

export function protocolsReference(): string {
  return `# Protocols

One port (8501) speaks every protocol over HTTP/1.1, another (8500) [three of them over gRPC](#grpc); administration has its own (8502). The exchanges below are the ones the tests of
the server replay. Every answer carries \`x-request-id\`; an error is \`{"error", "code", "request_id", "hint"}\`: the text for people, the
code for programs. [Every code](errors.md), [every limit](limits.md).

${SECTIONS.map(({ file, title }) => section(file, title)).join('\n')}
${GRPC}
## Administration

| path | answer |
| --- | --- |
| \`GET /status\` | models, versions, runners, queues, outcomes: what \`slipway status\` shows |
| \`GET /metrics\`, \`GET /monitoring/prometheus/metrics\` | Prometheus text: request, queue and compute histograms, batch sizes, runner state, process memory |
`;
}

const FENCE = '```';

const APPENDIX: Readonly<Record<string, string>> = {
  'tensorflow.txt': `\n${EXAMPLES}`,
  'inference.txt': `\n${BINARY}`,
};

function section(file: string, title: string): string {
  const golden = readFileSync(path.join(folder, file), 'utf8');
  const [preamble = '', ...exchanges] = golden.split(/^=== /m);
  if (exchanges.length === 0) throw new Error(`${title}: the golden file holds no exchange`);
  const shown = exchanges.map((exchange) => {
    const [name = '', ...lines] = exchange.trimEnd().split('\n');
    return `${name}:\n\n${FENCE}\n${lines.join('\n').trim()}\n${FENCE}\n`;
  });
  return `## ${title}\n\n${preamble.trim()}\n\n${shown.join('\n')}${APPENDIX[file] ?? ''}`;
}
