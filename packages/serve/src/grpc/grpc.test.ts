/** The gRPC front of a real server: calls, what is refused and how, cancellation, abuse. Real client libraries: tests/conformance. */
import { type ClientHttp2Session, constants } from 'node:http2';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOf, call, callRaw, framed, grpcConnect, open } from '../testing/grpc-client.ts';
import { identityModel, mlpModel, oneWeightModel } from '../testing/onnx.ts';
import { type Serving, serving } from '../testing/serving.ts';
import { ProtoReader } from './reader.ts';
import { ProtoWriter } from './writer.ts';

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const STREAM = '/inference.GRPCInferenceService/ModelStreamInfer';
const PREDICT = '/tensorflow.serving.PredictionService/Predict';
const LIMIT = 1024 * 1024;

let served: Serving;
let address: string;
let session: ClientHttp2Session;

beforeAll(async () => {
  served = await serving(
    { one: oneWeightModel(2), small: identityModel('int8', ['batch', 1]) },
    { maxBodyBytes: LIMIT },
  );
  await served.server.ready;
  address = served.server.grpc?.url ?? '';
  session = grpcConnect(address);
});
afterAll(async () => {
  session.close();
  await served.close();
});

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

function inferRequest(rows: number, raw: Uint8Array, model = 'one'): Buffer {
  const input = new ProtoWriter().string(1, 'x').string(2, 'FP32').packed(3, [rows, 1]);
  return new ProtoWriter().string(1, model).message(5, input).bytes(7, raw).finish(0);
}

/** raw_output_contents of a ModelInferResponse. */
function rawOutput(response: Buffer | undefined): number[] {
  const reader = new ProtoReader(response ?? Buffer.alloc(0));
  while (reader.next()) {
    if (reader.field === 6) return [...new Float32Array(Uint8Array.from(reader.bytes()).buffer)];
    reader.skip();
  }
  return [];
}

const good = async (of = session): Promise<void> => {
  const { status, replies } = await call(of, INFER, inferRequest(2, floats(1.5, NaN)));
  expect(status).toBe(0);
  expect(rawOutput(replies[0])).toEqual([3, NaN]);
};

describe('a call', () => {
  it('takes the priority of a request from its metadata', async () => {
    const ask = (priority: string) =>
      call(session, INFER, inferRequest(1, floats(3)), { 'x-slipway-priority': priority });
    expect((await ask('1')).status).toBe(0);
    expect(await ask('high')).toMatchObject({
      status: 3,
      message: expect.stringContaining('x-slipway-priority') as string,
    });
  });

  it('is answered, with the id of the client', async () => {
    const { status, replies, headers, trailers } = await call(session, INFER, inferRequest(1, floats(21)), {
      'x-request-id': 'mine',
    });
    expect({ status, values: rawOutput(replies[0]) }).toEqual({ status: 0, values: [42] });
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'application/grpc', 'x-request-id': 'mine' });
    expect(trailers['grpc-status']).toBe('0');
  });

  it('may be compressed, and may not inflate beyond the limit', async () => {
    const gzip = { 'grpc-encoding': 'gzip' };
    const { replies } = await callRaw(session, INFER, framed(gzipSync(inferRequest(1, floats(4))), 1), gzip);
    expect(rawOutput(replies[0])).toEqual([8]);
    const bomb = await callRaw(session, INFER, framed(gzipSync(Buffer.alloc(4 * LIMIT)), 1), gzip);
    expect(bomb).toMatchObject({ status: 8, message: `The body is larger than ${LIMIT} bytes` });
    const broken = await callRaw(session, INFER, framed(Buffer.from('no gzip'), 1), gzip);
    expect(broken).toMatchObject({ status: 3 });
    expect(broken.message).toContain('a compressed message cannot be read');
  });

  it('gets the answers of a stream in the order of its requests, errors in their place', async () => {
    const stream = open(session, STREAM);
    const answer = answerOf(stream);
    for (let i = 0; i < 300; i++) {
      stream.write(framed(i === 200 ? inferRequest(1, floats(i), 'nobody') : inferRequest(1, floats(i))));
    }
    stream.write(framed(Buffer.from([0xff])));
    stream.end();
    const { status, replies } = await answer;
    expect(status).toBe(0);
    const read = replies.map((reply) => {
      const reader = new ProtoReader(reply);
      reader.next();
      return reader.field === 1 ? reader.string() : rawOutput(reader.bytes())[0];
    });
    const wanted: unknown[] = Array.from({ length: 300 }, (_, i) => 2 * i);
    wanted[200] = 'Model "nobody" is not served here';
    expect(read.slice(0, 300)).toEqual(wanted);
    expect(read[300]).toContain('not a valid protobuf message');
  });
});

describe('is refused:', () => {
  const hello = inferRequest(1, floats(1));
  const spec = new ProtoWriter().message(1, new ProtoWriter().string(1, 'one')).finish(0);
  it.each([
    ['bytes that are no protobuf', INFER, framed(Buffer.from([0xff, 0xff])), {}, 3, 'not a valid protobuf message'],
    ['no message', INFER, Buffer.alloc(0), {}, 3, 'the request has no message'],
    ['half a message', INFER, framed(hello).subarray(0, 9), {}, 3, 'ends in the middle of a message'],
    ['two messages', INFER, Buffer.concat([framed(hello), framed(hello)]), {}, 3, 'more than one message'],
    ['a message over the limit', INFER, framed(Buffer.alloc(LIMIT + 1)), {}, 8, 'larger than 1048576 bytes'],
    ['a length that lies', INFER, Buffer.from([0, 255, 255, 255, 255]), {}, 8, 'larger than 1048576 bytes'],
    ['a flag without an encoding', INFER, framed(hello, 1), {}, 3, 'grpc-encoding does not say how'],
    ['an encoding we do not have', INFER, framed(hello), { 'grpc-encoding': 'zstd' }, 12, 'grpc-encoding "zstd"'],
    [
      'a timeout that is none',
      INFER,
      framed(hello),
      { 'grpc-timeout': 'soon' },
      3,
      'grpc-timeout "soon" is not a time',
    ],
    ['a time that is over', INFER, framed(hello), { 'grpc-timeout': '1n' }, 4, 'did not finish within'],
    ['a method nobody has', '/inference.GRPCInferenceService/Nothing', framed(hello), {}, 12, 'no such method'],
    ['a member of Object', '/toString', framed(hello), {}, 12, 'no such method'],
    ['a path that is no path', '//../', framed(hello), {}, 12, 'no such method'],
    ['a model nobody has', INFER, framed(inferRequest(1, floats(1), 'no%é')), {}, 5, 'Model "no%é" is not served here'],
    [
      'bytes that do not fit the shape',
      INFER,
      framed(inferRequest(2, floats(1))),
      {},
      3,
      'needs 8 bytes, 4 were given',
    ],
    ['a shape that overflows', INFER, framed(inferRequest(2 ** 53 - 1, floats(1))), {}, 3, 'bytes, 4 were given'],
    ['a negative shape', INFER, framed(inferRequest(-1, floats(1))), {}, 3, 'input "x"'],
    ['Classify without input', '/tensorflow.serving.PredictionService/Classify', framed(spec), {}, 3, 'Input is empty'],
    ['a predict without a model', PREDICT, framed(Buffer.alloc(0)), {}, 3, 'Missing model name'],
  ])('%s', async (_, path, bytes, headers, status, problem) => {
    const answer = await callRaw(session, path, bytes, headers);
    expect(answer).toMatchObject({ status, replies: [] });
    expect(answer.message).toContain(problem);
    expect(answer.headers[':status']).toBe(200);
    expect(answer.trailers['slipway-code']).toMatch(/^[A-Z_]+$/);
    await good();
  });

  it('what is not gRPC, in the words of HTTP', async () => {
    const json = await callRaw(session, INFER, Buffer.from('{}'), { 'content-type': 'application/json' });
    expect(json.headers[':status']).toBe(415);
    const get = await callRaw(session, INFER, Buffer.alloc(0), { ':method': 'GET' });
    expect(get.headers[':status']).toBe(405);
  });

  it('what does not fit a narrow dtype, from either protocol', async () => {
    const contents = new ProtoWriter().packed(2, [1, 300]);
    const input = new ProtoWriter().string(1, 'in').string(2, 'INT8').packed(3, [2, 1]).message(5, contents);
    const oip = await call(session, INFER, new ProtoWriter().string(1, 'small').message(5, input).finish(0));
    expect(oip).toMatchObject({ status: 3 });
    expect(oip.message).toContain('element 1 is 300, which does not fit int8 (-128 to 127)');
    const shape = new ProtoWriter().message(2, new ProtoWriter().int(1, 1)).message(2, new ProtoWriter().int(1, 1));
    const tensor = new ProtoWriter().int(1, 6).message(2, shape).packed(7, [-129]);
    const entry = new ProtoWriter().string(1, 'in').message(2, tensor);
    const spec = new ProtoWriter().string(1, 'small');
    const tfs = await call(session, PREDICT, new ProtoWriter().message(1, spec).message(2, entry).finish(0));
    expect(tfs.message).toContain('element 0 is -129, which does not fit int8');
  });
});

describe('a bad client', () => {
  it('that speaks something else is cut off, and the others are not', async () => {
    const [host = '', port = ''] = address.split(':');
    const socket = connect(Number(port), host);
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.resume();
    await closed;
    await good();
  });

  it('that resets streams as fast as it can is cut off, and the others are not', async () => {
    const other = grpcConnect(address);
    const closed = new Promise((resolve) => other.on('close', resolve));
    const alive = (): boolean => !other.destroyed && !other.closed;
    const flood = async (): Promise<void> => {
      while (alive()) {
        for (let i = 0; i < 100 && alive(); i++) {
          open(other, INFER).close(constants.NGHTTP2_CANCEL);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await Promise.all([flood(), closed]);
    await good();
  });

  it('that goes away leaves the queue, and counts as cancelled', async () => {
    const slow = await serving({ slow: mlpModel([256, 2048, 2048, 2048, 8]) });
    try {
      await slow.server.ready;
      const client = grpcConnect(slow.server.grpc?.url ?? '');
      const ask = (rows: number): Buffer => {
        const input = new ProtoWriter().string(1, 'x').string(2, 'FP32').packed(3, [rows, 256]);
        const raw = new Uint8Array(rows * 256 * 4);
        return framed(new ProtoWriter().string(1, 'slow').message(5, input).bytes(7, raw).finish(0));
      };
      // Two calls lie with the runner at a time; what comes after them waits.
      const busy = [1, 2, 3].map(() => callRaw(client, INFER, ask(256)));
      const waiting = open(client, INFER);
      const gone = answerOf(waiting);
      waiting.end(ask(7));
      await new Promise((resolve) => waiting.once('finish', resolve));
      // The answer to a PING says that what was sent before it is there.
      await new Promise((resolve) => client.ping(resolve));
      waiting.close(constants.NGHTTP2_CANCEL);
      await gone;
      expect((await Promise.all(busy)).map(({ status }) => status)).toEqual([0, 0, 0]);
      const { models } = await slow.server.status();
      expect(models[0]?.versions[0]?.requests).toMatchObject({ ok: 3, cancelled: 1 });
      const metrics = await (await fetch(`${slow.server.admin.url}/metrics`)).text();
      expect(metrics).toContain(`slipway_grpc_requests_total{method="${INFER}",status="CANCELLED"} 1`);
      // Three calls of 256 rows: the seven were never with a runner.
      expect(metrics).toMatch(/slipway_inference_batch_size_sum\{[^}]*\} 768\n/);
      client.close();
    } finally {
      await slow.close();
    }
  });

  it('cannot make a metric of what it sends', async () => {
    await call(session, '/made.Up/Name', Buffer.alloc(0));
    const metrics = await (await fetch(`${served.server.admin.url}/metrics`)).text();
    expect(metrics).toContain('slipway_grpc_requests_total{method="_unknown",status="UNIMPLEMENTED"}');
    expect(metrics).not.toContain('made.Up');
  });
});
