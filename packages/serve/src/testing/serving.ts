/** A real server with real runners over small models, for tests. */
import { createLogger, digestOf, type Manifest, writeManifest } from '@slipway/core';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ServeOptions } from '../options.ts';
import { type RunningServer, startServer } from '../server.ts';

export interface Serving {
  readonly server: RunningServer;
  readonly url: string;
  readonly directory: string;
  readonly post: (
    path: string,
    body: unknown,
    headers?: Record<string, string>,
  ) => Promise<{ status: number; text: string; headers: Headers }>;
  close(): Promise<void>;
}

/** A model directory rather than a bare file: then it can say more of itself. */
export interface Described {
  readonly content: Buffer;
  readonly manifest: Pick<Manifest, 'signature'> & Partial<Manifest>;
}

/** @param models by name: the content of a file, or of a model directory */
export async function serving(
  models: Readonly<Record<string, Buffer | Described>>,
  options: Partial<ServeOptions> = {},
): Promise<Serving> {
  const directory = await mkdtemp(path.join(tmpdir(), 'slipway-serve-'));
  const sources = [];
  for (const [name, content] of Object.entries(models)) {
    const described = !Buffer.isBuffer(content);
    const file = path.join(directory, described ? name : `${name}.onnx`);
    await (described ? writeDescribed(file, name, content) : writeFile(file, content));
    sources.push({ name, path: file });
  }
  const server = await startServer({
    models: sources,
    restPort: 0,
    grpcPort: 0,
    adminPort: 0,
    logger: createLogger('silent'),
    threads: 1,
    ...options,
  });
  const { url } = server.rest;
  return {
    server,
    url,
    directory,
    post: async (at, body, headers = {}) => {
      const content = typeof body === 'string' ? body : JSON.stringify(body);
      const response = await fetch(url + at, { method: 'POST', body: content, headers });
      return { status: response.status, text: await response.text(), headers: response.headers };
    },
    async close() {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function writeDescribed(directory: string, name: string, { content, manifest }: Described): Promise<void> {
  await mkdir(directory);
  await writeFile(path.join(directory, 'model.onnx'), content);
  const digest = digestOf(content);
  await writeManifest(directory, {
    schema: 'slipway.model/v1',
    name,
    engine: 'onnxruntime',
    entry: 'model.onnx',
    files: [{ path: 'model.onnx', role: 'model', digest, size: content.length }],
    lineage: { source: { file: 'model.onnx', digest }, data: {}, steps: [], tools: {} },
    ...manifest,
  });
}

/** Send bytes as they are and give back everything that comes until the server closes or `until` has come. */
export function exchangeBytes(url: string, bytes: string | Buffer, until?: RegExp, timeoutMs = 5000): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (until?.test(received) === true) finish();
    });
    socket.on('close', finish);
    socket.on('error', finish);
  });
}
