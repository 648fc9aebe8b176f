/** A server over what users of Triton and TensorFlow Serving have on disk. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLogger, type Logger } from '@slipway/core';
import { type RunningServer, startServer } from '../server.ts';
import type { ServeOptions } from '../options.ts';
import { oneWeightModel } from '../testing/onnx.ts';

let root: string;
let server: RunningServer | null = null;
let said: string[];

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'slipway-repository-'));
  said = [];
});
afterEach(async () => {
  await server?.close();
  server = null;
  await rm(root, { recursive: true, force: true });
});

/** Writes a file below the root as a careful copy does: complete, then renamed. */
async function put(file: string, content: string | Buffer): Promise<void> {
  const at = path.join(root, file);
  await mkdir(path.dirname(at), { recursive: true });
  await writeFile(`${at}.part`, content);
  await rename(`${at}.part`, at);
}

function listening(): Logger {
  const logger = createLogger('silent');
  return new Proxy(logger, {
    get: (target, key) =>
      key === 'warn'
        ? (_: unknown, message: string) => said.push(message)
        : (target as unknown as Record<string | symbol, unknown>)[key],
  });
}

async function start(options: Partial<ServeOptions>): Promise<RunningServer> {
  server = await startServer({
    restPort: 0,
    grpcPort: 0,
    adminPort: 0,
    pollIntervalMs: 50,
    settleMs: 20,
    threads: 1,
    logger: listening(),
    ...options,
  });
  await server.ready.catch(() => undefined);
  return server;
}

async function ask(at: string): Promise<string> {
  const response = await fetch(`${server?.rest.url ?? ''}/v1/models/${at}:predict`, {
    method: 'POST',
    body: '{"instances":[[1]]}',
  });
  return `${response.status} ${/\[\[([\d.]+)\]\]/.exec(await response.text())?.[1] ?? ''}`.trim();
}

const CONFIG = `max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: 1 }
output { name: "y" data_type: TYPE_FP32 dims: 1 label_filename: "labels.txt" }
dynamic_batching { preserve_ordering: true }
response_cache { enable: true }
`;

describe('a model repository', () => {
  it('is served, each model by its own configuration, and followed', async () => {
    await put('Half/config.pbtxt', `${CONFIG} version_policy { latest { num_versions: 2 } }`);
    await put('Half/labels.txt', 'one\n');
    for (const version of [1, 2, 3]) await put(`Half/${version}/model.onnx`, oneWeightModel(version));
    await put('plain/7/model.onnx', oneWeightModel(7));
    await put('wrong/config.pbtxt', 'max_batch_sise: 4');
    await put('wrong/1/model.onnx', oneWeightModel(1));
    await put('other/config.pbtxt', 'max_batch_size: 4 input { name: "z" dims: 1 }');
    await put('other/1/model.onnx', oneWeightModel(1));
    await start({ modelRepositories: [root] });
    expect(await ask('Half')).toBe('200 3.0');
    expect(await ask('Half/versions/2')).toBe('200 2.0');
    expect(await ask('Half/versions/1')).toBe('404');
    expect(await ask('plain')).toBe('200 7.0');
    expect(await ask('wrong')).toBe('503');
    expect(await ask('other')).toBe('503');
    const index = server?.control.index() ?? [];
    expect(index.find(({ name }) => name === 'wrong')).toMatchObject({
      version: null,
      state: 'failed',
      reason: 'config.pbtxt:1:1: unknown field "max_batch_sise", did you mean "max_batch_size"?',
    });
    expect(index.find(({ name }) => name === 'other')?.reason).toMatch(/config\.pbtxt: the model has no input "z"/);
    expect(said.join('\n')).toMatch(/config\.pbtxt:5:16: response_cache is of no effect/);

    await put('wrong/config.pbtxt', 'max_batch_size: 4');
    await expect.poll(() => ask('wrong'), { timeout: 10_000 }).toBe('200 1.0');
    await put('Half/config.pbtxt', `${CONFIG} version_policy { specific { versions: [1] } }`);
    await expect.poll(() => ask('Half'), { timeout: 10_000 }).toBe('200 1.0');
    await put('Half/config.pbtxt', 'nonsense');
    await expect
      .poll(() => server?.control.index().some(({ reason }) => reason?.includes('config.pbtxt:1:9') === true))
      .toBe(true);
    expect(await ask('Half')).toBe('200 1.0');
    await rm(path.join(root, 'plain'), { recursive: true });
    await expect.poll(() => ask('plain'), { timeout: 10_000 }).toBe('404');
    // What looks like a file system that went away takes nothing along.
    await rm(root, { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await ask('Half')).toBe('200 1.0');
  });
});

describe('models.config', () => {
  const list = (...models: string[]): string =>
    `model_config_list { ${models.map((model) => `config { ${model} }`).join(' ')} }`;

  it('is served and followed, a model at a time, and never half of it', async () => {
    for (const version of [1, 2]) await put(`a/${version}/model.onnx`, oneWeightModel(version));
    const policy = 'model_version_policy { specific { versions: 1 versions: 2 } }';
    const labels = (stable: number): string => `version_labels { key: "stable" value: ${stable} }`;
    await put('models.config', list(`name: "a" base_path: "a" ${policy} ${labels(1)}`, 'name: "b" base_path: "b"'));
    await start({ modelConfigFile: path.join(root, 'models.config') });
    expect(await ask('a')).toBe('200 2.0');
    expect(await ask('a/labels/stable')).toBe('200 1.0');
    // A place where there is nothing yet holds up nobody.
    expect(await ask('b')).toBe('503');
    await put('b/1/model.onnx', oneWeightModel(5));
    await expect.poll(() => ask('b'), { timeout: 10_000 }).toBe('200 5.0');

    // A label at a version that is not there yet stays where it is until that is ready.
    await put(
      'models.config',
      list(`name: "a" base_path: "a" model_version_policy { all { } } ${labels(3)}`, 'name: "b" base_path: "b"'),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await ask('a/labels/stable')).toBe('200 1.0');
    await put('a/3/model.onnx', oneWeightModel(3));
    await expect.poll(() => ask('a/labels/stable'), { timeout: 10_000 }).toBe('200 3.0');

    // Wrong anywhere: nothing of it is used.
    await put('models.config', list('name: "a" base_path: "a"', 'name: "a" base_path: "b"'));
    await expect.poll(() => said.some((text) => text.includes('given twice')), { timeout: 10_000 }).toBe(true);
    expect(await ask('b')).toBe('200 5.0');
    await put('models.config', list('name: "b" base_path: "b"'));
    await expect.poll(() => ask('a'), { timeout: 10_000 }).toBe('404');
    expect(await ask('b')).toBe('200 5.0');
  });

  it('does not start a server when it is wrong or not there', async () => {
    await put('models.config', 'model_config_lst { }');
    await start({ modelConfigFile: path.join(root, 'models.config') });
    await expect(server?.ready).rejects.toThrow(/models\.config:1:1: unknown field "model_config_lst", did you mean/);
  });
});
