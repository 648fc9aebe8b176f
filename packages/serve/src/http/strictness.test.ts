/**
 * What the listener does with requests that are wrong before any protocol sees them, over raw sockets. After each, a good
 * request must be answered.
 */
import { fail } from '@slipway/core';
import { connect } from 'node:net';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchangeBytes } from '../testing/serving.ts';
import type { Endpoint, Exchange } from './exchange.ts';
import { HttpListener } from './listener.ts';

const LIMIT = 10_000;
const TEXT: unknown = expect.any(String);
let listener: HttpListener;
let url: string;
let held: Exchange[] = [];
let closed = 0;
const observed: string[] = [];

const echo: Endpoint = {
  route: '/echo',
  methods: ['GET', 'POST'],
  handle: (exchange) => exchange.reply(200, 'text/plain', exchange.method === 'POST' ? exchange.body : exchange.path),
};
const hold: Endpoint = {
  route: '/hold',
  methods: ['POST'],
  handle: (exchange) => {
    held.push(exchange);
    exchange.onClose(() => closed++);
  },
};
const defect: Endpoint = {
  route: '/defect',
  methods: ['POST'],
  handle: () => {
    throw new TypeError('secret detail');
  },
};
const busy: Endpoint = {
  route: '/busy',
  methods: ['GET'],
  handle: () => {
    throw fail('QUEUE_FULL', { model: 'm', rows: 5, retryAfter: 3 });
  },
};

function open(): HttpListener {
  return new HttpListener({
    tls: null,
    host: '127.0.0.1',
    port: 0,
    maxBodyBytes: LIMIT,
    maxConnections: 100,
    maxConnectionsPerAddress: Infinity,
    headersTimeoutMs: 400,
    requestTimeoutMs: 800,
    idleTimeoutMs: 60_000,
    writeTimeoutMs: 30_000,
    idPrefix: 'test',
    router: (path) => ({ '/echo': echo, '/hold': hold, '/defect': defect, '/busy': busy })[path] ?? null,
    observe: (route, method, status) => observed.push(`${method} ${route} ${status}`),
    onDefect: () => undefined,
  });
}

beforeAll(async () => {
  listener = open();
  url = `http://127.0.0.1:${(await listener.listen()).port}`;
});
afterAll(() => listener.close(0));

const send = (bytes: string | Buffer, until?: RegExp): Promise<string> => exchangeBytes(url, bytes, until);
const head = (extra: string, method = 'POST', path = '/echo'): string =>
  `${method} ${path} HTTP/1.1\r\nHost: a\r\n${extra}\r\n`;
const good = async (): Promise<void> => {
  expect(await send(head('Content-Length: 2\r\n') + 'ok', /ok$/)).toMatch(/^HTTP\/1\.1 200 OK[^]*\r\n\r\nok$/);
};
const bodyOf = (reply: string): { error: string; code: string; request_id: string; hint: string } =>
  JSON.parse(reply.slice(reply.indexOf('\r\n\r\n') + 4)) as never;

describe('refused, with the connection closed', () => {
  it.each([
    [
      'Content-Length with Transfer-Encoding',
      head('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n') + '0\r\n\r\n',
      400,
    ],
    ['two Content-Length', head('Content-Length: 2\r\nContent-Length: 3\r\n') + 'abc', 400],
    ['two equal Content-Length', head('Content-Length: 2\r\nContent-Length: 2\r\n') + 'ab', 400],
    ['a list of Content-Length', head('Content-Length: 2, 2\r\n') + 'ab', 400],
    ['a signed Content-Length', head('Content-Length: +2\r\n') + 'ab', 400],
    ['a negative Content-Length', head('Content-Length: -2\r\n') + 'ab', 400],
    ['an unknown transfer encoding', head('Transfer-Encoding: xchunked\r\n') + '0\r\n\r\n', 400],
    ['stacked transfer encodings', head('Transfer-Encoding: gzip, chunked\r\n') + '0\r\n\r\n', 400],
    ['a space before the colon', head('Content-Length : 2\r\n') + 'ab', 400],
    ['a folded header', head('X-A: 1\r\n 2\r\nContent-Length: 2\r\n') + 'ab', 400],
    ['a NUL in a header', head('X-A: a\0b\r\nContent-Length: 2\r\n') + 'ab', 400],
    ['a header name with a space', head('X A: 1\r\nContent-Length: 2\r\n') + 'ab', 400],
    ['an unknown HTTP version', 'POST /echo HTTP/9.9\r\nHost: a\r\n\r\n', 400],
    ['a method in lower case', head('Content-Length: 2\r\n', 'post') + 'ab', 400],
    ['no Host', 'POST /echo HTTP/1.1\r\nContent-Length: 2\r\n\r\nab', 400],
    ['two Host', head('Host: b\r\nContent-Length: 2\r\n') + 'ab', 400],
    ['a bad chunk size', head('Transfer-Encoding: chunked\r\n') + 'zz\r\nab\r\n0\r\n\r\n', 400],
    ['101 headers', head('X-A: 1\r\n'.repeat(101) + 'Content-Length: 2\r\n') + 'ab', 431],
    ['3000 headers', head('A:1\r\n'.repeat(3000)), 431],
    ['17 KB of headers', head(`X-A: ${'a'.repeat(17_000)}\r\n`), 431],
    ['an expectation nobody knows', head('Expect: foo\r\nContent-Length: 2\r\n') + 'ab', 417],
    ['a body beyond the limit, unread', head('Content-Length: 1000000000\r\n'), 413],
    [
      'a chunked body beyond the limit',
      `${head('Transfer-Encoding: chunked\r\n')}1000\r\n${'a'.repeat(4096)}\r\n`.repeat(1) +
        `1000\r\n${'a'.repeat(4096)}\r\n`.repeat(2),
      413,
    ],
    ['chunk extensions without end', head('Transfer-Encoding: chunked\r\n') + `1;${'a'.repeat(20_000)}\r\na\r\n`, 413],
    ['a content encoding nobody knows', head('Content-Encoding: br\r\nContent-Length: 2\r\n') + 'ab', 415],
    [
      'a content type that is no tensor',
      head('Content-Type: application/pdf\r\nContent-Length: 2\r\nConnection: close\r\n') + 'ab',
      415,
    ],
    [
      'a charset that is not UTF-8',
      head('Content-Type: application/json; charset=latin1\r\nContent-Length: 2\r\nConnection: close\r\n') + 'ab',
      415,
    ],
    [
      'a compressed body that is not',
      head('Content-Encoding: gzip\r\nContent-Length: 2\r\nConnection: close\r\n') + 'ab',
      400,
    ],
  ])('%s', async (_, bytes, status) => {
    const reply = await send(bytes);
    expect(reply.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(reply).toMatch(/x-request-id: test-/i);
    expect(bodyOf(reply)).toEqual({ error: TEXT, code: TEXT, request_id: TEXT, hint: TEXT });
    await good();
  });

  it('a decompression bomb', async () => {
    const small = gzipSync(Buffer.alloc(LIMIT * 100));
    expect(small.length).toBeLessThan(LIMIT);
    const answer = await send(
      Buffer.concat([
        Buffer.from(head(`Content-Encoding: gzip\r\nContent-Length: ${small.length}\r\nConnection: close\r\n`)),
        small,
      ]),
    );
    expect(answer.slice(0, 12)).toBe('HTTP/1.1 413');
    await good();
  });

  it('headers, bodies and connections that never come', async () => {
    const started = performance.now();
    const replies = await Promise.all([
      send('POST /echo HTTP/1.1\r\nHost: a\r\nX-'),
      send(head('Content-Length: 10\r\n') + 'abc'),
      send(''),
    ]);
    for (const reply of replies) {
      expect(reply.slice(0, 12)).toBe('HTTP/1.1 408');
      expect(bodyOf(reply)).toEqual({ error: TEXT, code: TEXT, request_id: TEXT, hint: TEXT });
    }
    expect(performance.now() - started).toBeLessThan(4000);
    await good();
  });
});

describe('answered', () => {
  it('compressed bodies', async () => {
    for (const [encoding, bytes] of [
      ['gzip', gzipSync('hello')],
      ['deflate', deflateSync('hello')],
      ['deflate', deflateRawSync('hello')],
    ] as const) {
      const request = Buffer.concat([
        Buffer.from(head(`Content-Encoding: ${encoding}\r\nContent-Length: ${bytes.length}\r\n`)),
        bytes,
      ]);
      expect(await send(request, /hello$/)).toMatch(/200 OK/);
    }
  });

  it('bodies in chunks and in pieces', async () => {
    expect(
      await send(head('Transfer-Encoding: chunked\r\n') + '2\r\nab\r\n3;x=y\r\ncde\r\n0\r\n\r\n', /abcde/),
    ).toMatch(/200 OK/);
    const { hostname, port } = new URL(url);
    const reply = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), hostname);
      socket.on('data', (chunk) => resolve(chunk.toString()));
      const pieces = [
        head('Content-Length: 6\r\n').slice(0, 30),
        head('Content-Length: 6\r\n').slice(30),
        'abc',
        'def',
      ];
      pieces.forEach((piece, i) => setTimeout(() => socket.write(piece), i * 20));
    });
    expect(reply).toMatch(/200 OK[^]*abcdef$/);
  });

  it('pipelined requests, in order, plain or not', async () => {
    const plain = (text: string): string => head(`Content-Length: ${text.length}\r\n`) + text;
    const odd = (text: string): string =>
      `${head('Transfer-Encoding: chunked\r\n')}${text.length}\r\n${text}\r\n0\r\n\r\n`;
    const reply = await send(plain('one') + plain('two') + odd('three') + plain('four'), /four$/);
    expect(reply.match(/\r\n\r\n(one|two|three|four)/g)?.map((match) => match.trim())).toEqual([
      'one',
      'two',
      'three',
      'four',
    ]);
  });

  it('Expect: 100-continue and HEAD', async () => {
    expect(await send(head('Expect: 100-continue\r\nContent-Length: 2\r\n') + 'ab', /ab$/)).toMatch(
      /^HTTP\/1\.1 100 Continue[^]*200 OK/,
    );
    const reply = await send(head('Connection: close\r\n', 'HEAD'));
    expect(reply).toMatch(/200 OK[^]*Content-Length: 5\r\n[^]*\r\n\r\n$/i);
  });

  it('with the request id of the client when it is sane, ours otherwise', async () => {
    expect(await send(head('X-Request-Id: abc-1\r\nContent-Length: 2\r\n') + 'ok', /ok$/)).toContain(
      'x-request-id: abc-1\r\n',
    );
    expect(await send(head('X-Request-Id: <script>\r\nContent-Length: 2\r\n') + 'ok', /ok$/)).toMatch(
      /x-request-id: test-/,
    );
  });

  it('404, 405 with Allow, 429 with Retry-After, 500 without details', async () => {
    expect(await send(head('', 'GET', '/nope'), /\}$/)).toMatch(/^HTTP\/1\.1 404 Not Found[^]*ROUTE_NOT_FOUND/);
    expect(await send(head('Content-Length: 0\r\n', 'PUT'), /\}$/)).toMatch(
      /^HTTP\/1\.1 405[^]*Allow: GET, POST, HEAD/,
    );
    expect(await send(head('', 'GET', '/busy'), /\}$/)).toMatch(/^HTTP\/1\.1 429[^]*Retry-After: 3/);
    const reply = await send(head('Content-Length: 2\r\n', 'POST', '/defect') + 'ab', /\}$/);
    expect(reply).toMatch(/^HTTP\/1\.1 500/);
    await good();
  });

  it('nobody, when the client is gone: the handler hears of it', async () => {
    const before = closed;
    const { hostname, port } = new URL(url);
    for (const extra of ['Content-Length: 2\r\n', 'Content-Length: 2\r\nConnection: close\r\n']) {
      held = [];
      const socket = connect(Number(port), hostname, () => socket.write(head(extra, 'POST', '/hold') + 'ab'));
      await expect.poll(() => held.length).toBe(1);
      socket.destroy();
    }
    await expect.poll(() => closed).toBe(before + 2);
    expect(observed.at(-1)).toBe('POST /hold 499');
    await good();
  });
});

describe('draining', () => {
  it('answers what is under way with Connection: close, and closes the idle', async () => {
    const other = open();
    const address = `http://127.0.0.1:${(await other.listen()).port}`;
    held = [];
    const { port } = new URL(address);
    const idle = connect(Number(port), '127.0.0.1');
    const idleClosed = new Promise((resolve) => idle.on('close', resolve));
    idle.on('data', () => undefined);
    idle.write(head('Content-Length: 2\r\n') + 'ab');
    const pending = exchangeBytes(address, head('Content-Length: 2\r\n', 'POST', '/hold') + 'ab');
    const odd = exchangeBytes(address, head('Content-Length: 2\r\nX-Odd: é\r\n', 'POST', '/hold') + 'ab');
    await expect.poll(() => held.length).toBe(2);
    const closing = other.close(5000);
    await idleClosed;
    for (const exchange of held) exchange.reply(200, 'text/plain', 'late');
    for (const reply of [await pending, await odd]) expect(reply).toMatch(/200 OK[^]*Connection: close[^]*late$/i);
    await closing;
    await expect(fetch(address)).rejects.toThrow();
  });
});
