/** `slipway serve` and the verbs that talk to it, over real sockets and signals. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { documentOf, type ErrorDocument, makeProject, MODEL, slipway, startServe } from './slipway.ts';

const empty = makeProject(null);
const image = JSON.stringify({ instances: [Array.from({ length: 784 }, (_, i) => i % 256)] });
const sample = path.join(empty.directory, 'sample.json');
writeFileSync(sample, image);
afterAll(() => empty.remove());

describe('a server', () => {
  let server: Awaited<ReturnType<typeof startServe>>;
  beforeAll(async () => {
    server = await startServe(['--model', `digits=${MODEL}`], empty.directory);
  });
  afterAll(async () => {
    server.signal('SIGKILL');
    await server.exited;
  });

  it('answers predict as the model does here', async () => {
    const there = await slipway(['predict', 'digits', '--url', server.url, '--input', sample, '--json']);
    const here = await slipway(['predict', 'digits', '--model', `digits=${MODEL}`, '--input', sample, '--json']);
    expect(there, there.stderr).toMatchObject({ code: 0 });
    expect(documentOf(there)['outputs']).toEqual(documentOf(here)['outputs']);
  });

  it('is measured by bench, in both loops and both encodings', async () => {
    for (const extra of [[], ['--rate', '50', '--arrivals', 'uniform'], ['--binary']]) {
      const args = [
        'bench',
        'digits',
        '--url',
        server.url,
        '--admin-url',
        server.adminUrl,
        '--duration',
        '400ms',
        '--warmup',
        '50ms',
      ];
      const ran = await slipway([...args, ...extra, '--connections', '2', '--json']);
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
      const result = documentOf<{ requests: number; failures: number; batches: { rows: number } }>(ran);
      expect(result.requests).toBeGreaterThan(0);
      expect(result.failures).toBe(0);
      expect(result.batches.rows).toBeGreaterThanOrEqual(result.requests);
    }
  });

  it('shows its state to status', async () => {
    const ran = await slipway(['status', '--admin-url', server.adminUrl]);
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain('digits:1');
    expect((await slipway(['status', '--admin-url', server.url])).code).toBe(1);
  });

  it('says which model it does not have', async () => {
    const ran = await slipway(['predict', 'nobody', '--url', server.url, '--input', sample, '--json']);
    expect(ran.code).toBe(3);
    expect(documentOf<ErrorDocument>(ran).error).toMatchObject({
      code: 'MODEL_NOT_FOUND',
      message: expect.stringContaining('nobody') as string,
    });
  });

  it('keeps its port', async () => {
    const { port } = new URL(server.url);
    const ran = await slipway([
      'serve',
      '--model',
      `digits=${MODEL}`,
      '--port',
      port,
      '--grpc-port',
      '0',
      '--admin-port',
      '0',
      '--json',
    ]);
    expect(ran.code).toBe(5);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('PORT_IN_USE');
    expect((await fetch(`${server.url}/v2/health/ready`)).status).toBe(200);
  });
});

describe('signals', () => {
  it.each([
    ['SIGTERM', 0],
    ['SIGINT', 130],
  ] as const)('%s drains and exits with %i', async (signal, code) => {
    const server = await startServe(['--model', `digits=${MODEL}`], empty.directory);
    server.signal(signal);
    expect(await server.exited).toBe(code);
    await expect(fetch(server.url)).rejects.toThrow();
  });
});

it('a server that is not there is UNREACHABLE', async () => {
  for (const args of [
    ['status', '--admin-url', 'http://127.0.0.1:9'],
    ['predict', 'x', '--url', 'http://127.0.0.1:9', '--input', sample],
  ]) {
    const ran = await slipway([...args, '--json']);
    expect(ran.code).toBe(1);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('UNREACHABLE');
  }
});

it('a model that does not load stops serve with the reason', async () => {
  const file = path.join(empty.directory, 'broken.onnx');
  writeFileSync(file, 'not a model');
  const ran = await slipway([
    'serve',
    '--model',
    `broken=${file}`,
    '--port',
    '0',
    '--grpc-port',
    '0',
    '--admin-port',
    '0',
    '--json',
  ]);
  expect(ran.code).toBe(1);
  expect(documentOf<ErrorDocument>(ran).error.code).toMatch(/MODEL_FORMAT|RUNNER_START_FAILED/);
});

it('doctor looks at everything, and says so', async () => {
  const { checks } = documentOf<{ checks: { name: string; status: string }[] }>(
    await slipway(['doctor', '--json'], { cwd: empty.directory }),
  );
  expect(checks.map((check) => check.name)).toEqual(
    expect.arrayContaining([
      'node',
      'engine',
      'instructions',
      'cores',
      'memory',
      'store',
      'disk',
      'port 8500',
      'port 8501',
      'port 8502',
    ]),
  );
  expect(checks.find((check) => check.name === 'engine')?.status).toBe('passed');
});
