/**
 * One HTTP/2 stream as a gRPC call: frames to messages, messages to frames, and the one place where a call ends.
 *
 * Invariants: status and trailers are sent once; a handler that answers too late or twice is ignored; a client that goes away is
 * told to the handler exactly once, and then nothing is written any more.
 */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { gunzip, inflate } from 'node:zlib';
import { clientRequestId } from '../http/headers.ts';
import { fillPrefix, type Frame, FrameReader, PREFIX } from './frames.ts';
import type { Call, Incoming, Method } from './method.ts';
import { errorTrailers, parseTimeout, type StatusName } from './status.ts';
import type { ProtoWriter } from './writer.ts';

/** What calls need of the listener. */
export interface CallHost {
  readonly maxMessageBytes: number;
  nextId(): string;
  /** Bytes received by unfinished messages grew by so many (or shrank). False: there are too many. */
  received(bytes: number): boolean;
  finished(call: ServerCall, path: string, status: StatusName, seconds: number): void;
  onDefect(error: SlipwayError, call: Call): void;
}

const ACCEPTED = 'gzip, deflate, identity';

export class ServerCall implements Call {
  readonly id: string;
  readonly startedAt: number = performance.now();
  readonly #stream: ServerHttp2Stream;
  readonly #host: CallHost;
  readonly #path: string;
  readonly #method: Method;
  readonly #frames: FrameReader;
  readonly #encoding: string;
  #timeoutMs: number | null = null;
  #incoming: Incoming | null = null;
  /** The only message of a unary call, until the client has ended. */
  #message: Buffer | null = null;
  /** Compressed messages that are being inflated: what follows them waits. */
  #inflating: Promise<void> | null = null;
  #counted = 0;
  #responded = false;
  #trailers: Record<string, string | number> = { 'grpc-status': 0 };
  #over = false;
  #onClose: (() => void)[] = [];
  #onDrain: (() => void) | null = null;

  constructor(host: CallHost, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, path: string, method: Method) {
    this.#host = host;
    this.#stream = stream;
    this.#path = path;
    this.#method = method;
    this.#frames = new FrameReader(host.maxMessageBytes);
    this.#encoding = String(headers['grpc-encoding'] ?? 'identity');
    const id = headers['x-request-id'];
    this.id = (typeof id === 'string' ? clientRequestId(['x-request-id', id]) : undefined) ?? host.nextId();
    stream.on('error', () => undefined);
    stream.on('close', () => this.#closed());
    try {
      this.#timeoutMs = parseTimeout(headers['grpc-timeout'] as string | undefined);
      if (!['identity', 'gzip', 'deflate'].includes(this.#encoding)) {
        throw fail('NOT_IMPLEMENTED', { problem: `grpc-encoding "${this.#encoding.slice(0, 40)}" is not supported` });
      }
      if (method.kind === 'stream') this.#incoming = method.open(this, () => this.#resume());
    } catch (thrown) {
      this.#failed(thrown);
      return;
    }
    stream.on('data', (chunk: Buffer) => this.#data(chunk));
    stream.on('end', () => this.#after(() => this.#ended()));
  }

  get over(): boolean {
    return this.#over;
  }

  /** True while the client has not sent what the handler needs to begin. */
  get receiving(): boolean {
    return !this.#over && this.#method.kind === 'unary' && !this.#stream.readableEnded;
  }

  remainingMs(): number | null {
    return this.#timeoutMs === null ? null : this.#timeoutMs - (performance.now() - this.startedAt);
  }

  reply(message: ProtoWriter): void {
    this.send(message);
    this.end();
  }

  send(message: ProtoWriter): void {
    if (this.#over) return;
    this.#respond();
    this.#stream.write(fillPrefix(message.finish(PREFIX)));
  }

  end(): void {
    if (!this.#finish('OK')) return;
    this.#respond();
    this.#stream.end();
  }

  fail(error: SlipwayError, status: StatusName = error.definition.grpc, message: string = error.message): void {
    if (!this.#finish(status)) return;
    if (error.code === 'INTERNAL') this.#host.onDefect(error, this);
    const trailers = errorTrailers(error, status, message);
    if (this.#responded) this.#trailers = trailers;
    else {
      const encodings = error.code === 'NOT_IMPLEMENTED' ? { 'grpc-accept-encoding': ACCEPTED } : {};
      this.#stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'x-request-id': this.id,
          ...encodings,
          ...trailers,
        },
        { endStream: true },
      );
    }
    if (this.#responded) this.#stream.end();
    else this.#abandon();
    this.#responded = true;
  }

  onClose(callback: () => void): void {
    this.#onClose.push(callback);
  }

  onDrain(callback: () => void): void {
    this.#onDrain = callback;
  }

  drain(): void {
    this.#onDrain?.();
  }

  /** What the client has begun to send did not arrive in time. */
  expire(seconds: number): void {
    this.fail(fail('REQUEST_TIMEOUT', { seconds }));
  }

  #respond(): void {
    if (this.#responded) return;
    this.#responded = true;
    this.#stream.on('wantTrailers', () => {
      this.#stream.sendTrailers(this.#trailers);
      // A reset in the same turn would overtake the trailers.
      setImmediate(() => this.#abandon());
    });
    this.#stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc',
        'grpc-accept-encoding': ACCEPTED,
        'x-request-id': this.id,
      },
      { waitForTrailers: true },
    );
  }

  /** What the client still wants to send is of no use. */
  #abandon(): void {
    if (!this.#stream.readableEnded && !this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_NO_ERROR);
  }

  /** False when the call is over already, or nobody is there to hear. */
  #finish(status: StatusName): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#count(0);
    this.#host.finished(this, this.#path, status, (performance.now() - this.startedAt) / 1000);
    return !this.#stream.destroyed;
  }

  #closed(): void {
    if (this.#over) return;
    this.#finish('CANCELLED');
    for (const callback of this.#onClose) callback();
  }

  #failed(thrown: unknown): void {
    this.fail(asSlipwayError(thrown));
  }

  #count(pending: number): boolean {
    const allowed = this.#host.received(pending - this.#counted);
    this.#counted = pending;
    return allowed;
  }

  #data(chunk: Buffer): void {
    if (this.#over) return;
    try {
      const frames = this.#frames.add(chunk);
      if (!this.#count(this.#frames.pending)) {
        throw fail('SERVER_BUSY', {});
      }
      for (const frame of frames) {
        if (frame.compressed) this.#inflate(frame);
        else this.#after(() => this.#complete(frame.message));
      }
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  /** Do it now, or when the messages before it are inflated. */
  #after(action: () => void): void {
    const guarded = (): void => {
      if (this.#over) return;
      try {
        action();
      } catch (thrown) {
        this.#failed(thrown);
      }
    };
    if (this.#inflating === null) guarded();
    else this.#inflating = this.#inflating.then(guarded);
  }

  #inflate({ message }: Frame): void {
    if (this.#encoding === 'identity') {
      throw fail('REQUEST_MALFORMED', { problem: 'a message is compressed, but grpc-encoding does not say how' });
    }
    const limit = this.#host.maxMessageBytes;
    const run = this.#encoding === 'gzip' ? gunzip : inflate;
    const inflated = new Promise<Buffer>((resolve, reject) => {
      run(message, { maxOutputLength: limit }, (error, result) => {
        if (error === null) resolve(result);
        else if (hasSystemCode(error, 'ERR_BUFFER_TOO_LARGE')) reject(fail('BODY_TOO_LARGE', { limit }));
        else reject(fail('REQUEST_MALFORMED', { problem: `a compressed message cannot be read: ${error.message}` }));
      });
    });
    this.#inflating = (this.#inflating ?? Promise.resolve())
      .then(() => inflated)
      .then((bytes) => {
        if (!this.#over) this.#complete(bytes);
      })
      .catch((thrown: unknown) => this.#failed(thrown));
  }

  #complete(message: Buffer): void {
    if (this.#incoming !== null) {
      this.#incoming.message(message);
      if (this.#incoming.full) this.#stream.pause();
      return;
    }
    if (this.#message !== null) {
      throw fail('REQUEST_MALFORMED', { problem: 'more than one message; this call takes one' });
    }
    this.#message = message;
  }

  #ended(): void {
    if (this.#frames.pending > 0) {
      throw fail('REQUEST_MALFORMED', { problem: 'the request ends in the middle of a message' });
    }
    if (this.#incoming !== null) this.#incoming.end();
    else if (this.#message === null) throw fail('REQUEST_MALFORMED', { problem: 'the request has no message' });
    else if (this.#method.kind === 'unary') this.#method.handle(this, this.#message);
  }

  #resume(): void {
    if (!this.#over) this.#stream.resume();
  }
}

const hasSystemCode = (error: Error, code: string): boolean => 'code' in error && error.code === code;
