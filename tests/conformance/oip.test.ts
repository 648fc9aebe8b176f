/** Our server against the conformance table for the Open Inference Protocol, for models of several kinds; and that it can fail. */
import { createLogger } from '@slipway/core';
import { type RunningServer, startServer } from '@slipway/serve';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, scalingModel } from '../small-models.ts';
import { CHECKS, subjectAt } from './oip-checks.ts';

const MODELS = {
  one: scalingModel(2),
  pair: identityModel('string', 'int64'),
  half: identityModel('float16'),
  flags: identityModel('bool'),
};

let directory: string;
let server: RunningServer;
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'slipway-oip-'));
  const models = [];
  for (const [name, content] of Object.entries(MODELS)) {
    const file = path.join(directory, `${name}.onnx`);
    await writeFile(file, content);
    models.push({ name, path: file });
  }
  const logger = createLogger('silent');
  server = await startServer({ models, restPort: 0, grpcPort: null, adminPort: 0, threads: 1, logger });
  await server.ready;
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

describe.each(Object.keys(MODELS))('the model %s', (model) => {
  it.each(CHECKS.map((check) => [`${check.extension ?? 'protocol'}: ${check.title}`, check] as const))(
    '%s',
    async (_, { extension, run }) => {
      const subject = await subjectAt(server.rest.url, model);
      if (extension !== null) expect(subject.extensions).toContain(extension);
      await run(subject);
    },
  );
});

it('every check but those of health fails against a server that says yes to everything', async () => {
  const yes = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
  await new Promise((resolve) => yes.once('listening', resolve));
  try {
    const { ask } = await subjectAt(`http://127.0.0.1:${(yes.address() as AddressInfo).port}`, 'one');
    const subject = { ...(await subjectAt(server.rest.url, 'one')), ask };
    const passed: string[] = [];
    for (const { title, run } of CHECKS) {
      const failure = await run(subject).then(
        () => null,
        (error: unknown) => error,
      );
      if (failure === null) passed.push(title);
    }
    expect(passed).toEqual(['the server is live', 'the server is ready', 'the model is ready']);
  } finally {
    yes.close();
  }
});
