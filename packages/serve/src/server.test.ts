/** The life of a server: start, metrics, overload, deadlines, reload, drain; with real runners. */
import { createLogger } from '@slipway/core';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { startServer } from './server.ts';
import { mlpModel, oneWeightModel } from './testing/onnx.ts';
import { serving } from './testing/serving.ts';

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

async function served(...args: Parameters<typeof serving>) {
  const of = await serving(...args);
  cleanup.push(() => of.close());
  return of;
}

async function temporary(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'slipway-versions-'));
  cleanup.push(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const TEXT: unknown = expect.any(String);
const NOT_ONNX: unknown = expect.stringContaining('not a usable ONNX model');
const predict = { instances: [[1]] };
/** Slow enough to be caught at work. */
const slowModel = (): Buffer => mlpModel([256, 2048, 2048, 2048, 8]);
const slowRows = (rows: number) => ({
  instances: Array.from({ length: rows }, () => Array.from({ length: 256 }, () => 1)),
});

describe('start', () => {
  it('listens at once, is not ready while loading, then is', async () => {
    const { url, server, post } = await served({ one: oneWeightModel() });
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(503);
    const early = await post('/v1/models/one:predict', predict);
    expect(early.status === 503 || early.status === 404).toBe(true);
    await server.ready;
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
    expect((await fetch(`${server.admin.url}/readyz`)).status).toBe(200);
    expect((await post('/predict', [1])).text).toBe('{"prediction":[2.0]}');
  });

  it('stays up beside a model that cannot be loaded, and says why', async () => {
    const { url, server, post } = await served({ one: oneWeightModel(), bad: Buffer.from('not a model') });
    await server.ready;
    expect((await post('/v1/models/one:predict', predict)).status).toBe(200);
    const answer = await post('/v1/models/bad:predict', predict);
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'MODEL_UNAVAILABLE',
      error: NOT_ONNX,
    });
    // Whoever asks learns what is wrong, not where the files are.
    expect(answer.text).not.toContain(tmpdir());
    expect(await (await fetch(`${url}/v1/models/bad`)).text()).not.toContain(tmpdir());
    const status = (await (await fetch(`${url}/v1/models/bad`)).json()) as {
      model_version_status: { state: string; status: { error_message: string } }[];
    };
    expect(status.model_version_status[0]).toMatchObject({ state: 'END', status: { error_code: 'UNKNOWN' } });
  });

  it('says so when nothing can be loaded, when the port is taken and when the options are wrong', async () => {
    const { server } = await served({ bad: oneWeightModel().subarray(0, 40) });
    await expect(server.ready).rejects.toMatchObject({ code: 'MODEL_FORMAT' });
    const base = { logger: createLogger('silent'), adminPort: 0, grpcPort: 0 };
    const models = [{ name: 'x', path: import.meta.filename }];
    await expect(startServer({ ...base, models, restPort: server.rest.port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
    });
    await expect(startServer({ ...base, models: [{ name: '../x', path: '/x' }] })).rejects.toMatchObject({
      code: 'USAGE',
    });
    await expect(startServer({ ...base, models: [{ name: 'x', path: '/no/such' }] })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    await expect(startServer(base)).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('overload', () => {
  it('refuses beyond the queue with 429, expires with 504, and forgets who went away', async () => {
    const { server, url, post } = await served(
      { slow: slowModel() },
      { batching: { maxQueueRows: 40, maxBatchSize: 8 } },
    );
    await server.ready;
    const statuses = await Promise.all(
      Array.from({ length: 12 }, () =>
        post('/v1/models/slow:predict', slowRows(16)).then(({ status, headers }) => [
          status,
          headers.get('retry-after'),
        ]),
      ),
    );
    expect(statuses.filter(([status]) => status === 200).length).toBeGreaterThan(0);
    const refused = statuses.filter(([status]) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    for (const [, retryAfter] of refused) expect(Number(retryAfter)).toBeGreaterThanOrEqual(1);

    const late = await Promise.all([
      post('/v1/models/slow:predict', slowRows(16)),
      post('/v1/models/slow:predict', slowRows(16), { 'x-request-timeout-ms': '1' }),
    ]);
    expect(late.map(({ status }) => status)).toEqual([200, 504]);

    const { hostname, port } = new URL(url);
    const busy = post('/v1/models/slow:predict', slowRows(32));
    const body = JSON.stringify(slowRows(1));
    const socket = connect(Number(port), hostname, () => {
      socket.write(`POST /v1/models/slow:predict HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      setTimeout(() => socket.destroy(), 5);
    });
    expect((await busy).status).toBe(200);
    const { models } = await server.status();
    expect(models[0]?.versions[0]).toMatchObject({ pendingRequests: 0, queuedRows: 0, requests: { timeout: 1 } });
    expect(models[0]?.versions[0]?.requests.rejected).toBe(refused.length);
  });
});

describe('logs', () => {
  it('have a line per request where wanted, each with the id that the answer carries', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = createLogger('debug', { write: (line) => void lines.push(JSON.parse(line) as never) });
    const { server, post } = await served({ one: oneWeightModel() }, { logger });
    await server.ready;
    const answers = [
      await post('/v1/models/one:predict', predict),
      await post('/v1/models/one:predict', 'nonsense', { 'x-request-id': 'mine-1' }),
      await post('/v1/models/nobody:predict', predict),
    ];
    const ids = answers.map(({ headers }) => headers.get('x-request-id'));
    expect(ids[1]).toBe('mine-1');
    expect(new Set(ids).size).toBe(3);
    expect(lines.filter(({ event }) => event === 'request')).toMatchObject(
      [200, 400, 404].map((status_code, i) => ({ request_id: ids[i], http: { method: 'POST', status_code } })),
    );
    for (const line of lines) expect(line).toMatchObject({ time: TEXT, level: TEXT, msg: TEXT });
  });
});

describe('metrics and status', () => {
  it('count what happened, with every series there from the start', async () => {
    const { server, post } = await served({ one: oneWeightModel() });
    await server.ready;
    const scrape = async (): Promise<string> => (await fetch(`${server.admin.url}/metrics`)).text();
    expect(await scrape()).toContain('slipway_inference_requests_total{model="one",version="1",outcome="timeout"} 0');
    for (let i = 0; i < 3; i++) await post('/v1/models/one:predict', predict);
    await post('/v1/models/one:predict', 'nonsense');
    await post('/v1/models/made-up-by-a-client:predict', predict);
    const text = await scrape();
    for (const line of [
      'slipway_inference_requests_total{model="one",version="1",outcome="ok"} 3',
      'slipway_inference_requests_total{model="one",version="1",outcome="client_error"} 1',
      'slipway_inference_requests_total{model="_unknown",version="",outcome="client_error"} 1',
      'slipway_http_requests_total{method="POST",route="/v1/models/{model}:predict",code="200"} 3',
      'slipway_inference_batch_size_count{model="one",version="1"} 3',
      'slipway_model_state{model="one",version="1",state="ready"} 1',
      'slipway_runner_restarts_total{model="one",version="1",reason="killed"} 0',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).not.toContain('made-up');
    expect(text).toMatch(/slipway_runner_resident_memory_bytes\{model="one",version="1",pid="\d+"\} [1-9]/);
    expect(text).toContain('process_resident_memory_bytes');
    // As `promtool check metrics` asks: only counters are named like counters.
    const gauges = [...text.matchAll(/^# TYPE (\S+) gauge$/gm)].map(([, name]) => name);
    expect(gauges).toContain('nodejs_active_handles');
    expect(gauges.filter((name) => name?.endsWith('_total'))).toEqual([]);
    expect((await fetch(`${server.rest.url}/metrics`)).status).toBe(404);
    const status = (await (await fetch(`${server.admin.url}/status`)).json()) as Record<string, unknown>;
    expect(status).toMatchObject({
      name: 'slipway',
      ready: true,
      models: [{ name: 'one', versions: [{ version: 1, state: 'ready' }] }],
    });
  });
});

describe('versions', () => {
  async function versions(options = {}) {
    const directory = await temporary();
    const put = async (version: string, content: Buffer): Promise<void> => {
      await mkdir(path.join(directory, version));
      await writeFile(path.join(directory, version, 'model.onnx'), content);
    };
    await put('1', oneWeightModel(1));
    const server = await startServer({
      models: [{ name: 'm', path: directory }],
      restPort: 0,
      grpcPort: 0,
      adminPort: 0,
      pollIntervalMs: 50,
      settleMs: 100,
      threads: 1,
      logger: createLogger('silent'),
      ...options,
    });
    cleanup.push(() => server.close());
    await server.ready;
    const ask = async (at = ''): Promise<string> => {
      const response = await fetch(`${server.rest.url}/v1/models/m${at}:predict`, {
        method: 'POST',
        body: JSON.stringify(predict),
      });
      return `${response.status} ${(await response.text()).slice(0, 60)}`;
    };
    return { directory, put, server, ask };
  }

  it('are replaced by newer ones, kept when the newer is bad, and never dropped for nothing', async () => {
    const { directory, put, server, ask } = await versions();
    expect(await ask()).toContain('[[1.0]]');
    await put('02', oneWeightModel(2));
    await expect.poll(() => ask(), { timeout: 10_000 }).toContain('[[2.0]]');
    await expect.poll(() => ask('/versions/1'), { timeout: 10_000 }).toContain('404');

    await put('3', Buffer.from('garbage'));
    const state = async () =>
      (await server.status()).models[0]?.versions.map(({ version, state: of, reason }) => [version, of, reason]);
    await expect
      .poll(state, { timeout: 10_000 })
      .toContainEqual([3, 'failed', expect.stringContaining('not a usable ONNX model')]);
    expect(await ask()).toContain('[[2.0]]');
    expect(await ask('/versions/3')).toContain('503');

    await writeFile(path.join(directory, '3', 'model.onnx'), oneWeightModel(3));
    await expect.poll(() => ask(), { timeout: 10_000 }).toContain('[[3.0]]');

    await rm(path.join(directory, '3'), { recursive: true });
    await expect.poll(() => ask(), { timeout: 10_000 }).toContain('[[2.0]]');
    await rm(path.join(directory, '02'), { recursive: true });
    await rm(path.join(directory, '1'), { recursive: true });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await ask()).toContain('[[2.0]]');
  });

  it('are not loaded while their files still change', async () => {
    const { directory, server, ask } = await versions({ settleMs: 400 });
    const content = oneWeightModel(7);
    const file = path.join(directory, '2', 'model.onnx');
    await mkdir(path.dirname(file));
    for (let part = 1; part <= 4; part++) {
      await writeFile(file, content.subarray(0, (content.length * part) / 4));
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect((await server.status()).models[0]?.versions.filter(({ state }) => state === 'failed')).toEqual([]);
    }
    await expect.poll(() => ask(), { timeout: 10_000 }).toContain('[[7.0]]');
    await cp(path.join(directory, '2'), path.join(directory, '002'), { recursive: true });
    expect(await ask('/versions/2')).toContain('[[7.0]]');
  });
});

describe('close', () => {
  it('answers what is under way, turns readiness off, and ends the runners', async () => {
    const of = await serving({ one: oneWeightModel() });
    await of.server.ready;
    const pid = (await of.server.status()).models[0]?.versions[0]?.runners[0]?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    const answers = Array.from({ length: 4 }, () => of.post('/v1/models/one:predict', predict));
    await expect.poll(async () => (await of.server.status()).models[0]?.versions[0]?.pendingRequests).toBe(4);
    const closing = of.close();
    expect((await fetch(`${of.server.admin.url}/readyz`)).status).toBe(503);
    process.kill(pid, 'SIGCONT');
    for (const answer of await Promise.all(answers)) expect(answer.status).toBe(200);
    await closing;
    await of.server.close();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await expect(fetch(of.url)).rejects.toThrow();
  });
});

describe('large bodies', () => {
  it('of 1 GB are refused, announced or not, without being taken in', async () => {
    const { server, url, post } = await served({ one: oneWeightModel() });
    await server.ready;
    const { hostname, port } = new URL(url);
    const piece = Buffer.alloc(2 ** 20, ' ');
    const chunk = Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
    for (const [header, part] of [
      ['Content-Length: 1000000000', piece],
      ['Transfer-Encoding: chunked', chunk],
    ] as const) {
      const { reply, sent } = await new Promise<{ reply: string; sent: number }>((resolve) => {
        const socket = connect(Number(port), hostname);
        let [reply, sent] = ['', 0];
        const more = (): void => {
          while (sent < 1000 && socket.writable && reply === '') {
            sent++;
            if (!socket.write(part)) return;
          }
        };
        socket.on('drain', more).on('error', () => undefined);
        socket.on('data', (data) => (reply += data.toString())).on('close', () => resolve({ reply, sent }));
        socket.write(`POST /v1/models/one:predict HTTP/1.1\r\nHost: a\r\n${header}\r\n\r\n`, more);
      });
      expect(reply).toMatch(/^HTTP\/1\.1 413 /);
      expect(JSON.parse(reply.slice(reply.indexOf('\r\n\r\n')))).toEqual({
        error: 'The body is larger than 67108864 bytes',
        code: 'BODY_TOO_LARGE',
        request_id: TEXT,
        hint: TEXT,
      });
      expect(sent).toBeLessThan(200);
      expect((await post('/v1/models/one:predict', predict)).status).toBe(200);
    }
  });

  it('are answered like small ones, refused beyond the limit, and leave the server as it was', async () => {
    const { server, post } = await served({ mlp: mlpModel([256, 4]) }, { maxBodyBytes: 4_000_000 });
    await server.ready;
    const rows = Array.from({ length: 700 }, (_, i) => Array.from({ length: 256 }, (_, j) => (i + j) / 7));
    expect(JSON.stringify(rows).length).toBeGreaterThan(2_000_000);
    const together = await post('/v1/models/mlp:predict', { instances: rows });
    const alone = await post('/v1/models/mlp:predict', { instances: rows.slice(0, 1) });
    const { predictions } = JSON.parse(together.text) as { predictions: number[][] };
    expect(predictions).toHaveLength(700);
    const [expected] = (JSON.parse(alone.text) as { predictions: number[][] }).predictions;
    predictions[0]?.forEach((value, i) => expect(value).toBeCloseTo(expected?.[i] ?? NaN, 4));

    const ragged = await post('/v2/models/mlp/infer', {
      inputs: [{ name: 'x', shape: [700, 256], datatype: 'FP32', data: [...rows.slice(1), [1]] }],
    });
    expect(ragged.status).toBe(400);
    expect(JSON.parse(ragged.text)).toMatchObject({
      code: 'TENSOR_INVALID',
      error: 'input "x"[699]: has 1 elements where its neighbours have 256; arrays must not be ragged',
    });
    expect((await post('/v1/models/mlp:predict', `[${'1,'.repeat(2_100_000)}1]`)).status).toBe(413);
    expect((await post('/v1/models/mlp:predict', { instances: rows.slice(0, 1) })).text).toBe(alone.text);
  });
});
