/**
 * What operators do, against a real server that allows it: loading, shared memory, statistics, traces, metrics. Each over REST and
 * gRPC, whose messages are written here by hand: tests/conformance does the same with Triton's clients.
 */
import { createLogger } from '@slipway/core';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ClientHttp2Session } from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import { call, grpcConnect } from '../../testing/grpc-client.ts';
import { identityModel, oneWeightModel } from '../../testing/onnx.ts';
import { type Serving, serving } from '../../testing/serving.ts';

const SERVICE = '/inference.GRPCInferenceService';
const scratch = mkdtempSync(path.join(tmpdir(), 'slipway-management-'));
const traces = path.join(scratch, 'traces.json');

let served: Serving;
let session: ClientHttp2Session;
beforeAll(async () => {
  served = await serving(
    { one: oneWeightModel(2), two: identityModel('float32', ['batch', 2]) },
    {
      modelControl: 'explicit',
      loadModels: ['*'],
      allowClientShm: true,
      allowClientSettings: true,
      tritonMetrics: true,
      traceFile: traces,
      logger: createLogger('silent', { write: () => undefined }),
    },
  );
  await served.server.ready;
  session = grpcConnect(served.server.grpc?.url ?? '');
});
afterAll(async () => {
  session.close();
  await served.close();
  // The array is closed with the server: two traces of two entries.
  expect(JSON.parse(readFileSync(traces, 'utf8'))).toHaveLength(4);
  rmSync(scratch, { recursive: true });
});

const get = async (at: string): Promise<Record<string, unknown>> =>
  (await (await fetch(served.url + at)).json()) as Record<string, unknown>;
const grpc = (method: string, message = new ProtoWriter()) => call(session, `${SERVICE}/${method}`, message.finish(0));
const rows = (values: readonly number[], extra: object = {}) => ({
  ...extra,
  inputs: [{ name: 'x', shape: [values.length, 1], datatype: 'FP32', data: values }],
});
const infer = (body: object) => served.post('/v2/models/one/infer', body);

/** Every field of a message, nested ones as bytes. */
function fields(bytes: Buffer): Map<number, (number | Buffer)[]> {
  const reader = new ProtoReader(bytes);
  const found = new Map<number, (number | Buffer)[]>();
  while (reader.next()) {
    const value = reader.wire === 0 ? reader.uint64() : reader.bytes();
    found.set(reader.field, [...(found.get(reader.field) ?? []), value]);
  }
  return found;
}
const nested = (message: Map<number, (number | Buffer)[]>, field: number) =>
  (message.get(field) ?? []).map((bytes) => fields(bytes as Buffer));

interface Stats {
  readonly name: string;
  readonly last_inference: number;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<string, { count: number; ns: number }>>;
  readonly batch_stats: readonly { readonly batch_size: number; readonly compute_infer: { count: number } }[];
  readonly memory_usage: readonly { readonly byte_size: number }[];
}
const statistics = async (): Promise<Stats> => ((await get('/v2/models/one/stats')).model_stats as Stats[])[0] as Stats;

describe('statistics', () => {
  it('count rows, calls and requests, and say how long they took', async () => {
    const before = await statistics();
    const asked = Date.now();
    await infer(rows([1, 2, 3]));
    await infer(rows([1, 2, 3]));
    await infer({ inputs: [] });
    const after = await statistics();
    expect(after.inference_count - before.inference_count).toBe(6);
    expect(after.execution_count - before.execution_count).toBe(2);
    expect(after.last_inference).toBeGreaterThanOrEqual(asked);
    const more = (part: string) =>
      (after.inference_stats[part]?.count ?? 0) - (before.inference_stats[part]?.count ?? 0);
    expect(['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output'].map(more)).toEqual([
      2, 1, 2, 2, 2, 2,
    ]);
    const { success, queue, compute_infer } = after.inference_stats;
    expect(success?.ns).toBeGreaterThan((queue?.ns ?? 0) + (compute_infer?.ns ?? 0));
    expect(after.batch_stats.find(({ batch_size }) => batch_size === 3)?.compute_infer.count).toBe(2);
    expect(after.memory_usage[0]?.byte_size).toBeGreaterThan(1e6);
  });

  it('are the same over gRPC, of one model and of all', async () => {
    const expected = await statistics();
    const { replies } = await grpc('ModelStatistics', new ProtoWriter().string(1, 'one').string(2, '1'));
    const [model] = nested(fields(replies[0] as Buffer), 1);
    expect(String(model?.get(1)?.[0])).toBe('one');
    expect(model?.get(4)).toEqual([expected.inference_count]);
    expect(model?.get(5)).toEqual([expected.execution_count]);
    const success = nested(nested(model as Map<number, Buffer[]>, 6)[0] as Map<number, Buffer[]>, 1)[0];
    expect(success?.get(2)).toEqual([expected.inference_stats.success?.ns]);
    const all = await grpc('ModelStatistics');
    expect(nested(fields(all.replies[0] as Buffer), 1)).toHaveLength(2);
    expect((await get('/v2/models/stats')).model_stats).toHaveLength(2);
  });

  it('are also shown under the names of Triton', async () => {
    const text = await (await fetch(`${served.server.admin.url}/metrics`)).text();
    const { inference_count, execution_count, inference_stats } = await statistics();
    const labels = '{model="one",version="1"}';
    expect(text).toContain(`nv_inference_count${labels} ${inference_count}\n`);
    expect(text).toContain(`nv_inference_exec_count${labels} ${execution_count}\n`);
    expect(text).toContain(`nv_inference_request_success${labels} ${inference_stats.success?.count}\n`);
    expect(text).toContain('nv_inference_request_failure{model="one",version="1",reason="OTHER"} 1\n');
    expect(text).toMatch(/nv_inference_compute_infer_duration_us\{model="one",version="1"\} [1-9]\d*\n/);
    expect(text).toContain(`# TYPE nv_inference_pending_request_count gauge`);
  });
});

it('the configuration over gRPC is that over REST', async () => {
  const { replies } = await grpc('ModelConfig', new ProtoWriter().string(1, 'two'));
  const [config] = nested(fields(replies[0] as Buffer), 1);
  const rest = await get('/v2/models/two/config');
  expect(String(config?.get(1)?.[0])).toBe(rest.name);
  expect(config?.get(4)).toEqual([rest.max_batch_size]);
  const [input] = nested(config as Map<number, Buffer[]>, 5);
  expect([String(input?.get(1)?.[0]), input?.get(2), input?.get(4)]).toEqual(['in', [11], [Buffer.of(2)]]);
  expect((await grpc('ModelConfig', new ProtoWriter().string(1, 'nothing'))).status).toBe(5);
});

describe.skipIf(process.platform !== 'linux')(
  `shared memory${process.platform === 'linux' ? '' : ' (skipped: only on Linux)'}`,
  () => {
    const key = `/slipway-test-${process.pid}`;
    const object = path.join('/dev/shm', key);
    const part = (offset: number) => ({
      shared_memory_region: 'r',
      shared_memory_offset: offset,
      shared_memory_byte_size: 8,
    });
    afterAll(() => rmSync(object, { force: true }));

    it('carries inputs and outputs, registered over either transport', async () => {
      const floats = Float32Array.of(1.5, -2, 0, 0);
      writeFileSync(object, new Uint8Array(floats.buffer));
      const registered = await served.post('/v2/systemsharedmemory/region/r/register', {
        key,
        offset: 0,
        byte_size: 16,
      });
      expect(registered).toMatchObject({ status: 200, text: '' });
      const answer = await infer({
        inputs: [{ name: 'x', shape: [2, 1], datatype: 'FP32', parameters: part(0) }],
        outputs: [{ name: 'y', parameters: part(8) }],
      });
      expect(JSON.parse(answer.text)).toMatchObject({ outputs: [{ name: 'y', shape: [2, 1], datatype: 'FP32' }] });
      expect(answer.text).not.toContain('data":');
      const back = new Float32Array(Uint8Array.from(readFileSync(object)).buffer);
      expect([...back]).toEqual([1.5, -2, 3, -4]);
      expect(await get('/v2/systemsharedmemory/status')).toEqual([{ name: 'r', key, offset: 0, byte_size: 16 }]);

      const status = await grpc('SystemSharedMemoryStatus', new ProtoWriter().string(1, 'r'));
      const [entry] = nested(fields(status.replies[0] as Buffer), 1);
      expect(String(entry?.get(1)?.[0])).toBe('r');
      await grpc('SystemSharedMemoryUnregister');
      expect(await get('/v2/systemsharedmemory/status')).toEqual([]);
      const again = new ProtoWriter().string(1, 'r').string(2, key).int(3, 8).int(4, 8);
      expect((await grpc('SystemSharedMemoryRegister', again)).status).toBe(0);
      expect(await get('/v2/systemsharedmemory/region/r/status')).toEqual([
        { name: 'r', key, offset: 8, byte_size: 8 },
      ]);
      expect((await served.post('/v2/systemsharedmemory/region/r/unregister', '')).status).toBe(200);
      expect((await grpc('SystemSharedMemoryRegister', again.string(2, '/../x'))).status).toBe(3);
    });

    it('that is lost while a request waits is an error of that request', async () => {
      writeFileSync(object, new Uint8Array(16));
      await served.post('/v2/systemsharedmemory/region/r/register', { key, byte_size: 16 });
      const waiting = infer(
        rows([1, 2], { outputs: [{ name: 'y', parameters: part(8) }], parameters: { binary_data_output: true } }),
      );
      await served.post('/v2/systemsharedmemory/unregister', '');
      // Which of the two comes first is the scheduler's affair; neither may be silent.
      const { status, text } = await waiting;
      if (status !== 200) expect([status, text]).toEqual([400, expect.stringContaining('no region of this name')]);
      expect((await infer(rows([1]))).status).toBe(200);
    });
  },
);

describe('the repository', () => {
  it('loads with files and a configuration, and unloads', async () => {
    const file = oneWeightModel(5).toString('base64');
    const config = JSON.stringify({ max_batch_size: 8, version_policy: { all: {} } });
    const load = (parameters: object) => served.post('/v2/repository/models/one/load', { parameters });
    expect(await load({ config, 'file:1/model.onnx': file })).toMatchObject({ status: 200, text: '' });
    expect((await infer(rows([2]))).text).toContain('"data":[10.0]');
    expect(await get('/v2/models/one/config')).toMatchObject({ max_batch_size: 8, version_policy: { all: {} } });
    expect((await load({ config: '{' })).status).toBe(400);
    expect((await load({ config: JSON.stringify({ sequence_batching: {} }) })).text).toContain('keep state');
    expect((await load({ colour: 'red' })).status).toBe(400);
    expect(
      (await served.post('/v2/repository/models/one/unload', { parameters: { unload_dependents: true } })).status,
    ).toBe(200);
    expect((await fetch(`${served.url}/v2/models/one/ready`)).status).toBe(503);
    expect((await grpc('RepositoryModelLoad', new ProtoWriter().string(2, 'one'))).status).toBe(0);
    expect((await infer(rows([2]))).text).toContain('"data":[4.0]');
    const parameter = new ProtoWriter().string(1, 'file:/etc/x').message(2, new ProtoWriter().bytes(4, Buffer.of(1)));
    expect((await grpc('RepositoryModelLoad', new ProtoWriter().string(2, 'one').message(3, parameter))).status).toBe(
      3,
    );
    expect((await grpc('RepositoryModelUnload', new ProtoWriter().string(2, 'nothing'))).status).toBe(5);
  });
});

it('settings: traces go to the file that the server was given, as long as they are wanted', async () => {
  const on = { trace_level: ['TIMESTAMPS'], trace_rate: 1, trace_count: '2' };
  const changed = await served.post('/v2/models/one/trace/setting', on);
  expect(JSON.parse(changed.text)).toMatchObject({ trace_level: ['TIMESTAMPS'], trace_rate: '1', trace_file: traces });
  expect(await get('/v2/trace/setting')).toMatchObject({ trace_level: ['OFF'] });
  for (let i = 0; i < 4; i++) await infer(rows([i]));
  const value = new ProtoWriter().message(2, new ProtoWriter().string(1, 'OFF'));
  const off = new ProtoWriter().message(1, new ProtoWriter().string(1, 'trace_level').message(2, new ProtoWriter()));
  expect((await grpc('TraceSetting', off.string(2, 'one'))).status).toBe(0);
  expect((await grpc('TraceSetting', new ProtoWriter().message(1, value))).status).toBe(3);
  expect((await served.post('/v2/models/nothing/trace/setting', on)).status).toBe(404);
  expect(await get('/v2/models/one/trace/setting')).toMatchObject({ trace_level: ['OFF'], trace_count: '0' });
});

it('a mutated message to an operator call is an answer or a mistake of the client', async () => {
  const entry = new ProtoWriter().string(1, 'log_info').message(2, new ProtoWriter().bool(1, true));
  const seeds: readonly [string, Buffer][] = [
    ['LogSettings', new ProtoWriter().message(1, entry).finish(0)],
    ['TraceSetting', new ProtoWriter().message(1, entry).string(2, 'one').finish(0)],
    ['ModelConfig', new ProtoWriter().string(1, 'one').string(2, '1').finish(0)],
    ['SystemSharedMemoryRegister', new ProtoWriter().string(1, 'q').string(2, '/no').int(4, 9).finish(0)],
    ['RepositoryModelLoad', new ProtoWriter().string(2, 'no').message(3, entry).finish(0)],
  ];
  const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
  const property = fc.asyncProperty(
    fc.constantFrom(...seeds),
    fc.array(change, { maxLength: 3 }),
    async (seed, changes) => {
      const bytes = Buffer.from(seed[1]);
      for (const { at, to } of changes) bytes[at % bytes.length] = to;
      const { status } = await call(session, `${SERVICE}/${seed[0]}`, bytes);
      // OK, INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED, UNAVAILABLE
      expect([0, 3, 5, 12, 14]).toContain(status);
    },
  );
  await fc.assert(property, { numRuns: 300 });
});
