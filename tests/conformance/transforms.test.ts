/** tritonclient against the examples with transforms: BYTES in, labels out, over HTTP and gRPC. Which Python: see clients.test.ts. */
import { createLogger, openStore } from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { build } from '@slipway/prepare';
import { startServer } from '@slipway/serve';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import digits from '../../examples/digit-images/slipway.config.ts';
import sentiment from '../../examples/sentiment/slipway.config.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const EXAMPLES = path.join(ROOT, 'examples');
const PYTHON = process.env.SLIPWAY_CONFORMANCE_PYTHON ?? path.join(ROOT, '.venv', 'bin', 'python');
const there = existsSync(PYTHON);
const skipped = there ? '' : ` (skipped: no ${path.relative(ROOT, PYTHON)} with tests/conformance/requirements.txt)`;

it.skipIf(!there)(`tritonclient sends text and images to releases with transforms${skipped}`, async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'slipway-transforms-'));
  const measure = { iterations: 10, warmup: 1 };
  const recipe = undefined;
  for (const [name, project] of Object.entries({ sentiment, 'digit-images': digits })) {
    const user = { ...project, store: directory, measure, recipe };
    const { failure } = await build(compileConfig(user, path.join(EXAMPLES, name, 'slipway.config.ts')));
    expect(failure).toBeNull();
  }
  const store = await openStore(directory);
  const logger = createLogger('silent');
  const server = await startServer({ store, restPort: 0, grpcPort: 0, adminPort: 0, threads: 1, logger });
  try {
    await server.ready;
    const script = path.join(import.meta.dirname, 'transforms_client.py');
    const addresses = [server.rest, server.grpc].map((of) => `${of?.host}:${of?.port}`);
    const image = path.join(EXAMPLES, 'digit-images', 'seven.png');
    const { stdout } = await promisify(execFile)(PYTHON, [script, ...addresses, image]).catch((error: unknown) => ({
      stdout: `FAIL ${String((error as { stdout?: string }).stdout)} ${String(error)}`,
    }));
    expect(stdout).not.toContain('FAIL');
    expect(stdout.match(/^ok/gm)).toHaveLength(13);
  } finally {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  }
});
