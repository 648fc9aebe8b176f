/**
 * NVIDIA's own client (tritonclient, from PyPI) against our server. Needs a Python that has it: named by
 * SLIPWAY_CONFORMANCE_PYTHON, or made by `python3 -m venv .venv && .venv/bin/pip install -r tests/conformance/requirements.txt`.
 */
import { createLogger } from '@slipway/core';
import { startServer } from '@slipway/serve';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { identityModel, scalingModel } from '../small-models.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const PYTHON = process.env.SLIPWAY_CONFORMANCE_PYTHON ?? path.join(ROOT, '.venv', 'bin', 'python');
const there = existsSync(PYTHON);

describe.skipIf(!there)(
  `tritonclient${there ? '' : ` (skipped: no ${path.relative(ROOT, PYTHON)} with tritonclient[http])`}`,
  () => {
    it('gets from us what it expects of Triton', async () => {
      const directory = await mkdtemp(path.join(tmpdir(), 'slipway-triton-'));
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
      const server = await startServer({
        models,
        restPort: 0,
        adminPort: 0,
        threads: 1,
        logger: createLogger('silent'),
      });
      try {
        await server.ready;
        const script = path.join(import.meta.dirname, 'triton_client.py');
        const { stdout } = await promisify(execFile)(PYTHON, [script, `${server.rest.host}:${server.rest.port}`], {
          timeout: 50_000,
        }).catch((error: unknown) => error as { stdout: string });
        expect(stdout).toContain('ok   error for deadline');
        expect(stdout.split('\n').filter((line) => line !== '' && !line.startsWith('ok'))).toEqual([]);
      } finally {
        await server.close();
        await rm(directory, { recursive: true, force: true });
      }
    });
  },
);
