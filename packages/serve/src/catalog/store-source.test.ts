/** A server over a store: releases come and go, aliases are labels, and a broken release replaces nothing. */
import { createLogger, digestOf, type Manifest, openStore, writeManifest } from '@slipway/core';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { startServer } from '../server.ts';
import { oneWeightModel } from '../testing/onnx.ts';

async function modelDirectory(root: string, label: string, content: Buffer): Promise<string> {
  const directory = path.join(root, label);
  await mkdir(directory);
  await writeFile(path.join(directory, 'model.onnx'), content);
  const digest = digestOf(content);
  const manifest: Manifest = {
    schema: 'slipway.model/v1',
    name: 'm',
    engine: 'onnxruntime',
    entry: 'model.onnx',
    files: [{ path: 'model.onnx', role: 'model', digest, size: content.length }],
    signature: {
      inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 1] }],
      outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 1] }],
    },
    serving: { maxBatchSize: 16 },
    lineage: { source: { file: label, digest }, data: {}, steps: [], tools: {} },
  };
  await writeManifest(directory, manifest);
  return directory;
}

it('serves the newest release and those with an alias, and follows the store', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'slipway-store-'));
  const store = await openStore(path.join(root, 'store'));
  await store.add(await modelDirectory(root, 'a', oneWeightModel(1)), null);
  const server = await startServer({
    store,
    restPort: 0,
    grpcPort: 0,
    adminPort: 0,
    pollIntervalMs: 50,
    threads: 1,
    logger: createLogger('silent'),
  });
  try {
    await server.ready;
    const ask = async (at = ''): Promise<string> => {
      const response = await fetch(`${server.rest.url}/v1/models/m${at}:predict`, {
        method: 'POST',
        body: '{"instances":[[1]]}',
      });
      return `${response.status} ${await response.text()}`;
    };
    expect(await ask()).toContain('[[1.0]]');
    expect((await server.status()).models[0]?.versions[0]?.digest).toMatch(/^sha256:/);
    await store.setAlias('m:1', 'champion');
    await store.add(await modelDirectory(root, 'b', oneWeightModel(2)), null);
    await expect.poll(() => ask(), { timeout: 10_000 }).toContain('[[2.0]]');
    expect(await ask('/labels/champion')).toContain('[[1.0]]');
    await store.add(await modelDirectory(root, 'c', Buffer.from('broken')), null);
    await expect
      .poll(async () => (await server.status()).models[0]?.versions.find(({ version }) => version === 3)?.state, {
        timeout: 10_000,
      })
      .toBe('failed');
    expect(await ask()).toContain('[[2.0]]');
    expect(await ask('/labels/champion')).toContain('[[1.0]]');
  } finally {
    await server.close();
    await rm(root, { recursive: true, force: true });
  }
});
