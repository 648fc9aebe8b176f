/**
 * Real clients from PyPI against our server: grpcio with stubs of TensorFlow Serving and of TorchServe (NVIDIA's are in triton.test.ts). Needs a
 * Python that has them: named by SLIPWAY_CONFORMANCE_PYTHON, or made by `python3 -m venv .venv && .venv/bin/pip install -r tests/conformance/requirements.txt`.
 */
import { createLogger, digestOf, writeManifest } from '@slipway/core';
import { type RunningServer, startServer } from '@slipway/serve';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, scalingModel } from '../small-models.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const PYTHON = process.env.SLIPWAY_CONFORMANCE_PYTHON ?? path.join(ROOT, '.venv', 'bin', 'python');
const there = existsSync(PYTHON);

interface Client {
  readonly title: string;
  readonly script: string;
  readonly last: string;
  readonly grpc: boolean;
  /** A package that requirements.txt does not have. */
  readonly needs?: string;
}

const CLIENTS: readonly Client[] = [
  { title: 'NumPy', script: 'numpy_client.py', last: 'ok   all', grpc: false },
  { title: "KServe's client", script: 'kserve_client.py', last: 'ok   all', grpc: false, needs: 'kserve' },
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
  {
    title: 'a TorchServe client over gRPC',
    script: 'torchserve_grpc_client.py',
    last: 'ok   unknown model',
    grpc: true,
  },
];

/** Some packages are too heavy for every machine; whoever has them, has the test. */
function installed(name: string): boolean {
  const libraries = path.join(path.dirname(PYTHON), '..', 'lib');
  return (
    existsSync(libraries) &&
    readdirSync(libraries).some((python) => existsSync(path.join(libraries, python, 'site-packages', name)))
  );
}

/** Gives back the scores it gets, of classes that have names. */
async function labelledModel(directory: string): Promise<string> {
  await mkdir(directory);
  const content = identityModel('float32');
  await writeFile(path.join(directory, 'model.onnx'), content);
  const digest = digestOf(content);
  await writeManifest(directory, {
    schema: 'slipway.model/v1',
    name: 'animals',
    engine: 'onnxruntime',
    entry: 'model.onnx',
    files: [{ path: 'model.onnx', role: 'model', digest, size: content.length }],
    signature: {
      inputs: [{ name: 'in', dtype: 'float32', shape: ['batch', 2] }],
      outputs: [{ name: 'out', dtype: 'float32', shape: ['batch', 2] }],
    },
    labels: ['cat', 'dog'],
    lineage: { source: { file: 'model.onnx', digest }, data: {}, steps: [], tools: {} },
  });
  return directory;
}

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
      models.push({ name: 'animals', path: await labelledModel(path.join(directory, 'animals')) });
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

    const cases = CLIENTS.map((client) => {
      const lacks = client.needs !== undefined && !installed(client.needs);
      return {
        ...client,
        lacks,
        title: `${client.title}${lacks ? ` (skipped: ${client.needs} is not installed)` : ''}`,
      };
    });
    it.for(cases)('$title gets from us what it expects', async ({ script, last, grpc, lacks }, { skip }) => {
      if (lacks) skip();
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
