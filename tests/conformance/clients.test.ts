/**
 * Real clients from PyPI against our server: grpcio with stubs of TensorFlow Serving (NVIDIA's are in triton.test.ts). Needs a
 * Python that has them: named by SLIPWAY_CONFORMANCE_PYTHON, or made by `python3 -m venv .venv && .venv/bin/pip install -r tests/conformance/requirements.txt`.
 */
import { createLogger } from '@slipway/core';
import { type RunningServer, startServer } from '@slipway/serve';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, scalingModel } from '../small-models.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const PYTHON = process.env.SLIPWAY_CONFORMANCE_PYTHON ?? path.join(ROOT, '.venv', 'bin', 'python');
const there = existsSync(PYTHON);

const CLIENTS = [
  {
    title: 'grpcio with server reflection',
    script: 'reflection_client.py',
    last: 'ok   GetModelStatus',
    grpc: true,
  },
  {
    title: 'a TensorFlow Serving client over gRPC',
    script: 'tensorflow_grpc_client.py',
    last: 'ok   requests at the same time',
    grpc: true,
  },
];

describe.skipIf(!there)(
  `clients${there ? '' : ` (skipped: no ${path.relative(ROOT, PYTHON)} with tests/conformance/requirements.txt)`}`,
  () => {
    let directory: string;
    let server: RunningServer;
    beforeAll(async () => {
      directory = await mkdtemp(path.join(tmpdir(), 'slipway-clients-'));
      const contents = {
        one: scalingModel(2),
        pair: identityModel('string', 'int64'),
        half: identityModel('float16'),
      };
      const models = [];
      for (const [name, content] of Object.entries(contents)) {
        const file = path.join(directory, `${name}.onnx`);
        await writeFile(file, content);
        models.push({ name, path: file });
      }
      server = await startServer({
        models,
        restPort: 0,
        grpcPort: 0,
        adminPort: 0,
        threads: 1,
        logger: createLogger('silent'),
      });
      await server.ready;
    });
    afterAll(async () => {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    });

    it.each(CLIENTS)('$title gets from us what it expects', async ({ script, last, grpc }) => {
      const address = grpc ? server.grpc : server.rest;
      const args = [
        path.join(import.meta.dirname, script),
        `${address?.host}:${address?.port}`,
        path.join(ROOT, 'packages/serve/proto'),
      ];
      const { stdout } = await promisify(execFile)(PYTHON, args, { timeout: 50_000 }).catch(
        (error: unknown) => error as { stdout: string },
      );
      expect(stdout).toContain(last);
      expect(stdout.split('\n').filter((line) => line !== '' && !line.startsWith('ok'))).toEqual([]);
    });
  },
);
