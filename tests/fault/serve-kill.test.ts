/**
 * 10,000 requests at a steady rate while the runner is killed ten times: nothing fails but what was executing on a killed
 * runner, which gets a clear 503; and answers come again in less than two seconds.
 */
import { createLogger } from '@slipway/core';
import { startServer } from '@slipway/serve';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { scalingModel } from '../small-models.ts';
import { steadyLoad } from './steady.ts';

const TOTAL = 10_000;
const KILLS = 10;
const RECOVERY_MS = 2000;

it('a killed runner loses only what it was executing', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'slipway-kill-'));
  const file = path.join(directory, 'one.onnx');
  await writeFile(file, scalingModel(2));
  const server = await startServer({
    models: [{ name: 'm', path: file }],
    restPort: 0,
    grpcPort: 0,
    adminPort: 0,
    threads: 1,
    logger: createLogger('silent'),
  });
  try {
    await server.ready;
    const kills: number[] = [];
    const kill = async (): Promise<void> => {
      const runner = (await server.status()).models[0]?.versions[0]?.runners[0];
      if (runner === undefined) return;
      process.kill(runner.pid, 'SIGKILL');
      kills.push(performance.now());
    };
    const answers = await steadyLoad(
      { url: `${server.rest.url}/v1/models/m:predict`, body: '{"instances":[[1]]}', perSecond: 400, total: TOTAL },
      (sent) => {
        if (sent % Math.floor(TOTAL / (KILLS + 1)) === 0 && sent / Math.floor(TOTAL / (KILLS + 1)) <= KILLS) {
          void kill();
        }
      },
    );
    expect(kills).toHaveLength(KILLS);
    const failed = answers.filter(({ status }) => status !== 200);
    for (const { status, body } of failed) {
      expect(status).toBe(503);
      expect(JSON.parse(body)).toMatchObject({ code: 'RUNNER_LOST' });
    }
    // At most what two calls can hold, each kill.
    expect(failed.length).toBeLessThanOrEqual(KILLS * 2 * 64);
    for (const at of kills) {
      const recovered = Math.min(
        ...answers
          .filter(({ status, sentAt }) => status === 200 && sentAt > at)
          .map(({ sentAt, ms }) => sentAt + ms - at),
      );
      expect(recovered).toBeLessThan(RECOVERY_MS);
    }
    const { restarts } = (await server.status()).models[0]?.versions[0] ?? {};
    expect(restarts).toBe(KILLS);
    console.log(
      `${failed.length} of ${answers.length} requests were executing on a killed runner; slowest answer ${Math.round(Math.max(...answers.map(({ ms }) => ms)))} ms`,
    );
  } finally {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  }
});
