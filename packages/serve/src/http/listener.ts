/**
 * An HTTP/1.1 listener: strict where Node is lenient, bounded in time and size, and able to drain. Plain requests are
 * read by `PlainFront`; all others by `node:http`, here. Everything a client can do wrong before a handler runs is answered
 * in the same shape as every other error.
 */
import { fail, type SlipwayError } from '@slipway/core';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { listenOn } from '../listen.ts';
import type { TlsIdentity } from '../tls.ts';
import { AddressLimit } from './address-limit.ts';
import { readBody } from './body.ts';
import { BodyPool } from './body-pool.ts';
import { errorAnswer } from './errors.ts';
import type { Endpoint, Exchange } from './exchange.ts';
import { Front, type FrontOptions, KEEP_ALIVE_MS, UNKNOWN_ROUTE } from './front.ts';
import { checkHeaders, clientRequestId, findHeader } from './headers.ts';
import { bodyFormat } from './media-types.ts';
import { PlainFront } from './plain-front.ts';

export interface ListenerOptions extends FrontOptions {
  readonly tls: TlsIdentity | null;
  readonly host: string;
  readonly port: number;
  readonly maxConnections: number;
  /** Connections one address may have open. */
  readonly maxConnectionsPerAddress: number;
}

const NOTHING = Buffer.alloc(0);
const LINGER_MS = 500;
/** How long a connection that was just in use is waited for when draining: more than clients take between two requests. */
const COURTESY_MS = 250;

class NodeExchange implements Exchange {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  body: Buffer = NOTHING;
  /** Where the body goes back to. */
  pool: BodyPool | null = null;
  readonly raw: readonly string[];
  readonly response: ServerResponse;
  readonly started = performance.now();
  endpoint: Endpoint | null = null;
  readonly #front: Front;
  /** The requests under way on the same connection. */
  readonly #siblings: Set<NodeExchange>;
  #closed: (() => void) | null = null;
  #answered = false;
  /** The request was not read to its end, so the connection cannot be used again. */
  abandon = false;

  constructor(front: Front, request: IncomingMessage, response: ServerResponse, siblings: Set<NodeExchange>) {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    this.id = clientRequestId(request.rawHeaders) ?? front.nextId();
    this.method = request.method ?? 'GET';
    this.path = mark === -1 ? url : url.slice(0, mark);
    this.query = mark === -1 ? '' : url.slice(mark + 1);
    this.raw = request.rawHeaders;
    this.response = response;
    this.#front = front;
    this.#siblings = siblings;
    siblings.add(this);
    front.begin();
  }

  header(name: string): string | undefined {
    return findHeader(this.raw, name);
  }

  release(): void {
    this.pool?.give(this.body);
    this.pool = null;
    this.body = NOTHING;
  }

  onClose(callback: () => void): void {
    this.#closed = callback;
  }

  reply(status: number, contentType: string | null, body: Buffer | string, headers?: readonly string[]): void {
    if (this.#answered) return;
    this.#answered = true;
    const { response } = this;
    this.#finish(status);
    if (response.destroyed) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const all: string[] = ['x-request-id', this.id, 'Content-Length', String(length)];
    if (contentType !== null) all.push('Content-Type', contentType);
    if (headers !== undefined) all.push(...headers);
    if (this.abandon || this.#front.draining) all.push('Connection', 'close');
    response.writeHead(status, all);
    const content = this.method === 'HEAD' ? '' : body;
    if (this.abandon) endLater(response, content);
    else response.end(content);
    // Node counts what the client takes as movement, and ends a connection on which nothing moves.
    const { socket } = response;
    if (socket?.writableNeedDrain === true) socket.setTimeout(this.#front.options.writeTimeoutMs);
  }

  #finish(status: number): void {
    this.#siblings.delete(this);
    this.#front.finished(this, this.endpoint?.route ?? UNKNOWN_ROUTE, status, this.started);
  }

  /** The connection is gone. */
  closed(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#finish(499);
    this.#closed?.();
  }
}

/**
 * The requests of one connection, one at a time: Node hands over all that a client pipelined, and their answers together have
 * no bound.
 */
class Connection {
  readonly exchanges: Set<NodeExchange> = new Set();
  readonly #socket: Socket;
  readonly #options: FrontOptions;
  readonly #waiting: (() => void)[] = [];
  #busy = false;

  constructor(socket: Socket, options: FrontOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** `handle` now, or when the answers to the requests before have gone out. */
  run(response: ServerResponse, handle: () => void): void {
    response.once('close', () => {
      this.#busy = false;
      if (!this.#socket.destroyed) this.#waiting.shift()?.();
    });
    const begin = (): void => {
      this.#busy = true;
      this.#socket.setTimeout(this.#options.idleTimeoutMs);
      handle();
    };
    if (this.#busy) this.#waiting.push(begin);
    else begin();
  }
}

/**
 * End a connection whose client is still sending. Closed at once, with bytes of the client unread, it would be reset, and a
 * client that is reset may lose the answer before it reads it (RFC 9112, 9.6): what comes is discarded for a moment.
 */
function endLater(response: ServerResponse, body: Buffer | string): void {
  response.write(body);
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  response.once('close', end);
  response.req.once('end', end).resume();
}

export class HttpListener {
  readonly #options: ListenerOptions;
  readonly #front: Front;
  readonly #server: Server;
  readonly #plain: PlainFront;
  /** The last answer on these says that the connection ends; what else comes is not read. */
  readonly #abandoned = new WeakSet<Socket>();
  readonly #pool = new BodyPool();
  readonly #active = new Map<Socket, Connection>();

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#front = new Front(options);
    const settings = {
      connectionsCheckingInterval: Math.max(50, Math.min(1000, options.headersTimeoutMs / 4)),
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: 16 * 1024,
      noDelay: true,
      // Checked by `checkHeaders`, whose answer has a body.
      requireHostHeader: false,
    };
    const { tls } = options;
    const server =
      tls === null
        ? createServer(settings)
        : createTlsServer({ ...settings, ...tls.options(options.headersTimeoutMs), ALPNProtocols: ['http/1.1'] });
    // Node would drop what is beyond its own bound silently; `checkHeaders` refuses it.
    server.maxHeadersCount = 0;
    server.maxConnections = options.maxConnections;
    server.timeout = options.idleTimeoutMs;
    server.on('request', (request, response) => this.#request(request, response));
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
      this.#request(request, response),
    );
    server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) =>
      this.#request(request, response),
    );
    server.on('clientError', (error: Error & { code?: string }, socket: Socket) => this.#refuse(error, socket));
    // Connections are ours first; those that are not plain are given to whom Node would have given them.
    const connected = tls === null ? 'connection' : 'secureConnection';
    const toNode = server.listeners(connected) as ((socket: Socket) => void)[];
    server.removeAllListeners(connected);
    this.#plain = new PlainFront(this.#front, (socket) => {
      this.#connected(socket);
      for (const listener of toNode) listener.call(server, socket);
    });
    const limit = new AddressLimit(options.maxConnectionsPerAddress);
    if (tls === null) {
      server.on('connection', (socket: Socket) => {
        if (limit.admit(socket)) this.#plain.accept(socket);
        else this.#turnAway(socket);
      });
    } else {
      // Before the handshake, which is what costs: then there is no TLS yet in which to say why.
      server.prependListener('connection', (socket: Socket) => {
        if (!limit.admit(socket)) socket.on('error', () => undefined).destroy();
      });
      server.on('secureConnection', (socket: Socket) => this.#plain.accept(socket));
      tls.renews(server as TlsServer);
      // Who does not finish the handshake has nobody to be answered by: Node would write the answer without TLS.
      server.removeAllListeners('tlsClientError');
      server.on('tlsClientError', (_: Error, socket: Socket) => void socket.destroy());
    }
    this.#server = server;
  }

  /** @throws PORT_IN_USE */
  listen(): Promise<AddressInfo> {
    return listenOn(this.#server, this.#options.host, this.#options.port);
  }

  /** Stop accepting, let what is under way finish for at most `graceMs`, close. */
  async close(graceMs: number): Promise<void> {
    this.#front.draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    this.#plain.drain(COURTESY_MS);
    // A client between two requests may have sent the next one already: closing now would reset it.
    if (this.#plain.connections > 0) await sleep(Math.min(COURTESY_MS, graceMs));
    this.#plain.drain(0);
    await this.#front.idle(graceMs);
    this.#server.closeIdleConnections();
    this.#plain.drain(0);
    const forced = setTimeout(() => {
      this.#server.closeAllConnections();
      this.#plain.destroy();
    }, 200);
    await closed;
    clearTimeout(forced);
    this.#plain.destroy();
  }

  #connected(socket: Socket): void {
    const connection = new Connection(socket, this.#options);
    this.#active.set(socket, connection);
    socket.once('close', () => {
      this.#active.delete(socket);
      for (const exchange of connection.exchanges) exchange.closed();
    });
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#active.get(request.socket) ?? new Connection(request.socket, this.#options);
    const exchange = new NodeExchange(this.#front, request, response, connection.exchanges);
    connection.run(response, () => this.#handle(exchange, request, response));
  }

  #handle(exchange: NodeExchange, request: IncomingMessage, response: ServerResponse): void {
    try {
      checkHeaders(request.rawHeaders, request.httpVersion);
      const expectation = findHeader(request.rawHeaders, 'expect');
      if (expectation !== undefined && expectation.toLowerCase() !== '100-continue') {
        throw fail('EXPECTATION_UNKNOWN', { expectation });
      }
      const endpoint = this.#front.find(exchange.method, exchange.path);
      exchange.endpoint = endpoint;
      this.#front.checkMethod(endpoint, exchange.method, exchange.path);
      if (exchange.method === 'GET' || exchange.method === 'HEAD') {
        endpoint.handle(exchange);
        return;
      }
      bodyFormat(exchange.header('content-type'));
      readBody(request, this.#options.maxBodyBytes, this.#pool, (error, body, pooled) => {
        if (error !== null) {
          this.#fail(exchange, error);
          return;
        }
        exchange.body = body;
        if (pooled === true) exchange.pool = this.#pool;
        try {
          endpoint.handle(exchange);
        } catch (thrown) {
          this.#fail(exchange, thrown);
        }
      });
      // Only now is the client told to go on: what is refused by its headers is never sent.
      if (expectation !== undefined && !response.headersSent) response.writeContinue();
    } catch (thrown) {
      this.#fail(exchange, thrown);
    }
  }

  #fail(exchange: NodeExchange, thrown: unknown): void {
    const { req } = exchange.response;
    exchange.abandon = !req.complete;
    if (exchange.abandon) this.#abandoned.add(req.socket);
    this.#front.fail(exchange, thrown, exchange.endpoint);
  }

  /** One address has more connections than it may: the newest is closed, with the reason. */
  #turnAway(socket: Socket): void {
    socket.on('error', () => undefined);
    const id = this.#front.nextId();
    const { status, body, headers } = errorAnswer(fail('SERVER_BUSY', {}), id);
    this.#options.observe(UNKNOWN_ROUTE, '_other', status, 0, id);
    socket.end(refusalText(status, id, body, `Retry-After: ${headers[1] ?? '1'}\r\n`));
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  /** What Node's parser refuses never becomes a request. */
  #refuse(error: Error & { code?: string }, socket: Socket): void {
    if (this.#abandoned.has(socket)) return;
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const id = this.#front.nextId();
    const refusal = refusalOf(error, this.#options);
    for (const exchange of this.#active.get(socket)?.exchanges ?? []) {
      if (exchange.response.headersSent) return void socket.destroy();
    }
    const { status, body } = errorAnswer(refusal, id);
    this.#options.observe(UNKNOWN_ROUTE, '_other', status, 0, id);
    socket.end(refusalText(status, id, body, ''));
  }
}

function refusalText(status: number, id: string, body: string, extra: string): string {
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Bad Request'}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
    `x-request-id: ${id}\r\n${extra}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

function refusalOf(error: Error & { code?: string; reason?: string }, options: ListenerOptions): SlipwayError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return fail('HEADERS_TOO_LARGE', { problem: 'the headers are larger than 16384 bytes' });
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return fail('BODY_TOO_LARGE', { limit: options.maxBodyBytes });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return fail('REQUEST_TIMEOUT', { seconds: options.requestTimeoutMs / 1000 });
    default:
      return fail('REQUEST_MALFORMED', { problem: `not a valid HTTP/1.1 request: ${error.reason ?? error.message}` });
  }
}
