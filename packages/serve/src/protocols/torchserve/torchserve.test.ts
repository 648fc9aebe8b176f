/** TorchServe's management, over REST and gRPC, on a real server that allows it. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import { call, grpcConnect } from '../../testing/grpc-client.ts';
import { identityModel, oneWeightModel } from '../../testing/onnx.ts';
import { type Serving, serving } from '../../testing/serving.ts';

let served: Serving;
let root: string;
let session: ClientHttp2Session;

beforeAll(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'slipway-torchserve-'));
  for (const [name, weight] of Object.entries({ '1': 2, '2': 3 })) {
    await mkdir(path.join(root, 'versions', name), { recursive: true });
    await writeFile(path.join(root, 'versions', name, 'model.onnx'), oneWeightModel(weight));
  }
  await writeFile(path.join(root, 'net.onnx'), oneWeightModel(5));
  served = await serving(
    { one: oneWeightModel(2), words: identityModel('string', ['batch', 1]) },
    { modelControl: 'explicit', modelRoots: [root] },
  );
  await served.server.ready;
  session = grpcConnect(served.server.grpc?.url ?? '');
});
afterAll(async () => {
  session.close();
  await served.close();
  await rm(root, { recursive: true, force: true });
});

const ask = async (method: string, at: string, body?: string): Promise<{ status: number; document: unknown }> => {
  const response = await fetch(served.url + at, { method, ...(body === undefined ? {} : { body }) });
  return { status: response.status, document: await response.json() };
};

describe('management over REST', () => {
  it('registers, describes, scales and unregisters a model', async () => {
    const url = path.join(root, 'net.onnx');
    const query = `url=${url}&batch_size=8&max_batch_delay=5&initial_workers=2&synchronous=true`;
    expect(await ask('POST', `/models?${query}`)).toEqual({
      status: 200,
      document: { status: 'Model "net" Version: 1.0 registered with 2 initial workers' },
    });
    expect(await ask('POST', '/predictions/net', '[[2]]')).toEqual({ status: 200, document: [[10]] });
    expect(await ask('GET', '/models/net')).toMatchObject({
      status: 200,
      document: [
        {
          modelName: 'net',
          modelVersion: '1.0',
          modelUrl: url,
          minWorkers: 2,
          batchSize: 8,
          maxBatchDelay: 5,
          loadedAtStartup: false,
          workers: [{ status: 'READY' }, { status: 'READY' }],
        },
      ],
    });
    expect(await ask('PUT', '/models/net?min_worker=1&synchronous=true')).toEqual({
      status: 200,
      document: { status: 'Workers scaled to 1 for model: net' },
    });
    expect(await ask('GET', '/models/net/all')).toMatchObject({ document: [{ minWorkers: 1 }] });
    expect(await ask('DELETE', '/models/net')).toEqual({
      status: 200,
      document: { status: 'Model "net" unregistered' },
    });
    await expect.poll(async () => (await ask('POST', '/predictions/net', '[[2]]')).status).toBe(404);
  });

  it('answers 202 when nobody waits', async () => {
    expect(await ask('POST', `/models?url=${path.join(root, 'net.onnx')}&model_name=later`)).toEqual({
      status: 202,
      document: { status: 'Processing worker updates...' },
    });
  });

  it.each([
    ['POST', '/models', 400, 'Parameter url is required.'],
    ['POST', '/models?url=/etc/hosts', 403, '--model-root'],
    ['POST', '/models?url=squeezenet.mar', 400, 'Python code'],
    ['POST', '/models?url=file:///etc/passwd', 400, 'nothing is fetched'],
    ['POST', '/models?url=net.onnx&batch_size=many', 400, 'batch_size is'],
    ['DELETE', '/models/absent', 404, 'is not served'],
    ['PUT', '/models/one?min_worker=0', 400, 'unregistered'],
    ['GET', '/models/one/7.0', 404, 'no version 7'],
    ['GET', '/models?limit=0', 400, 'limit must be'],
    ['PATCH', '/models', 405, ''],
  ])('%s %s is %i', async (method, at, status, message) => {
    const answer = await ask(method, at);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.document)).toContain(message);
  });
});

describe('versions', () => {
  it('has a default that can be set', async () => {
    const url = path.join(root, 'versions');
    await served.server.control.load('many', { path: url, settings: { versionPolicy: { all: true } } });
    expect(await ask('POST', '/predictions/many', '[2]')).toEqual({ status: 200, document: [6] });
    expect(await ask('PUT', '/models/many/1.0/set-default')).toEqual({
      status: 200,
      document: { status: 'Default version successfully updated for model "many" to "1.0"' },
    });
    expect(await ask('POST', '/predictions/many', '[2]')).toEqual({ status: 200, document: [4] });
    expect(await ask('POST', '/predictions/many/2.0', '[2]')).toEqual({ status: 200, document: [6] });
    expect(await ask('PUT', '/models/many/9.0/set-default')).toMatchObject({ status: 409 });
  });
});

describe('gRPC', () => {
  const INFERENCE = '/org.pytorch.serve.grpc.inference.InferenceAPIsService/';
  const MANAGEMENT = '/org.pytorch.serve.grpc.management.ManagementAPIsService/';
  const prediction = (model: string, input: Record<string, string>): Buffer => {
    const writer = new ProtoWriter().string(1, model);
    for (const [name, value] of Object.entries(input)) {
      writer.message(3, new ProtoWriter().string(1, name).bytes(2, Buffer.from(value)));
    }
    return writer.finish(0);
  };
  const only = (reply: Buffer | undefined): string => {
    const reader = new ProtoReader(reply ?? Buffer.alloc(0));
    return reader.next() ? reader.bytes().toString() : '';
  };

  it('is healthy', async () => {
    const { status, replies } = await call(session, `${INFERENCE}Ping`, Buffer.alloc(0));
    expect({ status, health: only(replies[0]) }).toEqual({ status: 0, health: 'Healthy' });
  });
  it.each([
    ['Predictions', 'one', { data: '[[21]]' }, '[[42.0]]'],
    ['Predictions', 'one', { data: '[21]' }, '[42.0]'],
    ['Predictions', 'one', { x: '[21]' }, '[42.0]'],
    ['StreamPredictions', 'one', { data: '[[21]]' }, '[[42.0]]'],
    ['Predictions', 'words', { data: 'not JSON' }, '[["not JSON"]]'],
  ])('%s of %s with %j', async (method, model, input, expected) => {
    const { status, message, replies } = await call(session, INFERENCE + method, prediction(model, input));
    expect({ status, message, replies: replies.map(only) }).toEqual({ status: 0, message: '', replies: [expected] });
  });
  it.each([
    ['an unknown model', prediction('absent', { data: '[1]' }), 5, 'is not served'],
    ['no model', prediction('', { data: '[1]' }), 3, 'model_name is missing'],
    ['no input', prediction('one', {}), 3, 'input is empty'],
    ['an unknown input', prediction('one', { x: '[1]', z: '1' }), 3, '"z" is not an input'],
    ['no JSON', prediction('one', { data: '{' }), 3, 'invalid JSON'],
  ])('refuses %s', async (_, bytes, status, problem) => {
    const answer = await call(session, `${INFERENCE}Predictions`, bytes);
    expect(answer.status).toBe(status);
    expect(answer.message).toContain(problem);
  });
  it('registers, describes, lists and unregisters', async () => {
    const manage = async (method: string, of: ProtoWriter): Promise<unknown> => {
      const { status, message, replies } = await call(session, MANAGEMENT + method, of.finish(0));
      expect({ status, message }).toEqual({ status: 0, message: '' });
      return JSON.parse(only(replies[0]));
    };
    const registration = new ProtoWriter()
      .int(3, 1)
      .string(5, 'net')
      .bool(8, true)
      .string(9, path.join(root, 'net.onnx'));
    expect(await manage('RegisterModel', registration)).toEqual({
      status: 'Model "net" Version: 1.0 registered with 1 initial workers',
    });
    const named = (): ProtoWriter => new ProtoWriter().string(1, 'net');
    expect(await manage('DescribeModel', named())).toMatchObject([{ modelName: 'net' }]);
    expect(await manage('ListModels', new ProtoWriter().int(1, 1))).toMatchObject({ models: [{ modelName: 'one' }] });
    expect(await manage('UnregisterModel', named())).toEqual({ status: 'Model "net" unregistered' });
  });
});
