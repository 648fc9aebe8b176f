/**
 * What the Open Inference Protocol v2 asks of a server over REST, as a table that anybody can run against any server
 * (`node tests/conformance/oip.ts URL MODEL`). Nothing here knows Slipway: the model is asked what it takes, and is
 * given zeros. A check of an extension counts only where the server says that it has the extension.
 *
 * Sources: https://github.com/kserve/open-inference-protocol, and for the extensions docs/protocol of Triton's server.
 */
import assert from 'node:assert/strict';

interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

interface Output extends Tensor {
  readonly data?: readonly unknown[];
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
}

/** The server under test, and one model of it. */
export interface Subject {
  readonly model: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly versions: readonly string[];
  readonly extensions: readonly string[];
  readonly ask: (
    method: string,
    path: string,
    body?: string | Buffer,
    headers?: Record<string, string>,
  ) => Promise<Answer>;
}

export interface Check {
  /** null: the protocol itself. */
  readonly extension: string | null;
  readonly title: string;
  readonly run: (subject: Subject) => Promise<void>;
}

const json = (answer: Answer): Record<string, unknown> => JSON.parse(answer.body.toString()) as Record<string, unknown>;
const count = ({ shape }: Tensor): number => shape.reduce((product, size) => product * size, 1);
const zero = ({ datatype }: Tensor): unknown => (datatype === 'BYTES' ? '' : datatype === 'BOOL' ? false : 0);

/** One zero of everything that the shape leaves free. */
const filled = (tensor: Tensor): Output => {
  const shape = tensor.shape.map((size) => (size < 0 ? 1 : size));
  const { name, datatype } = tensor;
  return { name, datatype, shape, data: Array.from({ length: count({ ...tensor, shape }) }, () => zero(tensor)) };
};

const route = (subject: Subject, verb: string): string => `/v2/models/${encodeURIComponent(subject.model)}${verb}`;
const request = (subject: Subject, more: object = {}): string =>
  JSON.stringify({ inputs: subject.inputs.map(filled), ...more });

async function infer(
  subject: Subject,
  body: string,
): Promise<{ document: Record<string, unknown>; outputs: Output[] }> {
  const answer = await subject.ask('POST', route(subject, '/infer'), body);
  assert.equal(answer.status, 200, answer.body.toString());
  const document = json(answer);
  return { document, outputs: document.outputs as Output[] };
}

async function refused(subject: Subject, answer: Promise<Answer>): Promise<void> {
  const { status, body } = await answer;
  assert.ok(status >= 400 && status < 500, `the status is ${status}, expected 4xx`);
  const document = JSON.parse(body.toString()) as { error?: unknown };
  assert.equal(typeof document.error, 'string', 'the body must be {"error": text}');
  // Whatever it refused, it must go on answering.
  await infer(subject, request(subject));
}

/** Inputs of fixed-size elements as zeros, behind their JSON. */
function binaryRequest(subject: Subject, more: object): { body: Buffer; headers: Record<string, string> } {
  const parts: Buffer[] = [];
  const inputs = subject.inputs.map((tensor) => {
    const { name, datatype, shape } = filled(tensor);
    const width = datatype === 'BYTES' ? 4 : datatype === 'BOOL' ? 1 : Number(/\d+$/.exec(datatype)?.[0] ?? 8) / 8;
    const bytes = Buffer.alloc(width * count({ name, datatype, shape }));
    parts.push(bytes);
    return { name, datatype, shape, parameters: { binary_data_size: bytes.length } };
  });
  const header = Buffer.from(JSON.stringify({ inputs, ...more }));
  return {
    body: Buffer.concat([header, ...parts]),
    headers: { 'Inference-Header-Content-Length': String(header.length), 'Content-Type': 'application/octet-stream' },
  };
}

const protocol = (title: string, run: Check['run']): Check => ({ extension: null, title, run });
const extension = (of: string, title: string, run: Check['run']): Check => ({ extension: of, title, run });

export const CHECKS: readonly Check[] = [
  protocol('the server is live', async (subject) => {
    assert.equal((await subject.ask('GET', '/v2/health/live')).status, 200);
  }),
  protocol('the server is ready', async (subject) => {
    assert.equal((await subject.ask('GET', '/v2/health/ready')).status, 200);
  }),
  protocol('the server tells its name, version and extensions', async (subject) => {
    const { name, version, extensions } = json(await subject.ask('GET', '/v2'));
    assert.equal(typeof name, 'string');
    assert.equal(typeof version, 'string');
    assert.ok(Array.isArray(extensions) && extensions.every((each) => typeof each === 'string'));
  }),
  protocol('the model is ready', async (subject) => {
    assert.equal((await subject.ask('GET', route(subject, '/ready'))).status, 200);
  }),
  protocol('a model that is not there is not ready', async (subject) => {
    assert.notEqual((await subject.ask('GET', '/v2/models/no-such-model/ready')).status, 200);
  }),
  protocol('metadata: name, platform, inputs and outputs', async (subject) => {
    const { name, platform, inputs, outputs } = json(await subject.ask('GET', route(subject, '')));
    assert.equal(name, subject.model);
    assert.equal(typeof platform, 'string');
    for (const tensor of [...(inputs as Tensor[]), ...(outputs as Tensor[])]) {
      assert.match(tensor.datatype, /^(BOOL|U?INT(8|16|32|64)|FP(16|32|64)|BF16|BYTES)$/);
      assert.ok(tensor.shape.every((size) => Number.isInteger(size) && size >= -1));
    }
  }),
  protocol('metadata of a model that is not there is an error', (subject) =>
    refused(subject, subject.ask('GET', '/v2/models/no-such-model')),
  ),
  protocol('infer, flat data', async (subject) => {
    const { document, outputs } = await infer(subject, request(subject));
    assert.equal(document.model_name, subject.model);
    assert.deepEqual(outputs.map(({ name }) => name).toSorted(), subject.outputs.map(({ name }) => name).toSorted());
    for (const output of outputs) assert.equal((output.data ?? []).flat(Infinity).length, count(output), output.name);
  }),
  protocol('infer, nested data', async (subject) => {
    const nest = (data: readonly unknown[], [size = 1, ...rest]: readonly number[]): unknown =>
      rest.length === 0
        ? data
        : Array.from({ length: size }, (_, index) => {
            const stride = data.length / size;
            return nest(data.slice(index * stride, (index + 1) * stride), rest);
          });
    const inputs = subject.inputs
      .map(filled)
      .map((tensor) => ({ ...tensor, data: nest(tensor.data ?? [], tensor.shape) }));
    const { outputs } = await infer(subject, JSON.stringify({ inputs }));
    assert.equal(outputs.length, subject.outputs.length);
  }),
  protocol('infer on a version that the metadata names', async (subject) => {
    const [version] = subject.versions;
    if (version === undefined) return;
    const answer = await subject.ask('POST', route(subject, `/versions/${version}/infer`), request(subject));
    assert.equal(answer.status, 200);
    assert.equal(json(answer).model_version, version);
  }),
  protocol('the id of a request is in its answer', async (subject) => {
    assert.equal((await infer(subject, request(subject, { id: 'ü-42' }))).document.id, 'ü-42');
  }),
  protocol('only the outputs that are asked for', async (subject) => {
    const wanted = subject.outputs.at(-1)?.name ?? '';
    const { outputs } = await infer(subject, request(subject, { outputs: [{ name: wanted }] }));
    assert.deepEqual(
      outputs.map(({ name }) => name),
      [wanted],
    );
  }),
  protocol('an unknown input is refused', (subject) => {
    const inputs = [...subject.inputs.map(filled), { name: 'no such input', shape: [1], datatype: 'FP32', data: [0] }];
    return refused(subject, subject.ask('POST', route(subject, '/infer'), JSON.stringify({ inputs })));
  }),
  protocol('a missing input is refused', (subject) =>
    refused(subject, subject.ask('POST', route(subject, '/infer'), JSON.stringify({ inputs: [] }))),
  ),
  protocol('an unknown output is refused', (subject) =>
    refused(subject, subject.ask('POST', route(subject, '/infer'), request(subject, { outputs: [{ name: 'none' }] }))),
  ),
  protocol('data that does not fill the shape is refused', (subject) => {
    const inputs = subject.inputs
      .map(filled)
      .map((tensor) => ({ ...tensor, data: [...(tensor.data ?? []), zero(tensor)] }));
    return refused(subject, subject.ask('POST', route(subject, '/infer'), JSON.stringify({ inputs })));
  }),
  protocol('a shape with a negative size is refused', (subject) => {
    const inputs = subject.inputs.map(filled).map((tensor) => ({ ...tensor, shape: tensor.shape.map(() => -1) }));
    return refused(subject, subject.ask('POST', route(subject, '/infer'), JSON.stringify({ inputs })));
  }),
  protocol('a body that is not JSON is refused', (subject) =>
    refused(subject, subject.ask('POST', route(subject, '/infer'), '{"inputs": [')),
  ),
  extension('binary_tensor_data', 'binary tensors in, JSON out', async (subject) => {
    const { body, headers } = binaryRequest(subject, {});
    const answer = await subject.ask('POST', route(subject, '/infer'), body, headers);
    assert.equal(answer.status, 200, answer.body.toString());
    assert.ok((json(answer).outputs as Output[]).every(({ data }) => Array.isArray(data)));
  }),
  extension('binary_tensor_data', 'binary tensors in and out', async (subject) => {
    const { body, headers } = binaryRequest(subject, { parameters: { binary_data_output: true } });
    const answer = await subject.ask('POST', route(subject, '/infer'), body, headers);
    assert.equal(answer.status, 200, answer.body.toString());
    const length = Number(answer.headers.get('inference-header-content-length'));
    const { outputs } = JSON.parse(answer.body.subarray(0, length).toString()) as { outputs: Output[] };
    const sizes = outputs.map(({ parameters }) => Number(parameters?.binary_data_size));
    assert.equal(length + sizes.reduce((sum, size) => sum + size, 0), answer.body.length);
  }),
  ...['99999999999', '-1', 'many'].map((length) =>
    extension('binary_tensor_data', `a header length of ${length} is refused`, (subject) => {
      const { body } = binaryRequest(subject, {});
      const headers = { 'Inference-Header-Content-Length': length };
      return refused(subject, subject.ask('POST', route(subject, '/infer'), body, headers));
    }),
  ),
  extension('binary_tensor_data', 'a tensor larger than what was sent is refused', (subject) => {
    const { body, headers } = binaryRequest(subject, {});
    return refused(subject, subject.ask('POST', route(subject, '/infer'), body.subarray(0, body.length - 1), headers));
  }),
  extension('statistics', 'a request is counted', async (subject) => {
    const read = async (): Promise<number> => {
      const { model_stats } = json(await subject.ask('GET', route(subject, '/stats'))) as {
        model_stats: { inference_stats: { success: { count: number } } }[];
      };
      return model_stats.reduce((sum, { inference_stats }) => sum + inference_stats.success.count, 0);
    };
    const before = await read();
    await infer(subject, request(subject));
    assert.ok((await read()) > before);
  }),
  extension('model_configuration', 'names, types and sizes of inputs agree with the metadata', async (subject) => {
    const config = json(await subject.ask('GET', route(subject, '/config')));
    assert.equal(config.name, subject.model);
    const batched = Number(config.max_batch_size) > 0;
    const inputs = (config.input ?? []) as { name: string; data_type: string; dims: number[] }[];
    for (const { name, datatype, shape } of subject.inputs) {
      const found = inputs.find((each) => each.name === name);
      assert.ok(found !== undefined, name);
      assert.deepEqual(found.dims, batched ? shape.slice(1) : shape);
      assert.equal(found.data_type, datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`);
    }
  }),
  extension('model_repository', 'the index lists the model', async (subject) => {
    const answer = await subject.ask('POST', '/v2/repository/index', '{}');
    const index = JSON.parse(answer.body.toString()) as { name: string; state: string }[];
    assert.ok(index.some(({ name, state }) => name === subject.model && state === 'READY'));
  }),
  extension('classification', 'the highest element, as value:index', async (subject) => {
    const numeric = subject.outputs.find(({ datatype }) => datatype !== 'BYTES');
    if (numeric === undefined) return;
    const outputs = [{ name: numeric.name, parameters: { classification: 1, binary_data: false } }];
    const [answered] = (await infer(subject, request(subject, { outputs }))).outputs;
    assert.equal(answered?.datatype, 'BYTES');
    assert.match(String((answered.data ?? []).flat(Infinity)[0]), /^-?[\d.]+:\d+(:.*)?$/);
  }),
  extension('logging', 'the log settings can be read', async (subject) => {
    const settings = json(await subject.ask('GET', '/v2/logging'));
    assert.equal(typeof settings.log_info, 'boolean');
    assert.equal(typeof settings.log_verbose_level, 'number');
  }),
];

/** @throws when the server cannot be asked what the model takes */
export async function subjectAt(url: string, model: string): Promise<Subject> {
  const ask: Subject['ask'] = async (method, path, body, headers = {}) => {
    const content = body === undefined ? {} : { body };
    const response = await fetch(url + path, { method, headers, ...content, signal: AbortSignal.timeout(30_000) });
    return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) };
  };
  const server = json(await ask('GET', '/v2'));
  const described = await ask('GET', `/v2/models/${encodeURIComponent(model)}`);
  if (described.status !== 200) throw new Error(`${model}: status ${described.status}: ${described.body.toString()}`);
  const metadata = json(described);
  const { inputs, outputs, versions = [] } = metadata as { inputs: Tensor[]; outputs: Tensor[]; versions?: string[] };
  return { model, inputs, outputs, versions, extensions: (server.extensions ?? []) as string[], ask };
}
