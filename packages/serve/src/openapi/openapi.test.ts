/** The document says what the server does: its paths exist, its requests work, its answers are of the form it gives. */
import { createLogger, transform } from '@slipway/core';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../server.ts';
import { identityModel, mlpModel, oneWeightModel, scoresModel } from '../testing/onnx.ts';
import { writeRelease } from '../testing/release.ts';
import { type Serving, serving } from '../testing/serving.ts';

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly requestBody?: {
    readonly content: Record<string, { readonly example?: unknown; readonly schema?: unknown }>;
  };
  readonly responses: Record<string, { readonly content?: Record<string, unknown>; readonly $ref?: string }>;
}
interface Document {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly 'x-slipway-models': readonly { readonly name: string; readonly example: string | null }[];
}

let served: Serving;
let document: Document;
const operations = (): [string, string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, of]): [string, string, Operation] => [path, method, of]),
  );
const fetchDocument = async (query = ''): Promise<Document> =>
  (await (await fetch(`${served.url}/openapi.json${query}`)).json()) as Document;

beforeAll(async () => {
  served = await serving({
    b: oneWeightModel(2),
    a_b: identityModel('string', ['batch', 2], 2),
    fixed: identityModel('int64', [1, 2]),
    flags: identityModel('bool', ['batch']),
    large: mlpModel([4096, 2]),
  });
  await served.server.ready;
  document = await fetchDocument();
});
afterAll(() => served.close());

describe('/openapi.json', () => {
  it('has every model with concrete paths, and each operation once', () => {
    expect(document.openapi).toBe('3.1.1');
    expect(document['x-slipway-models'].map(({ name }) => name).sort()).toEqual([
      'a_b',
      'b',
      'fixed',
      'flags',
      'large',
    ]);
    const ids = operations().map(([, , { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain('tensorflow_predict_a_b');
    for (const [, , { tags }] of operations()) expect(document.tags.map(({ name }) => name)).toContain(tags[0]);
    expect(JSON.stringify(document)).not.toContain('{model}');
  });

  it('refers only to what is there', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, at = '']) => at);
    expect(references.length).toBeGreaterThan(50);
    for (const reference of references) {
      let at: unknown = document;
      for (const key of reference.split('/')) at = (at as Record<string, unknown>)[key];
      expect(at, reference).toBeDefined();
    }
  });

  it('shows requests that are answered, on paths that exist', async () => {
    let answered = 0;
    for (const [path, method, { requestBody }] of operations()) {
      const content = requestBody?.content['application/json'];
      const body = content?.example === undefined ? undefined : JSON.stringify(content.example);
      if (method === 'post' && body === undefined) continue;
      const response = await fetch(served.url + path, {
        method: method.toUpperCase(),
        ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
      });
      expect(response.status, `${method} ${path}: ${await response.text()}`).toBe(200);
      answered++;
    }
    expect(answered).toBeGreaterThan(30);
  });

  it('leaves out requests too large to read', () => {
    expect(document['x-slipway-models'].find(({ name }) => name === 'large')?.example).toBeNull();
    expect(document.paths['/predict/large']?.post?.requestBody?.content['application/json']?.example).toBeUndefined();
    expect(JSON.stringify(document).length).toBeLessThan(300_000);
  });

  it('gives the exact shape and dtype of each input', () => {
    const schema = document.paths['/predict/fixed']?.post?.requestBody?.content['application/json']?.schema;
    expect(JSON.stringify(schema)).toContain('"minItems":2,"maxItems":2');
  });

  it('offers .npy only where there is one tensor', () => {
    const types = (path: string): string[] => Object.keys(document.paths[path]?.post?.requestBody?.content ?? {});
    expect(types('/predict/b')).toContain('application/x-npy');
    expect(types('/predict/a_b')).not.toContain('application/x-npy');
    expect(types('/predict/a_b')).toContain('application/x-npz');
  });

  it('of one model, and of none that is not served', async () => {
    const one = await fetchDocument('?model=a_b');
    expect(one['x-slipway-models'].map(({ name }) => name)).toEqual(['a_b']);
    expect(Object.keys(one.paths)).toContain('/v1/models/a_b:predict');
    expect(Object.keys(one.paths)).not.toContain('/v1/models/b:predict');
    const none = await fetch(`${served.url}/openapi.json?model=%3Cscript%3E`);
    expect(none.status).toBe(404);
  });
});

describe('a model behind transforms', () => {
  it('is described by what clients send, with requests that work, images too', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'slipway-openapi-'));
    const photo = await writeRelease(path.join(root, 'photo'), scoresModel('uint8', [2, 2, 3]), {
      name: 'photo',
      signature: {
        inputs: [{ name: 'in', dtype: 'uint8', shape: ['batch', 2, 2, 3] }],
        outputs: [{ name: 'scores', dtype: 'float32', shape: ['batch', 12] }],
      },
      transforms: {
        inputs: [transform.decodeImage({ from: 'photo', to: 'in' }), transform.resize({ from: 'in', size: [2, 2] })],
        outputs: [transform.classify({ from: 'scores' })],
      },
    });
    const server = await startServer({
      models: [{ name: 'photo', path: photo }],
      restPort: 0,
      grpcPort: null,
      adminPort: 0,
      threads: 1,
      logger: createLogger('silent'),
    });
    try {
      await server.ready;
      const described = (await (await fetch(`${server.rest.url}/openapi.json`)).json()) as Document;
      expect(described['x-slipway-models']).toMatchObject([{ inputs: [{ name: 'photo' }], images: ['photo'] }]);
      const predict = described.paths['/v1/models/photo:predict']?.post?.requestBody?.content ?? {};
      expect(Object.keys(predict)).toContain('image/*');
      const { instances } = predict['application/json']?.example as { instances: [{ b64: string }] };
      const image = Buffer.from(instances[0].b64, 'base64');
      const form = new FormData();
      form.append('photo', new Blob([image]), 'photo.png');
      form.append('photo', new Blob([image]), 'again.png');
      const bodies: [string | Uint8Array<ArrayBuffer> | FormData, Record<string, string>, number][] = [
        [JSON.stringify({ instances }), {}, 1],
        [new Uint8Array(image), { 'content-type': 'image/png' }, 1],
        [new Uint8Array(image), { 'content-type': 'application/octet-stream' }, 1],
        [form, {}, 2],
      ];
      for (const [body, headers, rows] of bodies) {
        const response = await fetch(`${server.rest.url}/v1/models/photo:predict`, { method: 'POST', body, headers });
        const answer = (await response.json()) as { predictions: { label: number; score: number }[] };
        expect(response.status, JSON.stringify(answer)).toBe(200);
        expect(answer.predictions).toHaveLength(rows);
      }
    } finally {
      await server.close();
      await rm(root, { recursive: true, force: true });
    }
  });
});

describe('/docs', () => {
  it('is one page that allows nothing but itself', async () => {
    for (const at of ['/docs', '/docs/']) {
      const response = await fetch(served.url + at);
      const page = await response.text();
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
      const policy = response.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toContain('unsafe');
      expect(page).not.toMatch(/https?:\/\/|<link|<img|style="| on\w+="/);
      expect(page).not.toContain('innerHTML');
    }
  });
});
