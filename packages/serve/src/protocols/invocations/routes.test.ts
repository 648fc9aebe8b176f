/** What the platforms ask of a container, asked of a real server. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Platform, platformOf } from '../../platform.ts';
import { oneWeightModel } from '../../testing/onnx.ts';
import { type Serving, serving } from '../../testing/serving.ts';

const INSTANCES = { instances: [[21]] };

describe('SageMaker, one model', () => {
  let served: Serving;
  beforeAll(async () => {
    served = await serving({ one: oneWeightModel(2) }, { platform: platformOf('sagemaker', {}) });
    await served.server.ready;
  });
  afterAll(() => served.close());

  it('is asked without a name', async () => {
    expect(await served.post('/invocations', INSTANCES)).toMatchObject({
      status: 200,
      text: '{"predictions":[[42.0]]}',
    });
  });
  it('gives CSV for CSV', async () => {
    const answer = await served.post('/invocations', '21\n1\n', { 'content-type': 'text/csv', accept: 'text/csv' });
    expect(answer).toMatchObject({ status: 200, text: '42.0\n2.0\n' });
  });
  it.each([
    ['an answer', INSTANCES, 200],
    ['an error', { instances: 1 }, 400],
  ])('gives the custom attributes back with %s', async (_, body, status) => {
    const attributes = 'c000b4f9-df62-4c85-a0bf-7c525f9104a4';
    const answer = await served.post('/invocations', body, { 'X-Amzn-SageMaker-Custom-Attributes': attributes });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('x-amzn-sagemaker-custom-attributes')).toBe(attributes);
  });
  it('takes the binary tensors of Triton’s clients', async () => {
    const header = Buffer.from(
      JSON.stringify({
        inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', parameters: { binary_data_size: 4 } }],
        parameters: { binary_data_output: true },
      }),
    );
    const body = Buffer.concat([header, Buffer.from(Float32Array.of(21).buffer)]);
    const type = `application/vnd.sagemaker-triton.binary+json;json-header-size=${header.length}`;
    const response = await fetch(`${served.url}/invocations`, {
      method: 'POST',
      body,
      headers: { 'content-type': type },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(response.status).toBe(200);
    expect(bytes.readFloatLE(bytes.length - 4)).toBe(42);
  });
  it('tells batch transform what it may send', async () => {
    const response = await fetch(`${served.url}/execution-parameters`);
    expect(await response.json()).toEqual({
      MaxConcurrentTransforms: 8,
      BatchStrategy: 'MULTI_RECORD',
      MaxPayloadInMB: 6,
    });
  });
});

describe('SageMaker, many models', () => {
  let served: Serving;
  let root: string;
  const request = async (
    method: string,
    at: string,
    body?: unknown,
  ): Promise<{ status: number; document: unknown }> => {
    const response = await fetch(served.url + at, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, document: await response.json() };
  };
  beforeAll(async () => {
    root = await mkdtemp(path.join(tmpdir(), 'slipway-many-'));
    for (const [name, weight] of Object.entries({ a: 2, b: 3 })) {
      await mkdir(path.join(root, name, 'model'), { recursive: true });
      await writeFile(path.join(root, name, 'model/net.onnx'), oneWeightModel(weight));
    }
    await symlink('/etc', path.join(root, 'link'));
    const platform: Platform = {
      ...platformOf('sagemaker', { SAGEMAKER_MULTI_MODEL: 'true' }),
      multiModelRoot: root,
    };
    served = await serving({}, { platform, modelControl: 'explicit', modelRoots: [root] });
  });
  afterAll(async () => {
    await served.close();
    await rm(root, { recursive: true, force: true });
  });

  it('is healthy while it has none', async () => {
    expect((await request('GET', '/ping')).status).toBe(200);
    expect(await request('GET', '/models')).toEqual({ status: 200, document: { models: [] } });
  });
  it('loads, answers, lists and unloads', async () => {
    const url = path.join(root, 'a/model');
    const listed = { modelName: 'a1b2', modelUrl: url };
    expect(await request('POST', '/models', { model_name: 'a1b2', url })).toEqual({ status: 200, document: listed });
    expect(await request('POST', '/models', { model_name: 'b', url: path.join(root, 'b/model') })).toMatchObject({
      status: 200,
    });
    expect(await request('POST', '/models', { model_name: 'a1b2', url })).toMatchObject({ status: 409 });
    expect(await request('GET', '/models/a1b2')).toEqual({ status: 200, document: listed });
    expect(await request('POST', '/models/a1b2/invoke', INSTANCES)).toEqual({
      status: 200,
      document: { predictions: [[42]] },
    });
    expect(await request('POST', '/models/b/invoke', INSTANCES)).toEqual({
      status: 200,
      document: { predictions: [[63]] },
    });
    expect(await request('DELETE', '/models/a1b2')).toMatchObject({ status: 200 });
    expect(await request('GET', '/models/a1b2')).toMatchObject({ status: 404 });
    expect(await request('POST', '/models/a1b2/invoke', INSTANCES)).toMatchObject({ status: 404 });
    expect(await request('DELETE', '/models/a1b2')).toMatchObject({ status: 404 });
    expect(await request('POST', '/models', { model_name: 'a1b2', url })).toMatchObject({ status: 200 });
    expect(await request('DELETE', '/models/a1b2')).toMatchObject({ status: 200 });
  });
  it.each([
    ['outside', { model_name: 'x', url: '/etc' }],
    ['outside by dots', { model_name: 'x', url: `${'../'.repeat(20)}etc` }],
    ['without a name', { url: 'a/model' }],
    ['that is no object', 7],
  ])('refuses a model %s', async (_, body) => {
    expect(await request('POST', '/models', body)).toMatchObject({ status: 400 });
  });
  it('refuses a model behind a link that leads out', async () => {
    const { status } = await request('POST', '/models', { model_name: 'x', url: path.join(root, 'link/model') });
    expect(status).toBeGreaterThanOrEqual(400);
  });
});

describe('Vertex AI', () => {
  let served: Serving;
  beforeAll(async () => {
    const env = { AIP_ENDPOINT_ID: '1', AIP_DEPLOYED_MODEL_ID: '2' };
    served = await serving({ one: oneWeightModel(2) }, { platform: platformOf('vertex', env) });
    await served.server.ready;
  });
  afterAll(() => served.close());
  const ROUTE = '/v1/endpoints/1/deployedModels/2';

  it('is asked on its routes', async () => {
    expect((await fetch(served.url + ROUTE)).status).toBe(200);
    const body = { ...INSTANCES, parameters: { x: 1 } };
    expect(await served.post(`${ROUTE}:predict`, body)).toMatchObject({
      status: 200,
      text: '{"predictions":[[42.0]]}',
    });
  });
  it('reaches the Open Inference Protocol through the redirect of Triton’s users', async () => {
    const body = { inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [21] }] };
    const headers = { 'X-Vertex-Ai-Triton-Redirect': 'v2/models/one/infer' };
    const { status, text } = await served.post(`${ROUTE}:predict`, body, headers);
    expect({ status, document: JSON.parse(text) as unknown }).toMatchObject({
      status: 200,
      document: { outputs: [{ data: [42] }] },
    });
  });
  it.each(['v2/repository/models/one/unload', 'v2/logging', '../../models', 'v1/models/one'])(
    'does not redirect to %s',
    async (target) => {
      const { status } = await served.post(`${ROUTE}:predict`, {}, { 'X-Vertex-Ai-Triton-Redirect': target });
      expect(status).toBe(403);
    },
  );
});
