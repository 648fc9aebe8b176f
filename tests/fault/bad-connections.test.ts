/**
 * Connections that are abused: half-closed, reset, pipelined without end, HTTP/2 frames of no sense or in floods, more of them than one
 * address may have. After each, the server lives, and a good request is answered.
 */
import { createLogger } from '@slipway/core';
import { type RunningServer, startServer } from '@slipway/serve';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectHttp2, constants } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { scalingModel } from '../small-models.ts';
import { exchange, expectErrorShape, expectWell, head, post, statusOf } from './raw-http.ts';

let directory: string;
let server: RunningServer;
let port: number;

const start = (options: { maxConnectionsPerAddress?: number } = {}): Promise<RunningServer> =>
  startServer({
    models: [{ name: 'one', path: path.join(directory, 'one.onnx') }],
    restPort: 0,
    grpcPort: 0,
    adminPort: 0,
    threads: 1,
    headersTimeoutMs: 600,
    receiveTimeoutMs: 1200,
    logger: createLogger('silent'),
    ...options,
  });

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'slipway-bad-connections-'));
  await writeFile(path.join(directory, 'one.onnx'), scalingModel(2));
  server = await start();
  await server.ready;
  port = server.rest.port;
});
afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});
afterEach(() => expectWell(port));

describe('sockets', () => {
  it('half-closed in every state are let go', async () => {
    for (const bytes of [
      '',
      'POST',
      head('Content-Length: 20\r\n'),
      head('Content-Length: 20\r\n') + '{"inst',
      post('{"instances":[[1]]}'),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc',
    ]) {
      const reply = await exchange(port, bytes, { half: true });
      expect([0, 200, 400, 408], reply.slice(0, 200)).toContain(statusOf(reply));
    }
  });

  it('reset in the middle of a request, two hundred at once, harm nobody', async () => {
    const sockets = Array.from({ length: 200 }, (_, index) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(index % 2 === 0 ? post('{"instances":[[1]]}') : head('Content-Length: 100\r\n'));
        setTimeout(() => socket.resetAndDestroy(), index % 20);
      });
      return new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve));
    });
    await Promise.all(sockets);
  });

  it('of a client with a great many pipelined requests are answered in order', async () => {
    const one = post('{"instances":[[1]]}');
    const reply = await exchange(port, Buffer.concat(Array.from({ length: 500 }, () => one)), {
      until: /(?:predictions[^]*){500}/,
    });
    expect(statusOf(reply)).toBe(200);
  });
});

describe('HTTP/2 on the port of gRPC', () => {
  const grpcPort = (): number => server.grpc?.port ?? 0;

  it('rapid reset ends the session that does it', async () => {
    const session = connectHttp2(`http://127.0.0.1:${grpcPort()}`);
    session.on('error', () => undefined);
    const ended = new Promise((resolve) => session.on('close', resolve));
    let opened = 0;
    const storm = setInterval(() => {
      for (let i = 0; i < 500 && !session.destroyed && !session.closed; i++) {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/inference.GRPCInferenceService/ServerLive',
          'content-type': 'application/grpc',
        });
        stream.on('error', () => undefined);
        stream.close(constants.NGHTTP2_CANCEL);
        opened++;
      }
    }, 5);
    await ended;
    clearInterval(storm);
    expect(opened).toBeGreaterThan(1000);
  });

  it.each<[string, Buffer]>([
    ['HTTP/1.1', Buffer.from(head('', 'GET', '/'))],
    ['nothing but the preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    [
      'a frame of a length that is not allowed',
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x01', 'latin1'),
    ],
    [
      'SETTINGS without end',
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        ...Array.from({ length: 20_000 }, () => Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])),
      ]),
    ],
    [
      'PINGs without end',
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1'),
        ...Array.from({ length: 20_000 }, () => Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])),
      ]),
    ],
    [
      'CONTINUATION without end',
      Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x01\0\0\0\0\x01', 'latin1'),
        ...Array.from({ length: 5000 }, () => Buffer.from([0, 0, 4, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0])),
      ]),
    ],
    ['bytes of no meaning', Buffer.alloc(100_000, 0xa5)],
  ])('%s', async (_, bytes) => {
    await exchange(grpcPort(), bytes, { half: true });
    const session = connectHttp2(`http://127.0.0.1:${grpcPort()}`);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ServerLive',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.end(Buffer.alloc(5));
    const trailers = await new Promise<Record<string, unknown>>((resolve) => {
      stream.on('trailers', (given: Record<string, unknown>) => resolve(given)).on('error', () => resolve({}));
      stream.resume();
    });
    session.close();
    expect(trailers['grpc-status']).toBe('0');
  });
});

describe('connections', () => {
  it('of one address are bounded where that is asked for; another finds its place when one goes', async () => {
    const bounded = await start({ maxConnectionsPerAddress: 3 });
    try {
      const to = bounded.rest.port;
      const live = head('', 'GET', '/v2/health/live');
      const held = await Promise.all(
        Array.from({ length: 3 }, async () => {
          const socket = connect(to, '127.0.0.1');
          await new Promise((resolve) => socket.on('data', resolve).on('connect', () => socket.write(live)));
          return socket;
        }),
      );
      const refused = await exchange(to, live);
      expect(statusOf(refused)).toBe(503);
      expect(refused).toContain('Retry-After: 1');
      expectErrorShape(refused);
      held[0]?.destroy();
      await expect.poll(async () => statusOf(await exchange(to, live))).toBe(200);
      for (const socket of held) socket.destroy();
    } finally {
      await bounded.close();
    }
  });
});
