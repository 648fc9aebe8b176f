/** Requests as bytes, answers as text: what no client library would send. */
import { connect } from 'node:net';
import { expect } from 'vitest';

export const PREDICT = '/v1/models/one:predict';

export interface Sending {
  /** Enough has come. */
  readonly until?: RegExp;
  /** Say at once that no more will be sent. */
  readonly half?: boolean;
}

/** Send bytes as they are; what comes until the server closes, or until a whole answer has come. */
export function exchange(to: number, bytes: string | Buffer, options: Sending = {}): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(to, '127.0.0.1', () => {
      if (options.half === true) socket.end(bytes);
      else socket.write(bytes);
    });
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(received);
    };
    const timer = setTimeout(finish, 10_000);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (complete(received) || options.until?.test(received) === true) finish();
    });
    socket.on('close', finish).on('error', finish);
  });
}

function complete(received: string): boolean {
  const end = received.indexOf('\r\n\r\n');
  const length = /content-length: (\d+)/i.exec(received.slice(0, end))?.[1];
  return end !== -1 && length !== undefined && received.length >= end + 4 + Number(length);
}

export const head = (extra = '', method = 'POST', at = PREDICT): string =>
  `${method} ${at} HTTP/1.1\r\nHost: a\r\n${extra}\r\n`;
export const post = (body: string | Buffer, extra = '', at = PREDICT): Buffer =>
  Buffer.concat([
    Buffer.from(head(`${extra}Content-Length: ${Buffer.byteLength(body)}\r\n`, 'POST', at)),
    Buffer.from(body),
  ]);
export const statusOf = (reply: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(reply)?.[1] ?? 0);

/** The four members, no stack, no path of this machine. */
export function expectErrorShape(reply: string): void {
  const body = reply.slice(reply.indexOf('\r\n\r\n') + 4);
  expect(reply).toMatch(/content-type: application\/json/i);
  expect(Object.keys(JSON.parse(body) as object).sort()).toEqual(['code', 'error', 'hint', 'request_id']);
  expect(body).not.toMatch(/node:internal|\.ts:\d|\/tmp\/|\bat .*\(/);
  expect(body.length).toBeLessThan(2000);
}

/** The server at `to` lives, and answers a good request for the model `one`, which doubles. */
export async function expectWell(to: number): Promise<void> {
  expect(statusOf(await exchange(to, head('', 'GET', '/v2/health/live')))).toBe(200);
  const good = await exchange(to, post('{"instances":[[21]]}'));
  expect(good).toMatch(/^HTTP\/1\.1 200 OK[^]*\{"predictions":\[\[42\.0\]\]\}$/);
}
