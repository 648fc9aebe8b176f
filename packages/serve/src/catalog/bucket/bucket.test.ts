/**
 * Models from an S3-compatible prefix. The protocol is tested against a server of Python's moto, where there is one; what a
 * server should not do (redirect, change, cut, lie) against a small one of ours.
 */
import { createLogger } from '@slipway/core';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type RunningServer, startServer } from '../../server.ts';
import { oneWeightModel } from '../../testing/onnx.ts';
import type { Listing } from '../source.ts';
import { bucketAddress } from './address.ts';
import { bucketClient } from './client.ts';
import { bucketSource } from './source.ts';

const ROOT = path.join(import.meta.dirname, '../../../../..');
const MOTO = process.env['SLIPWAY_MOTO_SERVER'] ?? path.join(ROOT, '.venv/bin/moto_server');

describe('addresses', () => {
  it.each([
    ['s3://b/p/q/', {}, 'https://s3.us-east-1.amazonaws.com', 'b', 'p/q', false],
    ['s3://b', { AWS_REGION: 'eu-west-1' }, 'https://s3.eu-west-1.amazonaws.com', 'b', '', false],
    ['s3://http://minio:9000/b/p', {}, 'http://minio:9000', 'b', 'p', true],
    ['s3://b/p', { AWS_ENDPOINT_URL: 'http://x:1' }, 'http://x:1', 'b', 'p', true],
    ['s3://b/p', { AWS_ENDPOINT_URL: 'http://x:1', AWS_ENDPOINT_URL_S3: 'http://y:2/' }, 'http://y:2', 'b', 'p', true],
    ['s3://my.bucket/p', {}, 'https://s3.us-east-1.amazonaws.com', 'my.bucket', 'p', true],
  ])('%s with %j', (text, env, endpoint, bucket, prefix, pathStyle) => {
    expect(bucketAddress(text.replace('/b', '/bkt'), env)).toMatchObject({
      endpoint,
      bucket: bucket === 'b' ? 'bkt' : bucket,
      prefix,
      pathStyle,
    });
  });

  it.each(['s3://', 's3:///x', 's3://bkt/../x', 's3://https://user:secret@host/bkt/x'])('%s is none', (text) => {
    expect(() => bucketAddress(text, {})).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('needs both halves of the credentials, and never says them', () => {
    expect(() => bucketAddress('s3://bkt/x', { AWS_SECRET_ACCESS_KEY: 'hidden' })).toThrow(/belong together/);
    expect(() => bucketAddress('s3://bkt/x', { AWS_SECRET_ACCESS_KEY: 'hidden' })).not.toThrow(/hidden/);
  });
});

/** A server that answers what the test says. */
describe('a server that misbehaves', () => {
  let server: Server;
  let url: string;
  let directory: string;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const seen: IncomingMessage[] = [];
  const MODEL = oneWeightModel(2);
  const md5 = createHash('md5').update(MODEL).digest('hex');
  const listing = (size = MODEL.length, etag = md5): string =>
    `<?xml version="1.0"?><ListBucketResult><Contents><Key>m/1/model.onnx</Key><Size>${size}</Size><ETag>&quot;${etag}&quot;</ETag></Contents></ListBucketResult>`;
  const isList = ({ url: at = '' }: IncomingMessage): boolean => at.includes('list-type=2');
  const good = (request: IncomingMessage, response: ServerResponse): void => {
    if (isList(request)) response.end(listing());
    else response.end(MODEL);
  };
  const open = () => {
    const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'topsecret' };
    const client = bucketClient(bucketAddress(`s3://${url}/bkt/m`, env));
    return bucketSource({ description: 's3', model: 'm', client, directory, settleMs: 0, now: () => 0 });
  };
  const locate = async (): Promise<string> => {
    const { models } = await open().scan();
    const found = await models.get('m')?.candidates[0]?.locate();
    return found?.path ?? 'nothing';
  };

  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'slipway-bucket-'));
    seen.length = 0;
    answer = good;
    server = createServer((request, response) => {
      seen.push(request);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(directory, { recursive: true, force: true });
  });

  it('gives the model when it does not, signed and as it was listed', async () => {
    expect(await locate()).toMatch(/model\.onnx$/);
    expect(seen[0]?.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=id\//);
    expect(seen[1]?.headers['if-match']).toBe(`"${md5}"`);
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void, RegExp]>([
    [
      'redirects',
      (_, response) => response.writeHead(307, { Location: 'http://169.254.169.254/' }).end(),
      /redirects are not followed/,
    ],
    [
      'is in another region',
      (_, response) => response.writeHead(301, { 'x-amz-bucket-region': 'eu-north-1' }).end(),
      /set AWS_REGION to eu-north-1/,
    ],
    [
      'refuses',
      (_, response) => response.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>'),
      /status 403 AccessDenied/,
    ],
    ['fails again and again', (_, response) => response.writeHead(503).end(), /status 503/],
    ['lists something else', (_, response) => response.end('<html>hello</html>'), /not one of S3/],
    [
      'sends another content',
      (request, response) => response.end(isList(request) ? listing() : Buffer.alloc(MODEL.length)),
      /digest is MD5/,
    ],
    [
      'sends less',
      (request, response) => response.end(isList(request) ? listing(MODEL.length + 1, 'x-2') : MODEL),
      /and was listed with/,
    ],
    [
      'sends more',
      (request, response) => response.end(isList(request) ? listing(3, 'x-2') : MODEL),
      /and was listed with/,
    ],
    [
      'cuts the connection',
      (request, response) =>
        isList(request)
          ? response.end(listing())
          : response.writeHead(200, { 'Content-Length': '999' }).write('x', () => response.destroy()),
      /./,
    ],
    [
      'lists keys outside the prefix',
      (_, response) => response.end(listing().replace('m/1', '../1')),
      /outside the prefix/,
    ],
    [
      'is changed meanwhile',
      (request, response) => (isList(request) ? response.end(listing()) : response.writeHead(412).end()),
      /changed while it was read/,
    ],
  ])('%s', async (_, behave, expected) => {
    answer = behave;
    const problem = await locate().then(
      (at) => `located ${at}`,
      (error: unknown) => (error as Error).message,
    );
    expect(problem).toMatch(expected);
    expect(problem).not.toMatch(/topsecret|located/);
    // Nothing half of it stays.
    expect(await readdir(directory).catch(() => [])).toEqual([]);
  });

  it('expands no entities, and reads no key that leads elsewhere', async () => {
    answer = (_, response) =>
      response.end(
        `<!DOCTYPE x [<!ENTITY e "1">]><ListBucketResult><Contents><Key>m/1/..%2F..%2Fetc</Key><Size>1</Size><ETag>"a"</ETag></Contents></ListBucketResult>`,
      );
    const refused: Listing = { models: new Map(), warnings: ['refused'] };
    const { models, warnings } = await open()
      .scan()
      .catch(() => refused);
    expect(models.get('m')?.candidates ?? []).toEqual([]);
    expect(warnings).toHaveLength(1);
  });
});

const there = existsSync(MOTO);
describe.skipIf(!there)(
  `a real server${there ? '' : ` (skipped: no ${path.relative(ROOT, MOTO)} and no SLIPWAY_MOTO_SERVER)`}`,
  () => {
    let moto: ChildProcess;
    let url: string;
    let server: RunningServer | null = null;
    const before = { ...process.env };

    const put = async (key: string, content: Buffer | string): Promise<void> => {
      const answer = await fetch(`${url}/models/${key}`, { method: 'PUT', body: content });
      expect(answer.status).toBe(200);
    };
    const ask = async (model: string): Promise<string> => {
      const answer = await fetch(`${server?.rest.url ?? ''}/v1/models/${model}:predict`, {
        method: 'POST',
        body: '{"instances":[[1]]}',
      });
      return `${answer.status} ${/\[\[([\d.]+)\]\]/.exec(await answer.text())?.[1] ?? ''}`.trim();
    };

    beforeAll(async () => {
      moto = spawn(MOTO, ['-H', '127.0.0.1', '-p', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
      url = await new Promise((resolve, reject) => {
        let text = '';
        const read = (chunk: Buffer): void => {
          text += chunk.toString();
          const found = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
          if (found !== undefined) resolve(found);
        };
        moto.stdout?.on('data', read);
        moto.stderr?.on('data', read);
        moto.on('exit', () => reject(new Error(`moto ended: ${text}`)));
      });
      await fetch(`${url}/models`, { method: 'PUT' });
      Object.assign(process.env, {
        AWS_ACCESS_KEY_ID: 'id',
        AWS_SECRET_ACCESS_KEY: 'secret',
        AWS_ENDPOINT_URL_S3: url,
      });
    }, 60_000);
    afterAll(async () => {
      await server?.close();
      moto.kill();
      process.env = before;
    });

    it('is served, and followed: whole versions only', async () => {
      await put('repo/half/config.pbtxt', 'max_batch_size: 8');
      await put('repo/half/1/model.onnx', oneWeightModel(1));
      await put('repo/with space/1/model.onnx', 'not served');
      server = await startServer({
        modelRepositories: ['s3://models/repo'],
        restPort: 0,
        grpcPort: 0,
        adminPort: 0,
        pollIntervalMs: 100,
        settleMs: 300,
        threads: 1,
        logger: createLogger('silent'),
      });
      await server.ready;
      expect(await ask('half')).toBe('200 1.0');
      expect(server.control.index().map(({ name }) => name)).toEqual(['half']);

      // Half of an upload: the manifest names a file that is not there yet.
      const model = oneWeightModel(2);
      const digest = `sha256:${createHash('sha256').update(model).digest('hex')}`;
      const manifest = {
        schema: 'slipway.model/v1',
        name: 'half',
        engine: 'onnxruntime',
        entry: 'model.onnx',
        files: [{ path: 'model.onnx', role: 'model', digest, size: model.length }],
        signature: {
          inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 1] }],
          outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 1] }],
        },
        lineage: { source: { file: 'm', digest }, data: {}, steps: [], tools: {} },
      };
      await put('repo/half/2/slipway.json', JSON.stringify(manifest));
      const failure = () => server?.control.index().find(({ version }) => version === 2);
      await expect.poll(() => failure()?.state, { timeout: 10_000 }).toBe('failed');
      expect(await ask('half')).toBe('200 1.0');
      await put('repo/half/2/model.onnx', model);
      await expect.poll(() => ask('half'), { timeout: 10_000 }).toBe('200 2.0');
      await expect
        .poll(async () => (await server?.status())?.models[0]?.versions.map(({ version }) => version), {
          timeout: 10_000,
        })
        .toEqual([2]);
    });
  },
);
