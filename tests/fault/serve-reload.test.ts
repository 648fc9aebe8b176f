/**
 * 10,000 requests at a steady rate while a new version is loaded and the old one unloaded, five times: no request fails, and
 * every answer comes from exactly one version.
 */
import { createLogger } from '@slipway/core';
import { startServer } from '@slipway/serve';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { scalingModel } from '../small-models.ts';
import { steadyLoad } from './steady.ts';

const TOTAL = 10_000;
const RELOADS = 5;

it('a reload under load fails no request', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'slipway-reload-'));
  const publish = async (version: number): Promise<void> => {
    const staging = path.join(directory, `.${version}`);
    await mkdir(staging);
    await writeFile(path.join(staging, 'model.onnx'), scalingModel(version));
    await rename(staging, path.join(directory, String(version)));
  };
  await publish(1);
  const server = await startServer({
    models: [{ name: 'm', path: directory }],
    restPort: 0,
    grpcPort: 0,
    adminPort: 0,
    pollIntervalMs: 100,
    settleMs: 50,
    threads: 1,
    logger: createLogger('silent'),
  });
  try {
    await server.ready;
    let version = 1;
    const answers = await steadyLoad(
      { url: `${server.rest.url}/v1/models/m:predict`, body: '{"instances":[[1]]}', perSecond: 700, total: TOTAL },
      (sent) => {
        if (sent % Math.floor(TOTAL / (RELOADS + 1)) === 0 && version <= RELOADS) void publish(++version);
      },
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    const seen = answers.map(({ body }) => Number(/\[\[([\d.]+)\]\]/.exec(body)?.[1]));
    expect(new Set(seen)).toEqual(new Set([1, 2, 3, 4, 5, 6]));
    await expect
      .poll(async () => (await server.status()).models[0]?.versions.map(({ version: of }) => of), { timeout: 10_000 })
      .toEqual([6]);
  } finally {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  }
});
