/**
 * An HTTP/1.1 listener on `node:http`: strict where Node is lenient, bounded in time and size, and able to drain.
 * Everything a client can do wrong before a handler runs is answered here, in the same shape as every other error.
 */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { readBody } from './body.ts';
import { errorAnswer } from './errors.ts';
import type { Endpoint, Exchange, Router } from './exchange.ts';
import { checkContentType, checkHeaders, clientRequestId, findHeader } from './headers.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly maxBodyBytes: number;
  readonly maxConnections: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** A connection that neither sends nor takes bytes for so long is closed; longer than any request may take. */
  readonly idleTimeoutMs: number;
  readonly router: Router;
  /** Prefix of generated request ids. */
  readonly idPrefix: string;
  readonly observe: (route: string, method: string, status: number, seconds: number) => void;
  /** A handler threw something that is not a user error. */
  readonly onDefect: (error: SlipwayError, exchange: Exchange) => void;
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
/** The route label of what no route answered: never the path, which the client chooses. */
const UNKNOWN_ROUTE = '_unknown';
const NOTHING = Buffer.alloc(0);

class NodeExchange implements Exchange {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  body: Buffer = NOTHING;
  readonly raw: readonly string[];
  readonly response: ServerResponse;
  readonly started = performance.now();
  route = UNKNOWN_ROUTE;
  readonly #listener: HttpListener;
  #closed: (() => void) | null = null;
  #answered = false;
  /** The request was not read to its end, so the connection cannot be used again. */
  abandon = false;

  constructor(listener: HttpListener, request: IncomingMessage, response: ServerResponse, id: string) {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    this.id = id;
    this.method = request.method ?? 'GET';
    this.path = mark === -1 ? url : url.slice(0, mark);
    this.query = mark === -1 ? '' : url.slice(mark + 1);
    this.raw = request.rawHeaders;
    this.response = response;
    this.#listener = listener;
  }

  header(name: string): string | undefined {
    return findHeader(this.raw, name);
  }

  onClose(callback: () => void): void {
    this.#closed = callback;
  }

  reply(status: number, contentType: string | null, body: Buffer | string, headers?: readonly string[]): void {
    if (this.#answered) return;
    this.#answered = true;
    const { response } = this;
    this.#listener.finished(this, status);
    if (response.destroyed) return;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const all: string[] = ['x-request-id', this.id, 'Content-Length', String(length)];
    if (contentType !== null) all.push('Content-Type', contentType);
    if (headers !== undefined) all.push(...headers);
    if (this.abandon || this.#listener.draining) all.push('Connection', 'close');
    response.writeHead(status, all);
    response.end(this.method === 'HEAD' ? undefined : body);
  }

  /** The connection is gone. */
  closed(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#listener.finished(this, 499);
    this.#closed?.();
  }
}

export class HttpListener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #active = new Map<Socket, Set<NodeExchange>>();
  #sequence = 0;
  #pending = 0;
  #whenIdle: (() => void) | null = null;
  draining = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({
      connectionsCheckingInterval: Math.max(100, Math.min(1000, options.headersTimeoutMs / 4)),
      headersTimeout: options.headersTimeoutMs,
      requestTimeout: options.requestTimeoutMs,
      keepAliveTimeout: 65_000,
      // One more than allowed, so that too many are seen and refused instead of dropped silently.
      maxHeaderSize: 16 * 1024,
      noDelay: true,
    });
    this.#server.maxHeadersCount = 0;
    this.#server.maxConnections = options.maxConnections;
    this.#server.timeout = options.idleTimeoutMs;
    this.#server.on('connection', (socket: Socket) => this.#connected(socket));
    this.#server.on('request', (request, response) => this.#request(request, response));
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
      this.#request(request, response),
    );
    this.#server.on('clientError', (error: Error & { code?: string }, socket: Socket) => this.#refuse(error, socket));
  }

  /** @throws PORT_IN_USE */
  async listen(): Promise<AddressInfo> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error: Error & { code?: string }) => {
        const address = `${host}:${port}`;
        reject(error.code === 'EADDRINUSE' ? fail('PORT_IN_USE', { address }) : asSlipwayError(error));
      });
      this.#server.listen({ host, port, backlog: 1024 }, resolve);
    });
    return this.#server.address() as AddressInfo;
  }

  /** Stop accepting, let what is under way finish for at most `graceMs`, close. */
  async close(graceMs: number): Promise<void> {
    this.draining = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#whenIdle = () => {
          clearTimeout(timer);
          // The last answers are still being written.
          setImmediate(resolve);
        };
      });
    }
    this.#server.closeIdleConnections();
    const forced = setTimeout(() => this.#server.closeAllConnections(), 200);
    await closed;
    clearTimeout(forced);
  }

  finished(exchange: NodeExchange, status: number): void {
    this.#active.get(exchange.response.req.socket)?.delete(exchange);
    const { method } = exchange;
    const seconds = (performance.now() - exchange.started) / 1000;
    this.#options.observe(exchange.route, KNOWN_METHODS.has(method) ? method : '_other', status, seconds);
    if (--this.#pending === 0) this.#whenIdle?.();
  }

  #connected(socket: Socket): void {
    const exchanges = new Set<NodeExchange>();
    this.#active.set(socket, exchanges);
    socket.once('close', () => {
      this.#active.delete(socket);
      for (const exchange of exchanges) exchange.closed();
    });
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const id = clientRequestId(request.rawHeaders) ?? `${this.#options.idPrefix}-${(this.#sequence++).toString(36)}`;
    const exchange = new NodeExchange(this, request, response, id);
    this.#pending++;
    this.#active.get(request.socket)?.add(exchange);
    try {
      checkHeaders(request.rawHeaders);
      const endpoint = this.#options.router(exchange.path);
      if (endpoint === null) {
        throw fail('ROUTE_NOT_FOUND', { method: exchange.method, path: exchange.path.slice(0, 200) });
      }
      exchange.route = endpoint.route;
      checkMethod(exchange, endpoint);
      if (exchange.method === 'GET' || exchange.method === 'HEAD') {
        endpoint.handle(exchange);
        return;
      }
      checkContentType(exchange.header('content-type'));
      readBody(request, this.#options.maxBodyBytes, (error, body) => {
        if (error !== null) {
          this.#fail(exchange, error);
          return;
        }
        exchange.body = body;
        try {
          endpoint.handle(exchange);
        } catch (thrown) {
          this.#fail(exchange, thrown);
        }
      });
      // Only now is the client told to go on: what is refused by its headers is never sent.
      if (findHeader(request.rawHeaders, 'expect') !== undefined && !response.headersSent) response.writeContinue();
    } catch (thrown) {
      this.#fail(exchange, thrown);
    }
  }

  #fail(exchange: NodeExchange, thrown: unknown): void {
    const error = asSlipwayError(thrown);
    if (error.code === 'INTERNAL') this.#options.onDefect(error, exchange);
    const { status, body, headers } = errorAnswer(error, exchange.id);
    exchange.abandon = !exchange.response.req.complete;
    exchange.reply(status, 'application/json', body, headers);
  }

  /** What Node's parser refuses never becomes a request. */
  #refuse(error: Error & { code?: string }, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const id = `${this.#options.idPrefix}-${(this.#sequence++).toString(36)}`;
    const refusal = refusalOf(error, this.#options);
    for (const exchange of this.#active.get(socket) ?? []) {
      if (exchange.response.headersSent) return void socket.destroy();
    }
    const { status, body } = errorAnswer(refusal, id);
    this.#options.observe(UNKNOWN_ROUTE, '_other', status, 0);
    socket.end(
      `HTTP/1.1 ${status} ${REASONS[status] ?? 'Bad Request'}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        `x-request-id: ${id}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
}

const REASONS: Readonly<Record<number, string>> = {
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
};

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

/** @throws METHOD_NOT_ALLOWED */
function checkMethod(exchange: Exchange, endpoint: Endpoint): void {
  const { method, path } = exchange;
  const { methods } = endpoint;
  if (methods.includes(method) || (method === 'HEAD' && methods.includes('GET'))) return;
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ');
  throw fail('METHOD_NOT_ALLOWED', { method, path: path.slice(0, 200), allowed });
}
