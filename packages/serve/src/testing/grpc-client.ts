/** A gRPC client as small as can be, on node:http2, so that tests can also send what no library would. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { FrameReader } from '../grpc/frames.ts';

export interface GrpcAnswer {
  readonly status: number;
  readonly message: string;
  readonly replies: readonly Buffer[];
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
}

/** @param address `host:port` */
export function grpcConnect(address: string): ClientHttp2Session {
  const session = connect(`http://${address}`);
  session.on('error', () => undefined);
  return session;
}

/** One message behind its prefix. */
export function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

export function open(
  session: ClientHttp2Session,
  path: string,
  headers: Record<string, string> = {},
): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  return stream;
}

/** Status -1: the stream ended without one. */
export function answerOf(stream: ClientHttp2Stream): Promise<GrpcAnswer> {
  return new Promise((resolve) => {
    const reader = new FrameReader(2 ** 31);
    const replies: Buffer[] = [];
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on('response', (given: IncomingHttpHeaders) => (headers = trailers = given));
    stream.on('trailers', (given: IncomingHttpHeaders) => (trailers = given));
    stream.on('data', (chunk: Buffer) => replies.push(...reader.add(chunk).map(({ message }) => Buffer.from(message))));
    stream.on('close', () => {
      const message = decodeURIComponent(String(trailers['grpc-message'] ?? ''));
      resolve({ status: Number(trailers['grpc-status'] ?? -1), message, replies, headers, trailers });
    });
  });
}

/** Send `bytes` as they are and wait for the end. */
export function callRaw(
  session: ClientHttp2Session,
  path: string,
  bytes: Uint8Array,
  headers?: Record<string, string>,
): Promise<GrpcAnswer> {
  const stream = open(session, path, headers);
  stream.end(bytes);
  return answerOf(stream);
}

export const call = (
  session: ClientHttp2Session,
  path: string,
  message: Uint8Array,
  headers?: Record<string, string>,
): Promise<GrpcAnswer> => callRaw(session, path, framed(message), headers);
