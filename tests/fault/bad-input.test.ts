/**
 * What clients send by mistake or malice, row by row of the catalogue of bad input (S1 to S40, as far as a server of models has to do with
 * them), over raw sockets against a real server. After each, the server lives, and a good request is answered.
 */
import { createLogger } from '@slipway/core';
import { type RunningServer, startServer } from '@slipway/serve';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { identityModel, scalingModel } from '../small-models.ts';
import { exchange, expectErrorShape, expectWell, head, post, PREDICT, type Sending, statusOf } from './raw-http.ts';

const LIMIT = 2 * 1024 * 1024;
const INFER = '/v2/models/one/infer';

let directory: string;
let server: RunningServer;
let port: number;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'slipway-bad-input-'));
  const models = [];
  for (const [name, bytes] of Object.entries({
    one: scalingModel(2),
    text: identityModel('string'),
    small: identityModel('uint8'),
    long: identityModel('int64'),
    pair: identityModel('float32', 'int64'),
  })) {
    const file = path.join(directory, `${name}.onnx`);
    await writeFile(file, bytes);
    models.push({ name, path: file });
  }
  server = await startServer({
    models,
    restPort: 0,
    grpcPort: 0,
    adminPort: 0,
    threads: 1,
    maxBodyBytes: LIMIT,
    headersTimeoutMs: 600,
    receiveTimeoutMs: 1200,
    writeTimeoutMs: 800,
    logger: createLogger('silent'),
  });
  await server.ready;
  port = server.rest.port;
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const send = (bytes: string | Buffer, options?: Sending): Promise<string> => exchange(port, bytes, options);
const json = (value: unknown, at = INFER): Buffer => post(JSON.stringify(value), '', at);

afterEach(() => expectWell(port));

const tensor = (more: object): object => ({
  inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [1], ...more }],
});
const chunked = (count: number, chunk: string): string =>
  `${head('Transfer-Encoding: chunked\r\n')}${chunk.repeat(count)}0\r\n\r\n`;

describe('S1 to S8, S13: framing and headers', () => {
  it.each<[string, string | Buffer, number]>([
    [
      'S1 Content-Length with Transfer-Encoding',
      head('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n') + '0\r\n\r\n',
      400,
    ],
    ['S1 two Content-Length', head('Content-Length: 2\r\nContent-Length: 3\r\n') + '{}', 400],
    ['S1 a list of Content-Length', head('Content-Length: 5, 5\r\n') + '{}', 400],
    ['S1 a signed Content-Length', head('Content-Length: +5\r\n') + '{}', 400],
    ['S1 a negative Content-Length', head('Content-Length: -5\r\n') + '{}', 400],
    ['S1 TE: xchunked', head('Transfer-Encoding: xchunked\r\n') + '0\r\n\r\n', 400],
    ['S1 TE: chunked, identity', head('Transfer-Encoding: chunked, identity\r\n') + '0\r\n\r\n', 400],
    ['S1 a space before the colon', head('Content-Length : 2\r\n') + '{}', 400],
    ['S1 obs-fold', head('X-A: 1\r\n 2\r\nContent-Length: 2\r\n') + '{}', 400],
    ['S1 bare LF', `POST ${PREDICT} HTTP/1.1\nHost: a\nContent-Length: 2\n\n{}`, 400],
    ['S1 bare CR', head('X-A: a\rb\r\nContent-Length: 2\r\n') + '{}', 400],
    ['S1 NUL', head('X-A: a\0b\r\nContent-Length: 2\r\n') + '{}', 400],
    ['S1 a bad header name', head('X A: 1\r\nContent-Length: 2\r\n') + '{}', 400],
    ['S1 a bad chunk size', head('Transfer-Encoding: chunked\r\n') + 'zz\r\n{}\r\n0\r\n\r\n', 400],
    ['S1 a huge chunk size', head('Transfer-Encoding: chunked\r\n') + 'ffffffffffffffffff\r\n{}\r\n0\r\n\r\n', 400],
    ['S1 HTTP/9.9', `POST ${PREDICT} HTTP/9.9\r\nHost: a\r\n\r\n`, 400],
    ['S1 a method in lower case', head('Content-Length: 2\r\n', 'post') + '{}', 400],
    ['S1 no Host', `POST ${PREDICT} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}`, 400],
    ['S2 TE: gzip, chunked', head('Transfer-Encoding: gzip, chunked\r\n') + '0\r\n\r\n', 400],
    ['S2 TE: gzip', head('Transfer-Encoding: gzip\r\n') + '{}', 400],
    ['S3 two Host', head('Host: b\r\nContent-Length: 2\r\n') + '{}', 400],
    ['S4 101 headers', head('X-A: 1\r\n'.repeat(101) + 'Content-Length: 2\r\n') + '{}', 431],
    ['S4 3000 headers', head('A:1\r\n'.repeat(3000)), 431],
    ['S5 17 KB of headers', head(`X-A: ${'a'.repeat(17_000)}\r\n`), 431],
    ['S5 a URL of 20 KB', head('', 'GET', `/${'a'.repeat(20_000)}`), 431],
    ['S5 a method of 20 KB', head('', 'A'.repeat(20_000)), 400],
    [
      'S6 chunk extensions without end',
      head('Transfer-Encoding: chunked\r\n') + `1;${'a'.repeat(20_000)}\r\na\r\n`,
      413,
    ],
    ['S7 more than 65536 tiny chunks', chunked(70_000, '1\r\n \r\n'), 400],
    ['S8 an expectation nobody knows', head('Expect: foo\r\nContent-Length: 2\r\n') + '{}', 417],
    ['S13 an unknown Content-Encoding', post('{}', 'Content-Encoding: br\r\n'), 415],
    ['S13 an unknown Content-Type', post('{}', 'Content-Type: application/pdf\r\n'), 415],
    ['S13 an unknown charset', post('{}', 'Content-Type: application/json; charset=latin1\r\n'), 415],
    ['S13 an answer in no form there is', post('{"instances":[[1]]}', 'Accept: image/png\r\n'), 406],
  ])('%s', async (_, bytes, status) => {
    const reply = await send(bytes);
    expect(statusOf(reply), reply.slice(0, 300)).toBe(status);
    expectErrorShape(reply);
  });
});

describe('S9, S10: clients that are slow', () => {
  it('S9 slow-loris: headers, bodies and connections that never come are ended, and others are served meanwhile', async () => {
    const waiting = Promise.all([
      send(`POST ${PREDICT} HTTP/1.1\r\nHost: a\r\nX-`),
      send(head('Content-Length: 10\r\n') + '{"i'),
      send(head('Transfer-Encoding: chunked\r\n') + '1\r\n{\r\n'),
      send(''),
    ]);
    await expectWell(port);
    for (const reply of await waiting) {
      expect(statusOf(reply)).toBe(408);
      expectErrorShape(reply);
    }
  });

  it('S9 a client that sends a byte now and then is not kept for it', async () => {
    const ended = new Promise<number>((resolve) => {
      const started = performance.now();
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(`POST ${PREDICT} HTTP/1.1\r\nHost: a\r\n`);
      });
      const drip = setInterval(() => socket.write('X-A: b\r\n'), 100);
      socket
        .on('error', () => undefined)
        .on('close', () => {
          clearInterval(drip);
          resolve(performance.now() - started);
        });
      socket.resume();
    });
    await ended;
  });

  // One kind is read by the fast front, the other by node:http; both answer more than the kernel holds.
  it.each([
    ['the fast front', ''],
    ['node:http', 'Keep-Alive: 1\r\n'],
  ])('S10 a client that does not read its answers is given up: by %s', async (_, extra) => {
    const requests = head(extra, 'GET', '/openapi.json').repeat(1000);
    const all = 1000 * (await send(head('', 'GET', '/openapi.json'))).length;
    expect(all).toBeGreaterThan(30_000_000);
    const socket = connect(port, '127.0.0.1', () => void socket.write(requests));
    const closed = new Promise<void>((resolve) => {
      socket.on('error', () => resolve()).on('close', () => resolve());
    });
    // Nothing is read meanwhile, and others are served.
    await expectWell(port);
    await new Promise((resolve) => setTimeout(resolve, 4000));
    socket.resume();
    await closed;
    expect(socket.bytesRead).toBeLessThan(all);
  });
});

describe('S11, S12: size', () => {
  const bomb = gzipSync(Buffer.alloc(64 * LIMIT, ' '));
  it.each<[string, string | Buffer, number]>([
    ['S11 a body beyond the limit, announced', head('Content-Length: 1000000000\r\n'), 413],
    ['S11 a body beyond the limit, chunked', chunked(600, `1000\r\n${' '.repeat(4096)}\r\n`), 413],
    ['S12 a gzip bomb', post(bomb, 'Content-Encoding: gzip\r\n'), 413],
    ['S12 a deflate bomb', post(deflateSync(Buffer.alloc(64 * LIMIT)), 'Content-Encoding: deflate\r\n'), 413],
    [
      'S12 a gzip bomb in chunks',
      Buffer.concat([
        Buffer.from(head('Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n')),
        Buffer.from(`${bomb.length.toString(16)}\r\n`),
        bomb,
        Buffer.from('\r\n0\r\n\r\n'),
      ]),
      413,
    ],
    ['S12 encodings stacked', post(gzipSync(gzipSync('{}')), 'Content-Encoding: gzip, gzip\r\n'), 415],
    ['S12 gzip that is none', post('{}', 'Content-Encoding: gzip\r\n'), 400],
    [
      'S12 gzip that is cut off',
      post(gzipSync('{"instances":[[1]]}').subarray(0, 20), 'Content-Encoding: gzip\r\n'),
      400,
    ],
  ])('%s', async (_, bytes, status) => {
    const reply = await send(bytes);
    expect(statusOf(reply), reply.slice(0, 300)).toBe(status);
    expectErrorShape(reply);
  });

  it('S11 a body shorter than it is said to be is never run', async () => {
    expect(await send(head('Content-Length: 100\r\n') + '{"instances":[[1]]}', { half: true })).not.toMatch(/200 OK/);
  });
});

describe('S14 to S20: JSON and tensors', () => {
  const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
  it.each<[string, Buffer, string]>([
    ['S14 120 levels', post(deep(120)), 'nested deeper'],
    ['S14 250000 levels', post(deep(250_000)), 'nested deeper'],
    ['S14 500000 levels that never close', post('['.repeat(500_000)), 'nested deeper'],
    ['S14 120 levels, repository index', post(`{"ready":${deep(120)}}`, '', '/v2/repository/index'), 'nested deeper'],
    ['S15 100000 keys', post(`{${Array.from({ length: 100_000 }, (_, i) => `"k${i}":1`).join(',')}}`), 'instances'],
    ['S15 a key that is given twice', post('{"inputs":{"x":[[1]],"x":[[2]]}}'), 'given twice'],
    ['S15 instances given twice', post('{"instances":[[1]],"instances":[[2]]}'), 'given twice'],
    ['S15 __proto__', post('{"__proto__":{"instances":[[1]]}}'), 'instances'],
    ['S15 constructor', post('{"inputs":{"constructor":[[1]]}}'), '"constructor" is not an input'],
    ['S16 invalid UTF-8', post(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 'UTF-8'],
    ['S16 overlong UTF-8', post(Buffer.from([0x22, 0xc0, 0xae, 0x22])), 'UTF-8'],
    ['S16 a byte order mark', post('\ufeff{"instances":[[1]]}'), 'unexpected'],
    [
      'S16 a NUL in a string for the engine',
      post('{"instances":[["a\\u0000b","c"]]}', '', '/v1/models/text:predict'),
      'NUL',
    ],
    ['S17 a number that is too large', post('{"instances":[[1e999]]}'), 'out of range'],
    [
      'S17 a bare NaN where JSON is strict',
      post(JSON.stringify(tensor({})).replace('[1]}', '[NaN]}'), '', INFER),
      'NaN',
    ],
    ['S18 text for a number', post('{"instances":[["abc"]]}'), 'the string "abc"'],
    ['S18 null', post('{"instances":[[null]]}'), 'is null'],
    ['S18 true', post('{"instances":[[true]]}'), 'is true'],
    ['S18 300 for a uint8', post('{"instances":[[300,1]]}', '', '/v1/models/small:predict'), 'does not fit uint8'],
    ['S18 1.7 for a uint8', post('{"instances":[[1.7,1]]}', '', '/v1/models/small:predict'), 'not a whole number'],
    [
      'S18 2^63 for an int64',
      post('{"instances":[[9223372036854775808,1]]}', '', '/v1/models/long:predict'),
      'does not fit int64',
    ],
    ['S18 1e39 for a float32', post('{"instances":[[1e39]]}'), 'does not fit float32'],
    ['S19 another dtype', json(tensor({ datatype: 'INT32' })), 'dtype is int32'],
    ['S19 an unknown dtype', json(tensor({ datatype: 'FP7' })), 'not known'],
    ['S19 another rank', json(tensor({ shape: [1] })), 'shape'],
    ['S19 a negative dimension', json(tensor({ shape: [-1, 1] })), 'dimension -1'],
    ['S19 a dimension of 1.5', json(tensor({ shape: [1.5, 1] })), 'dimension 1.5'],
    ['S19 a product beyond 2^53', json(tensor({ shape: [2 ** 30, 2 ** 30] })), '2^53'],
    [
      'S19 a product that wraps around 2^64',
      post(`{"inputs":[{"name":"x","shape":[16,1152921504606846978],"datatype":"FP32","data":[1]}]}`, '', INFER),
      'shape',
    ],
    ['S19 fewer elements than the shape', json(tensor({ shape: [2, 1] })), 'needs 2 elements'],
    ['S19 a ragged array', post('{"instances":[[1],[2,3]]}'), 'ragged'],
    ['S19 a missing input', json({ inputs: [] }), 'missing'],
    [
      'S19 an input too many',
      json({
        inputs: [
          ...(tensor({}) as { inputs: object[] }).inputs,
          { name: 'y', shape: [1], datatype: 'FP32', data: [1] },
        ],
      }),
      'no such input',
    ],
    [
      'S19 an input given twice',
      json({
        inputs: [...(tensor({}) as { inputs: object[] }).inputs, ...(tensor({}) as { inputs: object[] }).inputs],
      }),
      'twice',
    ],
    ['S19 an output asked for twice', json({ ...tensor({}), outputs: [{ name: 'y' }, { name: 'y' }] }), 'twice'],
    ['S19 an output that is none', json({ ...tensor({}), outputs: [{ name: 'z' }] }), 'no such output'],
    ['S20 base64 that is none', post('{"instances":[[{"b64":"***"},"a"]]}', '', '/v1/models/text:predict'), 'base64'],
  ])('%s', async (_, bytes, problem) => {
    const reply = await send(bytes);
    expect(statusOf(reply), reply.slice(0, 400)).toBe(400);
    expectErrorShape(reply);
    expect((JSON.parse(reply.slice(reply.indexOf('\r\n\r\n'))) as { error: string }).error).toContain(problem);
  });

  it('S19 no rows at all are an answer without rows, or an error that says so', async () => {
    const reply = await send(json(tensor({ shape: [0, 1], data: [] })));
    expect([200, 400]).toContain(statusOf(reply));
  });

  it('S17 what is not a number comes out as JSON where JSON is promised', async () => {
    const reply = await send(json(tensor({ data: ['NaN'] })));
    expect(JSON.parse(reply.slice(reply.indexOf('\r\n\r\n')))).toMatchObject({ outputs: [{ data: ['NaN'] }] });
  });
});

describe('S21: binary tensors', () => {
  const binary = (length: string, more = '', at = INFER): Buffer =>
    post(JSON.stringify(tensor({})), `Inference-Header-Content-Length: ${length}\r\n${more}`, at);
  const sized = (size: unknown): Buffer => {
    const text = JSON.stringify({
      inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', parameters: { binary_data_size: size } }],
    });
    return post(`${text}abcd`, `Inference-Header-Content-Length: ${text.length}\r\n`, INFER);
  };
  it.each<[string, Buffer]>([
    ['S21 a length beyond the body', binary('99999999999')],
    ['S21 a negative length', binary('-1')],
    ['S21 a length that is no number', binary('NaN')],
    ['S21 a length within the JSON', binary('10')],
    ['S21 a length of 30 digits', binary('9'.repeat(30))],
    ['S21 raw bytes that are not whole elements', post('abc', 'Inference-Header-Content-Length: 0\r\n', INFER)],
    ['S21 a tensor larger than what follows', sized(100)],
    ['S21 a tensor smaller than its shape', sized(2)],
    ['S21 a tensor of a negative size', sized(-4)],
    ['S21 a tensor of 4.5 bytes', sized(4.5)],
    ['S21 a tensor whose size is text', sized('4')],
    ['S21 on the route of another protocol', binary('99999999999', '', PREDICT)],
  ])('%s', async (_, bytes) => {
    const reply = await send(bytes);
    expect(statusOf(reply), reply.slice(0, 400)).toBe(400);
    expectErrorShape(reply);
  });
});

describe('S22, S40: names and paths', () => {
  const names = [
    '../etc',
    'a/../b',
    '..',
    '%2e%2e',
    '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '%2fetc%2fpasswd',
    'one/',
    '%20..',
    '..%20',
    '%20',
    '%00',
    'one%00',
    'a\\b',
    'x'.repeat(300),
    '%D0%BEne',
    'CON',
    '...',
    '..my_model',
    'model..1',
    '%c0%ae',
    '%',
    '%zz',
    '__proto__',
    'constructor',
  ];
  it.each(names)('%j is no model', async (name) => {
    for (const [method, at] of [
      ['GET', `/v1/models/${name}`],
      ['POST', `/v1/models/${name}:predict`],
      ['POST', `/v2/models/${name}/infer`],
      ['GET', `/v2/models/${name}/ready`],
      ['POST', `/predict/${name}`],
      ['GET', `/openapi.json?model=${name}`],
    ] as const) {
      const reply = await send(method === 'GET' ? head('', 'GET', at) : post('{"instances":[[1]]}', '', at));
      expect([400, 404, 405], `${method} ${at}: ${reply.slice(0, 200)}`).toContain(statusOf(reply));
      expectErrorShape(reply);
    }
  });

  it.each([
    '/v1/models/%2e%2e/%2e%2e/status',
    '//evil/x',
    '/\\evil',
    '/v1/models/../../metrics',
    '/%2e%2e/metrics',
    '/metrics',
    '/status',
    '/./v2',
    '/v2/./health/live',
    '/v2//health/live',
    '/v2/health/live/',
  ])('%s reaches nothing', async (at) => {
    const reply = await send(head('', 'GET', at));
    expect([400, 404], reply.slice(0, 200)).toContain(statusOf(reply));
    expectErrorShape(reply);
  });
});

describe('S38, S39, S33: verbs and headers', () => {
  it('S38 every verb on every route is answered, and never with a defect', async () => {
    const routes = [
      '/',
      '/v1/models',
      '/v1/models/one',
      '/v1/models/one/metadata',
      PREDICT,
      '/v1/models/one/versions/1:predict',
      '/v1/models/one/versions/99999999999999999999:predict',
      '/v1/models/one/labels/x:predict',
      '/v1/models/one:explode',
      '/v2',
      '/v2/health/live',
      '/v2/health/ready',
      '/v2/models/one',
      '/v2/models/one/ready',
      INFER,
      '/v2/models/one/versions/-1/infer',
      '/v2/models/one/config',
      '/v2/models/one/stats',
      '/v2/repository/index',
      '/predict',
      '/predict/one',
      '/docs',
      '/openapi.json',
      '/nothing',
    ];
    for (const at of routes) {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
        const reply = await send(head('Content-Length: 0\r\nConnection: close\r\n', method, at));
        expect(statusOf(reply), `${method} ${at}: ${reply.slice(0, 200)}`).toBeGreaterThanOrEqual(200);
        expect([500, 502], `${method} ${at}: ${reply.slice(0, 300)}`).not.toContain(statusOf(reply));
        if (statusOf(reply) === 405) expect(reply).toMatch(/\r\nAllow: [A-Z, ]+\r\n/);
      }
    }
  });

  it('S39, S33 headers of other systems and names that would stand in a log are taken as what they are', async () => {
    const odd = `traceparent: ${'0'.repeat(500)}\r\ntracestate: ${'a=b,'.repeat(1000)}\r\nx-request-id: =cmd|%0a\r\nCookie: <script>\r\n`;
    const reply = await send(post('{"instances":[[21]]}', odd));
    expect(statusOf(reply)).toBe(200);
    expect(reply).not.toContain('=cmd');
  });
});
