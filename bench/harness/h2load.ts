/** gRPC load by h2load (Debian package `nghttp2-client`): closed loop of unary calls, the same message every time. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface GrpcLoad {
  readonly port: number;
  /** `/package.Service/Method` */
  readonly method: string;
  readonly message: Uint8Array;
  readonly connections: number;
  /** Calls at a time on each. */
  readonly streams: number;
  readonly seconds: number;
}

/** Calls answered per second. @throws when one failed in HTTP's eyes; of gRPC's status h2load knows nothing: see `checkCall` */
export function h2load(load: GrpcLoad): number {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-h2load-'));
  try {
    const body = path.join(directory, 'body');
    writeFileSync(body, framed(load.message));
    const counts = ['-t1', `-c${load.connections}`, `-m${load.streams}`, `-D${load.seconds}`];
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    const url = `http://127.0.0.1:${load.port}${load.method}`;
    const run = spawnSync('h2load', [...counts, ...headers, '-d', body, url], { encoding: 'utf8' });
    const rate = /finished in .*?, ([\d.]+) req\/s/.exec(run.stdout)?.[1];
    const bad = /(\d+) failed, (\d+) errored, (\d+) timeout/.exec(run.stdout);
    if (rate === undefined || bad === null || bad.slice(1).some((count) => count !== '0')) {
      throw new Error(`h2load: ${run.error?.message ?? run.stdout + run.stderr}`);
    }
    return Number(rate);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** One call, which must end with status 0. The answer, with its prefix. */
export async function checkCall({
  port,
  method,
  message,
}: Omit<GrpcLoad, 'connections' | 'streams' | 'seconds'>): Promise<Buffer> {
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    const headers = { ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = session.request(headers);
    let status: unknown;
    const chunks: Buffer[] = [];
    stream.on('response', (given: IncomingHttpHeaders) => (status = given['grpc-status'] ?? status));
    stream.on('trailers', (given: IncomingHttpHeaders) => (status = given['grpc-status']));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.end(framed(message));
    await new Promise((resolve, reject) => {
      stream.on('close', resolve);
      stream.on('error', reject);
    });
    if (String(status) !== '0') throw new Error(`${method}: gRPC status ${String(status)}`);
    return Buffer.concat(chunks);
  } finally {
    session.close();
  }
}

function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
