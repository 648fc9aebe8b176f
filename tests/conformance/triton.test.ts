/**
 * NVIDIA's own clients from PyPI (tritonclient, over HTTP and gRPC, waiting and with asyncio) against a server that allows what
 * Triton allows: loading models, shared memory, changes of settings. Which Python: see clients.test.ts.
 */
import { createLogger } from '@slipway/core';
import { type RunningServer, startServer } from '@slipway/serve';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, scalingModel } from '../small-models.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const PYTHON = process.env.SLIPWAY_CONFORMANCE_PYTHON ?? path.join(ROOT, '.venv', 'bin', 'python');
const there = existsSync(PYTHON);

describe.skipIf(!there)(
  `tritonclient${there ? '' : ` (skipped: no ${path.relative(ROOT, PYTHON)} with tests/conformance/requirements.txt)`}`,
  () => {
    let directory: string;
    let server: RunningServer;
    beforeAll(async () => {
      directory = await mkdtemp(path.join(tmpdir(), 'slipway-triton-'));
      const contents = { one: scalingModel(2), pair: identityModel('string', 'int64'), half: identityModel('float16') };
      const models = [];
      for (const [name, content] of Object.entries(contents)) {
        const version = path.join(directory, name, '1');
        await mkdir(version, { recursive: true });
        await writeFile(path.join(version, 'model.onnx'), content);
        models.push({ name, path: path.join(directory, name) });
      }
      await writeFile(path.join(directory, 'thrice.onnx'), scalingModel(3));
      server = await startServer({
        models,
        modelControl: 'explicit',
        loadModels: ['*'],
        allowClientShm: true,
        allowClientSettings: true,
        restPort: 0,
        grpcPort: 0,
        adminPort: 0,
        threads: 1,
        logger: createLogger('info', { write: () => undefined }),
      });
      await server.ready;
    });
    afterAll(async () => {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    });

    it.each([
      ['over HTTP', 'triton_client.py'],
      ['over gRPC', 'triton_grpc_client.py'],
      ['with asyncio, over both', 'triton_aio_client.py'],
    ])('%s gets from us what it expects', async (_, script) => {
      const addresses = [server.rest, server.grpc].map((of) => `${of?.host}:${of?.port}`);
      const args = [path.join(import.meta.dirname, script), ...addresses, path.join(directory, 'thrice.onnx')];
      const { stdout, stderr } = await promisify(execFile)(PYTHON, args, { timeout: 50_000 }).catch(
        (error: unknown) => error as { stdout: string; stderr: string },
      );
      const failures = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('ok'));
      expect(failures, stderr).toEqual([]);
      expect(stdout, stderr).toContain('ok   all done');
    });
  },
);
