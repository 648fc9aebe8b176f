/**
 * Reads plain requests (plain-request.ts) straight from the socket, which takes about half the time `node:http` takes; hands
 * every connection that sends anything else to `node:http`, for good and with its bytes untouched.
 *
 * Handed over are also requests that do not arrive in one piece, so that slow senders and large bodies meet one
 * implementation of timeouts and limits. A client that sends the same head again (most do) is not parsed again.
 */
import type { Socket } from 'node:net';
import { STATUS_CODES } from 'node:http';
import type { Endpoint, Exchange } from './exchange.ts';
import type { Front } from './front.ts';
import { KEEP_ALIVE_MS, UNKNOWN_ROUTE } from './front.ts';
import { clientRequestId, findHeader } from './headers.ts';
import { bodyFormat } from './media-types.ts';
import { type PlainHead, readPlainHead } from './plain-request.ts';

const NOTHING = Buffer.alloc(0);
/** Heads longer than this are parsed every time. */
const MAX_REMEMBERED_HEAD = 2048;

/** Whatever answers a path once its head was read; the error when that already failed, null otherwise. */
interface Target {
  readonly head: PlainHead;
  readonly bytes: Buffer;
  readonly endpoint: Endpoint | null;
  readonly error: unknown;
  readonly clientId: string | undefined;
}

export class PlainFront {
  readonly #front: Front;
  readonly #connections = new Set<PlainConnection>();
  readonly #handOver: (socket: Socket) => void;
  readonly #sweep: NodeJS.Timeout;

  /** @param handOver gives the socket to `node:http` */
  constructor(front: Front, handOver: (socket: Socket) => void) {
    this.#front = front;
    this.#handOver = handOver;
    const interval = Math.max(50, Math.min(1000, front.options.headersTimeoutMs / 4));
    this.#sweep = setInterval(() => this.#closeIdle(), interval).unref();
  }

  accept(socket: Socket): void {
    this.#connections.add(
      new PlainConnection(socket, this.#front, (connection, handedOver) => {
        this.#connections.delete(connection);
        if (handedOver) this.#handOver(socket);
      }),
    );
  }

  /** Close what has been idle for so long; what is busy closes with its answer, which says so. */
  drain(quietMs: number): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.closeIfIdle(now, quietMs);
  }

  get connections(): number {
    return this.#connections.size;
  }

  destroy(): void {
    clearInterval(this.#sweep);
    for (const connection of this.#connections) connection.destroy();
  }

  #closeIdle(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.sweep(now);
  }
}

class PlainConnection {
  readonly #socket: Socket;
  readonly #front: Front;
  readonly #gone: (connection: PlainConnection, handedOver: boolean) => void;
  readonly #onData = (chunk: Buffer): void => this.#data(chunk);
  readonly #onClose = (): void => this.#closed();
  readonly #onEnd = (): void => this.#ended();
  readonly #onDrain = (): void => {
    this.#socket.setTimeout(0, this.#onStuck);
    this.#resume();
  };
  readonly #onStuck = (): void => void this.#socket.destroy();
  #target: Target | null = null;
  #current: PlainExchange | null = null;
  /** Came while a request was being answered: pipelined. */
  #waiting: Buffer | null = null;
  #lastActivity = performance.now();
  #served = false;

  constructor(socket: Socket, front: Front, gone: (connection: PlainConnection, handedOver: boolean) => void) {
    this.#socket = socket;
    this.#front = front;
    this.#gone = gone;
    socket.on('data', this.#onData);
    socket.on('close', this.#onClose);
    socket.on('end', this.#onEnd);
    socket.on('drain', this.#onDrain);
    socket.on('error', ignore);
  }

  #data(chunk: Buffer): void {
    this.#lastActivity = performance.now();
    if (this.#current !== null || this.#socket.writableNeedDrain) {
      this.#waiting = this.#waiting === null ? chunk : Buffer.concat([this.#waiting, chunk]);
      // One request is answered at a time; who sends many more ahead waits in the kernel's buffer.
      this.#socket.pause();
      return;
    }
    this.#read(chunk);
  }

  #read(bytes: Buffer): void {
    const target = this.#recognise(bytes);
    const total = target === null ? 0 : target.head.length + target.head.bodyLength;
    if (target === null || total > bytes.length || target.head.bodyLength > this.#front.options.maxBodyBytes) {
      this.#leave(bytes);
      return;
    }
    if (total < bytes.length) {
      this.#waiting = bytes.subarray(total);
      this.#socket.pause();
    }
    this.#served = true;
    const exchange = new PlainExchange(this, this.#front, target, bytes.subarray(target.head.length, total));
    this.#current = exchange;
    try {
      if (target.error !== null || target.endpoint === null) throw target.error;
      target.endpoint.handle(exchange);
    } catch (thrown) {
      this.#front.fail(exchange, thrown, target.endpoint);
    }
  }

  #recognise(bytes: Buffer): Target | null {
    const known = this.#target;
    if (
      known !== null &&
      bytes.length >= known.bytes.length &&
      bytes.compare(known.bytes, 0, known.bytes.length, 0, known.bytes.length) === 0
    ) {
      return known;
    }
    const head = readPlainHead(bytes);
    if (head === null) return null;
    const { endpoint, error } = this.#resolve(head);
    const target = {
      head,
      bytes: Buffer.from(bytes.subarray(0, head.length)),
      endpoint,
      error,
      clientId: clientRequestId(head.headers),
    };
    if (head.length <= MAX_REMEMBERED_HEAD) this.#target = target;
    return target;
  }

  #resolve(head: PlainHead): Pick<Target, 'endpoint' | 'error'> {
    let endpoint: Endpoint | null = null;
    try {
      endpoint = this.#front.find(head.method, head.path);
      this.#front.checkMethod(endpoint, head.method, head.path);
      if (head.method === 'POST') bodyFormat(findHeader(head.headers, 'content-type'));
      return { endpoint, error: null };
    } catch (error) {
      return { endpoint, error };
    }
  }

  /** Not plain: from here on this connection is `node:http`'s. */
  #leave(bytes: Buffer): void {
    const socket = this.#socket;
    this.#forget();
    socket.pause();
    if (bytes.length > 0) socket.unshift(bytes);
    this.#gone(this, true);
    socket.resume();
  }

  #forget(): void {
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('close', this.#onClose);
    socket.off('end', this.#onEnd);
    socket.off('drain', this.#onDrain);
    socket.off('error', ignore);
  }

  write(
    status: number,
    id: string,
    contentType: string | null,
    body: Buffer | string,
    headers: readonly string[] | undefined,
  ): void {
    this.#current = null;
    this.#lastActivity = performance.now();
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const close = this.#front.draining;
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nx-request-id: ${id}\r\nContent-Length: ${length}\r\n`;
    if (contentType !== null) head += `Content-Type: ${contentType}\r\n`;
    if (headers !== undefined) {
      for (let i = 0; i < headers.length; i += 2) head += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`;
    }
    head += `Date: ${this.#front.date()}\r\n${close ? 'Connection: close\r\n' : ''}\r\n`;
    // One write, one packet: the head is never worth its own.
    const message = Buffer.allocUnsafe(head.length + length);
    message.write(head, 0, 'latin1');
    if (typeof body === 'string') message.write(body, head.length);
    else body.copy(message, head.length);
    const roomy = this.#socket.write(message);
    // Node counts what the client takes as movement, so this is the time without any.
    if (!roomy) this.#socket.setTimeout(this.#front.options.writeTimeoutMs, this.#onStuck);
    if (close) this.#socket.end();
    else if (roomy && this.#waiting !== null) this.#resume();
  }

  /** Go on with what was sent meanwhile. */
  #resume(): void {
    if (this.#current !== null) return;
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#socket.resume();
    if (waiting !== null) setImmediate(() => (this.#socket.destroyed ? undefined : this.#data(waiting)));
  }

  /** The client will send no more. As for `node:http`, that means it is gone: nobody half-closes and waits. */
  #ended(): void {
    this.#socket.end();
  }

  #closed(): void {
    this.#forget();
    this.#gone(this, false);
    this.#current?.closed();
    this.#current = null;
  }

  closeIfIdle(now: number, quietMs: number): void {
    if (this.#current === null && now - this.#lastActivity >= quietMs) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  sweep(now: number): void {
    const quiet = now - this.#lastActivity;
    const { headersTimeoutMs, idleTimeoutMs } = this.#front.options;
    if (this.#current !== null || this.#socket.writableLength > 0) {
      if (quiet > idleTimeoutMs) this.#socket.destroy();
    } else if (!this.#served) {
      // It has not said anything yet: `node:http` knows when to complain, and how.
      if (quiet > headersTimeoutMs / 10) this.#leave(NOTHING);
    } else if (quiet > KEEP_ALIVE_MS) this.#socket.destroy();
  }
}

class PlainExchange implements Exchange {
  readonly id: string;
  readonly body: Buffer;
  readonly #connection: PlainConnection;
  readonly #front: Front;
  readonly #target: Target;
  readonly #started = performance.now();
  #callback: (() => void) | null = null;
  #answered = false;

  constructor(connection: PlainConnection, front: Front, target: Target, body: Buffer) {
    this.#connection = connection;
    this.#front = front;
    this.#target = target;
    this.body = body;
    this.id = target.clientId ?? front.nextId();
    front.begin();
  }

  get method(): string {
    return this.#target.head.method;
  }
  get path(): string {
    return this.#target.head.path;
  }
  get query(): string {
    return this.#target.head.query;
  }

  header(name: string): string | undefined {
    return findHeader(this.#target.head.headers, name);
  }

  release(): void {
    // It came in one piece of the socket's own memory.
  }

  onClose(callback: () => void): void {
    this.#callback = callback;
  }

  reply(status: number, contentType: string | null, body: Buffer | string, headers?: readonly string[]): void {
    if (this.#answered) return;
    this.#finish(status);
    this.#connection.write(status, this.id, contentType, body, headers);
  }

  /** The connection is gone. */
  closed(): void {
    if (this.#answered) return;
    this.#finish(499);
    this.#callback?.();
  }

  #finish(status: number): void {
    this.#answered = true;
    this.#front.finished(this, this.#target.endpoint?.route ?? UNKNOWN_ROUTE, status, this.#started);
  }
}

const ignore = (): void => undefined;
