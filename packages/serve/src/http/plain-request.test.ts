/** Whatever is taken as plain, Node's parser reads the same way; so which of the two reads a request makes no difference. */
import fc from 'fast-check';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exchangeBytes } from '../testing/serving.ts';
import { readPlainHead } from './plain-request.ts';

let seen: { method: string; url: string; headers: string[]; body: string } | null = null;
const server = createServer((request: IncomingMessage, response) => {
  let body = '';
  request.setEncoding('latin1');
  request.on('data', (chunk: string) => (body += chunk));
  request.on('end', () => {
    seen = { method: request.method ?? '', url: request.url ?? '', headers: request.rawHeaders, body };
    response.end('done');
  });
});
let url: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('plain requests', () => {
  it('are read as node:http reads them', async () => {
    const usual = ['POST /a HTTP/1.1', 'GET /a?b=c HTTP/1.1', 'POST /%2e%2e/x;y HTTP/1.1'];
    const line = fc.constantFrom(
      ...usual,
      ...usual,
      'POST /a HTTP/1.1',
      'GET /a?b=c HTTP/1.1',
      'POST /%2e%2e/x;y HTTP/1.1',
      'POST  /a HTTP/1.1',
      'POST a HTTP/1.1',
      'POST /a HTTP/1.0',
      'PUT /a HTTP/1.1',
      'POST /é HTTP/1.1',
    );
    const header = fc.constantFrom(
      'Host: a',
      'host: b',
      'Content-Length: 3',
      'Content-Length: 03',
      'Content-Length: 3 ',
      'content-length:3',
      'X-Empty:',
      'X-A:  two spaces',
      'X-B: a\tb',
      'X-C: é',
      'X:y: z',
      'X D: 1',
      'Connection: keep-alive',
      'Connection: close',
      'Transfer-Encoding: chunked',
      ' folded',
      'Accept: */*, "q"=1',
    );
    const request = fc.tuple(line, fc.array(header, { maxLength: 3 }), fc.constantFrom('\r\n', '\r\n', '\r\n', '\n'));
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(request, async ([first, headers, newline]) => {
        const bytes = Buffer.from(
          `${[first, 'Host: x', 'Content-Length: 3', ...headers].join(newline)}${newline}${newline}abc`,
          'latin1',
        );
        const shorter = Buffer.from(`${[first, ...headers].join(newline)}${newline}${newline}abc`, 'latin1');
        for (const candidate of [bytes, shorter]) {
          const head = readPlainHead(candidate);
          if (head === null) continue;
          plain++;
          seen = null;
          const reply = await exchangeBytes(url, candidate.subarray(0, head.length + head.bodyLength), /done$/);
          expect(reply).toMatch(/^HTTP\/1\.1 200/);
          expect(seen).toEqual({
            method: head.method,
            url: head.query === '' ? head.path : `${head.path}?${head.query}`,
            headers: head.headers,
            body: candidate.toString('latin1', head.length, head.length + head.bodyLength),
          });
        }
      }),
      { numRuns: 400 },
    );
    expect(plain).toBeGreaterThan(20);
  });

  it('need their whole head', () => {
    const text = 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n';
    for (let length = 0; length < text.length; length++) {
      expect(readPlainHead(Buffer.from(text.slice(0, length)))).toBeNull();
    }
    expect(readPlainHead(Buffer.from(text))).toMatchObject({ path: '/a', bodyLength: 1, length: text.length });
  });
});
