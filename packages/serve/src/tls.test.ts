/** TLS on both ports of a real server, with certificates that openssl makes: who gets in, who does not, and how certificates are replaced. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createLogger } from '@slipway/core';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type SecureContextOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOf, framed, open } from './testing/grpc-client.ts';
import { oneWeightModel } from './testing/onnx.ts';
import { exchangeBytes, type Serving, serving } from './testing/serving.ts';
import { startServer } from './server.ts';

const there = spawnSync('openssl', ['version']).error === undefined;
const directory = mkdtempSync(path.join(tmpdir(), 'slipway-tls-'));
const at = (name: string): string => path.join(directory, name);
const read = (name: string): Buffer => readFileSync(at(name));

function openssl(...parameters: string[]): void {
  execFileSync('openssl', parameters, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** An authority `NAME.crt`, `NAME.key`. */
function authority(name: string): void {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:TRUE'];
  openssl(
    'req',
    '-x509',
    ...EC,
    '-nodes',
    '-keyout',
    at(`${name}.key`),
    '-out',
    at(`${name}.crt`),
    '-days',
    '30',
    ...subject,
  );
}

/** A certificate for localhost. */
function certificate(name: string, by: string): void {
  openssl('req', ...EC, '-nodes', '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`), '-subj', `/CN=${name}`);
  writeFileSync(at('extensions'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const issuer = ['-CA', at(`${by}.crt`), '-CAkey', at(`${by}.key`), '-CAcreateserial', '-extfile', at('extensions')];
  openssl('x509', '-req', '-in', at(`${name}.csr`), '-out', at(`${name}.crt`), '-days', '30', ...issuer);
}
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];

interface Answer {
  readonly status: number;
  readonly text: string;
}

function post(url: string, body: string, tls: SecureContextOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/models/one:predict`, { method: 'POST', agent: false, ...tls }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    sent.on('error', reject).end(body);
  });
}

const GOOD = { status: 200, text: '{"predictions":[[42.0]]}' };
const BODY = '{"instances":[[21]]}';

/** The common name of the certificate that a port shows. */
function shown(port: number, ca: Buffer): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ca, ALPNProtocols: ['h2', 'http/1.1'] }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

async function serverLive(port: number, tls: SecureContextOptions): Promise<number> {
  const session = connectHttp2(`https://127.0.0.1:${port}`, tls);
  const failed = new Promise<never>((_, reject) => void session.on('error', reject));
  try {
    const stream = open(session, '/inference.GRPCInferenceService/ServerLive');
    stream.end(framed(Buffer.alloc(0)));
    return (await Promise.race([answerOf(stream), failed])).status;
  } finally {
    session.destroy();
  }
}

describe.skipIf(!there)(`TLS${there ? '' : ' (skipped: no openssl)'}`, () => {
  let served: Serving;
  let rest: string;
  let ca: Buffer;
  beforeAll(async () => {
    authority('root');
    authority('stranger');
    for (const [name, by] of [
      ['first', 'root'],
      ['second', 'root'],
      ['client', 'root'],
      ['foreign', 'stranger'],
    ] as const) {
      certificate(name, by);
    }
    ca = read('root.crt');
    copyFileSync(at('first.crt'), at('server.crt'));
    copyFileSync(at('first.key'), at('server.key'));
    const tls = { certFile: at('server.crt'), keyFile: at('server.key') };
    served = await serving({ one: oneWeightModel(2) }, { tls, pollIntervalMs: 50, metricsOnRestPort: true });
    await served.server.ready;
    rest = served.server.rest.url;
  });
  afterAll(async () => {
    await served.close();
    rmSync(directory, { recursive: true });
  });
  const grpcPort = (): number => served.server.grpc?.port ?? 0;

  it('is spoken on both ports, and administration is as it was', async () => {
    expect(rest).toMatch(/^https:/);
    expect(await post(rest, BODY, { ca })).toEqual(GOOD);
    expect(await serverLive(grpcPort(), { ca })).toBe(0);
    const metrics = await fetch(`${served.server.admin.url}/monitoring/prometheus/metrics`);
    expect(await metrics.text()).toContain('slipway_');
  });

  it('serves what node:http reads as well as what the plain front reads', async () => {
    const body = JSON.stringify({ instances: Array.from({ length: 20_000 }, () => [1]) });
    expect((await post(rest, body, { ca })).text).toHaveLength('{"predictions":[[2.0]'.length + 19_999 * 6 + 2);
  });

  it('keeps out who does not trust it, and who does not speak it; others do not notice', async () => {
    await expect(post(rest, BODY, { ca: read('stranger.crt') })).rejects.toThrow(/certificate/);
    const plain = rest.replace('https:', 'http:');
    expect(await exchangeBytes(plain, 'GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n')).not.toContain('200 OK');
    expect(await exchangeBytes(`http://127.0.0.1:${grpcPort()}`, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).not.toContain(
      '\0\0',
    );
    expect(await post(rest, BODY, { ca })).toEqual(GOOD);
  });

  it('gets a new certificate when the files change, and keeps the old one while they do not match', async () => {
    const ports = [served.server.rest.port, grpcPort()];
    const names = (): Promise<unknown[]> => Promise.all(ports.map((port) => shown(port, ca)));
    expect(await names()).toEqual(['first', 'first']);
    copyFileSync(at('second.crt'), at('server.crt'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await names()).toEqual(['first', 'first']);
    copyFileSync(at('second.key'), at('server.key'));
    utimesSync(at('server.key'), new Date(), new Date());
    await expect.poll(names, { timeout: 5000 }).toEqual(['second', 'second']);
    expect(await post(rest, BODY, { ca })).toEqual(GOOD);
  });

  it('takes only known clients when it is told whose', async () => {
    const tls = { certFile: at('first.crt'), keyFile: at('first.key'), clientCaFile: at('root.crt') };
    const mutual = await serving({ one: oneWeightModel(2) }, { tls });
    try {
      await mutual.server.ready;
      const known = { ca, cert: read('client.crt'), key: read('client.key') };
      const foreign = { ca, cert: read('foreign.crt'), key: read('foreign.key') };
      const { url } = mutual.server.rest;
      const port = mutual.server.grpc?.port ?? 0;
      expect(await post(url, BODY, known)).toEqual(GOOD);
      expect(await serverLive(port, known)).toBe(0);
      for (const stranger of [{ ca }, foreign]) {
        await expect(post(url, BODY, stranger)).rejects.toThrow();
        // In TLS 1.3 the client has sent its call before it hears that it is refused: then the call ends without a status.
        expect(await serverLive(port, stranger).catch(() => -1)).toBe(-1);
      }
    } finally {
      await mutual.close();
    }
  });

  it.each([
    ['a file that is not there', 'nothing.crt', 'first.key', undefined, 'no such file'],
    ['a key for a certificate', 'first.key', 'first.key', undefined, 'there is no certificate in it'],
    ['a certificate for a key', 'first.crt', 'first.crt', undefined, 'there is no private key in it'],
    ['a key of another', 'first.crt', 'second.key', undefined, 'it is not the key of the certificate'],
    ['a key with a passphrase', 'first.crt', 'locked.key', undefined, 'the key is encrypted'],
    ['a certificate that is cut', 'cut.crt', 'first.key', undefined, 'not a certificate'],
    ['an authority that is none', 'first.crt', 'first.key', 'client.key', 'there is no certificate in it'],
  ])('does not start with %s', async (_, cert, key, clientCa, problem) => {
    openssl('pkcs8', '-topk8', '-in', at('first.key'), '-out', at('locked.key'), '-passout', 'pass:secret');
    writeFileSync(at('cut.crt'), read('first.crt').subarray(0, 200));
    const tls = {
      certFile: at(cert),
      keyFile: at(key),
      ...(clientCa === undefined ? {} : { clientCaFile: at(clientCa) }),
    };
    const models = [{ name: 'one', path: directory }];
    const options = { models, tls, restPort: 0, grpcPort: 0, adminPort: 0, logger: createLogger('silent') };
    await expect(startServer(options)).rejects.toThrow(problem);
  });
});
