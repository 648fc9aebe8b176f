/**
 * A gRPC listener: HTTP/2, with TLS or begun by prior knowledge, on `node:http2`.
 *
 * Sessions are made on sockets we accept, rather than by `http2.createServer`, because its `close` sends the last GOAWAY at
 * once: a call that is already on its way then fails. Here a drain says first that it will (GOAWAY with the largest stream
 * id), waits for the client to have heard (PING), and only then closes the session to new calls (RFC 9113, section 6.8).
 */
import { fail, type SlipwayError } from '@slipway/core';
import {
  constants,
  type Http2Session,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { AddressLimit } from '../http/address-limit.ts';
import { listenOn } from '../listen.ts';
import type { TlsIdentity } from '../tls.ts';
import { type CallHost, ServerCall } from './call.ts';
import type { Call, Method, Methods } from './method.ts';
import type { StatusName } from './status.ts';

export interface GrpcListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly methods: Methods;
  readonly tls: TlsIdentity | null;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** Connections one address may have open. */
  readonly maxConnectionsPerAddress: number;
  /** How long a connection may take to say that it speaks HTTP/2. */
  readonly preludeTimeoutMs: number;
  /** How long the message of a unary call may take to arrive. */
  readonly receiveTimeoutMs: number;
  /** Prefix of generated request ids. */
  readonly idPrefix: string;
  readonly observe: (method: string, status: StatusName, seconds: number, requestId: string) => void;
  readonly onDefect: (error: SlipwayError, call: Call) => void;
}

/** Calls at the same time on one connection. Clients open a second one, or wait. */
const MAX_STREAMS = 1000;
/** A client may send so much of one message before we have read it. */
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 16 * 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
/** Unfinished messages of all connections together, in messages of the largest size. */
const MAX_RECEIVING = 16;
/** Streams a client may reset at once, and per second: beyond, it is attacking (CVE-2023-44487). */
const RESET_BURST = 1000;
const RESET_RATE = 100;
/** A connection on which nothing moved for so long is asked whether it is still there, and has `PING_MS` to say so. */
const QUIET_MS = 120_000;
const PING_MS = 20_000;
/** How long the client of a connection that drains may take to have heard of it. */
const COURTESY_MS = 1000;

/** The label of what no method answered: never the path, which the client chooses. */
const UNKNOWN_METHOD = '_unknown';

export class GrpcListener implements CallHost {
  readonly maxMessageBytes: number;
  readonly #options: GrpcListenerOptions;
  readonly #server: Server;
  readonly #sessions = new Map<Http2Session, Socket>();
  readonly #calls = new Set<ServerCall>();
  #sequence = 0;
  #receiving = 0;
  #sweep: NodeJS.Timeout | null = null;

  constructor(options: GrpcListenerOptions) {
    this.#options = options;
    this.maxMessageBytes = options.maxMessageBytes;
    this.#server = this.#createServer(options);
    this.#server.maxConnections = options.maxConnections;
  }

  #createServer({ tls, preludeTimeoutMs, maxConnectionsPerAddress }: GrpcListenerOptions): Server {
    const limit = new AddressLimit(maxConnectionsPerAddress);
    const refuse = (socket: Socket): void => void socket.on('error', () => undefined).destroy();
    if (tls === null) {
      return createServer({ noDelay: true }, (socket) => (limit.admit(socket) ? this.#accept(socket) : refuse(socket)));
    }
    const options = { ...tls.options(preludeTimeoutMs), ALPNProtocols: ['h2'], noDelay: true };
    const server = createTlsServer(options, (socket) => this.#accept(socket));
    // Before the handshake, which is what costs.
    server.prependListener('connection', (socket: Socket) => (limit.admit(socket) ? undefined : refuse(socket)));
    tls.renews(server);
    return server;
  }

  /** @throws PORT_IN_USE */
  async listen(): Promise<AddressInfo> {
    const { host, port } = this.#options;
    const address = await listenOn(this.#server, host, port);
    this.#sweep = setInterval(() => this.#expire(), 1000).unref();
    return address;
  }

  /** Stop accepting, let the calls under way finish for at most `graceMs`, close. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const call of this.#calls) call.drain();
    const forced = setTimeout(() => {
      for (const [session, socket] of this.#sessions) {
        session.destroy();
        socket.destroy();
      }
    }, graceMs);
    await Promise.all([...this.#sessions.keys()].map((session) => drained(session, Math.min(COURTESY_MS, graceMs))));
    await closed;
    clearTimeout(forced);
    if (this.#sweep !== null) clearInterval(this.#sweep);
  }

  nextId(): string {
    return `${this.#options.idPrefix}-g${(this.#sequence++).toString(36)}`;
  }

  received(bytes: number): boolean {
    this.#receiving += bytes;
    return bytes <= 0 || this.#receiving <= MAX_RECEIVING * this.maxMessageBytes;
  }

  finished(call: ServerCall, method: string, status: StatusName, seconds: number): void {
    this.#calls.delete(call);
    this.#options.observe(method, status, seconds, call.id);
  }

  onDefect(error: SlipwayError, call: Call): void {
    this.#options.onDefect(error, call);
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    const session = performServerHandshake(socket, SESSION_OPTIONS);
    this.#sessions.set(session, socket);
    const prelude = setTimeout(() => session.destroy(), this.#options.preludeTimeoutMs);
    session.once('remoteSettings', () => clearTimeout(prelude));
    session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW));
    session.once('close', () => {
      clearTimeout(prelude);
      this.#sessions.delete(session);
      socket.destroy();
    });
    // What is not HTTP/2, and what breaks its rules, ends the connection; there is nobody to answer.
    session.on('error', () => undefined);
    session.on('frameError', () => undefined);
    session.setTimeout(QUIET_MS, () => askAlive(session));
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => this.#open(stream, headers));
  }

  #open(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const type = headers['content-type'] ?? '';
    if (headers[':method'] !== 'POST' || !/^application\/grpc(?:$|\+proto$|;)/.test(type)) {
      // Not gRPC: what HTTP says of it, for people with curl.
      stream.on('error', () => undefined);
      const post = headers[':method'] === 'POST';
      stream.respond({ ':status': post ? 415 : 405, ...(post ? {} : { allow: 'POST' }) }, { endStream: true });
      return;
    }
    const path = headers[':path'] ?? '';
    const { methods } = this.#options;
    const known = Object.hasOwn(methods, path) ? methods[path] : undefined;
    const call = new ServerCall(
      this,
      stream,
      headers,
      known === undefined ? UNKNOWN_METHOD : path,
      known ?? unknown(path),
    );
    if (!call.over) this.#calls.add(call);
  }

  #expire(): void {
    const { receiveTimeoutMs } = this.#options;
    const before = performance.now() - receiveTimeoutMs;
    for (const call of this.#calls) {
      if (call.receiving && call.startedAt < before) call.expire(receiveTimeoutMs / 1000);
    }
  }
}

const SESSION_OPTIONS: ServerOptions = {
  settings: {
    maxConcurrentStreams: MAX_STREAMS,
    initialWindowSize: STREAM_WINDOW,
    maxHeaderListSize: MAX_HEADER_BYTES,
    enablePush: false,
  },
  // Answers wait here for slow clients; streams beyond are refused.
  maxSessionMemory: 256,
  streamResetBurst: RESET_BURST,
  streamResetRate: RESET_RATE,
};

function unknown(path: string): Method {
  return {
    kind: 'stream',
    open() {
      throw fail('NOT_IMPLEMENTED', { problem: `${path.slice(0, 200)}: no such method` });
    },
  };
}

function askAlive(session: Http2Session): void {
  const silent = setTimeout(() => session.destroy(), PING_MS);
  const asked = !session.destroyed && session.ping(() => clearTimeout(silent));
  if (!asked) clearTimeout(silent);
  session.once('close', () => clearTimeout(silent));
}

/** Resolves when the session is closed to new calls; it closes by itself with its last call. */
async function drained(session: Http2Session, patienceMs: number): Promise<void> {
  if (session.destroyed) return;
  session.goaway(constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, patienceMs);
    session.once('close', resolve);
    const heard = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (!session.ping(heard)) heard();
  });
  // Nothing happens when it is closed already.
  session.close();
}
