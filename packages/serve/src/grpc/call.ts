/**
 * One HTTP/2 stream as a gRPC call: frames to messages, messages to frames, and the one place where a call ends.
 *
 * Invariants: status and trailers are sent once; a handler that answers too late or twice is ignored; a client that goes away is
 * told to the handler exactly once, and then nothing is written any more.
 *
 * Answers are compressed for a client that compresses its requests and says that it takes answers so. Most clients say that they
 * take gzip whether they want it or not, and floats hardly shrink: compressing whatever may be would only cost time.
 */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  sensitiveHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import { clientRequestId } from '../http/headers.ts';
import { compressedFrame, fillPrefix, type Frame, FrameReader, isWholeMessage, PREFIX } from './frames.ts';
import type { Call, Incoming, Method } from './method.ts';
import { errorTrailers, parseTimeout, type StatusName } from './status.ts';
import type { ProtoWriter } from './writer.ts';
import { readPriority, type Terms } from '../schedule/terms.ts';

/** What calls need of the listener. */
export interface CallHost {
  readonly maxMessageBytes: number;
  nextId(): string;
  /** Bytes received by unfinished messages grew by so many (or shrank). False: there are too many. */
  received(bytes: number): boolean;
  finished(call: ServerCall, path: string, status: StatusName, seconds: number): void;
  onDefect(error: SlipwayError, call: Call): void;
}

const PRIORITY = 'x-slipway-priority';
const ACCEPTED = 'gzip, deflate, identity';
/** Smaller answers are not worth compressing. */
const LEAST_COMPRESSED = 1024;

/** A stream and its call: listeners are functions of the module, because closures for each call cost more than the call. */
const CALL: unique symbol = Symbol('call');
interface CallStream extends ServerHttp2Stream {
  [CALL]?: ServerCall;
}

const ignore = (): void => undefined;
function onClose(this: CallStream): void {
  this[CALL]?.closed();
}
function onData(this: CallStream, chunk: Buffer): void {
  this[CALL]?.data(chunk);
}
function onEnd(this: CallStream): void {
  this[CALL]?.ended();
}
function onDrain(this: CallStream): void {
  this[CALL]?.drained();
}
function onWantTrailers(this: CallStream): void {
  this[CALL]?.sendTrailers();
}

export class ServerCall implements Call {
  readonly id: string;
  readonly startedAt: number = performance.now();
  readonly #stream: CallStream;
  readonly #host: CallHost;
  readonly #path: string;
  readonly #method: Method;
  /** Made when a message does not come in one piece. */
  #frames: FrameReader | null = null;
  readonly #encoding: string;
  /** The client takes answers in the encoding it uses itself. */
  readonly #compresses: boolean;
  #timeoutMs: number | null = null;
  readonly #priority: string | string[] | undefined;
  #incoming: Incoming | null = null;
  /** The only message of a unary call, until the client has ended. */
  #message: Buffer | null = null;
  /** Compressed messages that are being inflated: what follows them waits. */
  #inflating: Promise<void> | null = null;
  /** Answers that are being compressed: what follows them waits. */
  #deflating: Promise<void> | null = null;
  #counted = 0;
  #responded = false;
  #trailers: Readonly<Record<string, string | number>> = OK_TRAILERS;
  #over = false;
  #onClose: (() => void)[] | null = null;
  #onDrain: (() => void) | null = null;

  constructor(host: CallHost, stream: ServerHttp2Stream, headers: IncomingHttpHeaders, path: string, method: Method) {
    this.#host = host;
    this.#stream = stream;
    this.#path = path;
    this.#method = method;
    const encoding = headers['grpc-encoding'];
    this.#encoding = typeof encoding === 'string' ? encoding : 'identity';
    this.#compresses = COMPRESSIONS.has(this.#encoding) && accepts(headers, this.#encoding);
    const id = headers['x-request-id'];
    this.id = (typeof id === 'string' ? clientRequestId(['x-request-id', id]) : undefined) ?? host.nextId();
    this.#priority = headers[PRIORITY];
    this.#stream[CALL] = this;
    stream.on('error', ignore);
    stream.on('close', onClose);
    try {
      this.#timeoutMs = parseTimeout(headers['grpc-timeout'] as string | undefined);
      if (this.#encoding !== 'identity' && !COMPRESSIONS.has(this.#encoding)) {
        throw fail('NOT_IMPLEMENTED', { problem: `grpc-encoding "${this.#encoding.slice(0, 40)}" is not supported` });
      }
      if (method.kind === 'stream') {
        this.#incoming = method.open(this, () => this.#resume());
        stream.on('drain', onDrain);
      }
    } catch (thrown) {
      this.#failed(thrown);
      return;
    }
    stream.on('data', onData);
    stream.on('end', onEnd);
  }

  get over(): boolean {
    return this.#over;
  }

  /** True while the client has not sent what the handler needs to begin. */
  get receiving(): boolean {
    return !this.#over && this.#method.kind === 'unary' && !this.#stream.readableEnded;
  }

  terms(): Terms {
    const timeoutMs = this.#timeoutMs === null ? null : this.#timeoutMs - (performance.now() - this.startedAt);
    const priority = this.#priority;
    return priority === undefined ? { timeoutMs } : { timeoutMs, priority: readPriority(priority, PRIORITY) };
  }

  reply(message: ProtoWriter): void {
    if (!this.#finish('OK')) return;
    this.#respond();
    const framed = message.finish(PREFIX);
    if (this.#compresses && framed.length >= LEAST_COMPRESSED) {
      this.#writeCompressed(framed);
      this.#end();
    } else if (this.#deflating !== null) {
      this.#later(() => this.#stream.write(fillPrefix(framed)));
      this.#end();
    } else this.#stream.end(fillPrefix(framed));
  }

  send(message: ProtoWriter): void {
    if (this.#over) return;
    this.#respond();
    const framed = message.finish(PREFIX);
    if (this.#compresses && framed.length >= LEAST_COMPRESSED) this.#writeCompressed(framed);
    else this.#later(() => this.#stream.write(fillPrefix(framed)));
    // A client that does not read its answers is not read either.
    if (this.#incoming !== null && this.#stream.writableNeedDrain) this.#stream.pause();
  }

  end(): void {
    if (!this.#finish('OK')) return;
    this.#respond();
    this.#end();
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
    if (this.#responded) this.#end();
    else this.#abandon();
    this.#responded = true;
  }

  onClose(callback: () => void): void {
    (this.#onClose ??= []).push(callback);
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

  sendTrailers(): void {
    this.#stream.sendTrailers(this.#trailers);
    // A reset in the same turn would overtake the trailers.
    if (!this.#stream.readableEnded) setImmediate(() => this.#abandon());
  }

  #respond(): void {
    if (this.#responded) return;
    this.#responded = true;
    this.#stream.on('wantTrailers', onWantTrailers);
    const headers: OutgoingHttpHeaders = {
      ':status': 200,
      'content-type': 'application/grpc',
      'x-request-id': this.id,
      [sensitiveHeaders]: NOT_INDEXED,
    };
    if (this.#compresses) headers['grpc-encoding'] = this.#encoding;
    this.#stream.respond(headers, RESPOND_OPTIONS);
  }

  #writeCompressed(framed: Buffer): void {
    const run = this.#encoding === 'gzip' ? gzip : deflate;
    const compressed = new Promise<Buffer>((resolve) => {
      // Level 1: numbers hardly get smaller by more effort. Who cannot compress sends as it is.
      run(framed.subarray(PREFIX), { level: 1 }, (error, result) => resolve(error === null ? result : NOTHING));
    });
    this.#deflating = (this.#deflating ?? Promise.resolve())
      .then(() => compressed)
      .then((bytes) => {
        if (this.#stream.destroyed) return;
        const smaller = bytes.length > 0 && bytes.length < framed.length - PREFIX;
        this.#stream.write(smaller ? compressedFrame(bytes) : fillPrefix(framed));
      });
  }

  /** Now, or when what is being compressed was written. */
  #later(action: () => void): void {
    if (this.#deflating === null) action();
    else {
      this.#deflating = this.#deflating.then(() => {
        if (!this.#stream.destroyed) action();
      });
    }
  }

  #end(): void {
    this.#later(() => this.#stream.end());
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

  closed(): void {
    if (this.#over) return;
    this.#finish('CANCELLED');
    for (const callback of this.#onClose ?? []) callback();
  }

  #failed(thrown: unknown): void {
    this.fail(asSlipwayError(thrown));
  }

  #count(pending: number): boolean {
    const allowed = this.#host.received(pending - this.#counted);
    this.#counted = pending;
    return allowed;
  }

  data(chunk: Buffer): void {
    if (this.#over) return;
    try {
      // The usual call: one message, not compressed, in one piece.
      if (this.#frames === null && isWholeMessage(chunk, this.#host.maxMessageBytes)) {
        this.#received(chunk.subarray(PREFIX));
        return;
      }
      this.#frames ??= new FrameReader(this.#host.maxMessageBytes);
      const frames = this.#frames.add(chunk);
      if (!this.#count(this.#frames.pending)) {
        throw fail('SERVER_BUSY', {});
      }
      for (const frame of frames) {
        if (frame.compressed) this.#inflate(frame);
        else this.#received(frame.message);
      }
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  #received(message: Buffer): void {
    if (this.#inflating === null) this.#complete(message);
    else this.#after(() => this.#complete(message));
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
      if (this.#incoming.full || this.#stream.writableNeedDrain) this.#stream.pause();
      return;
    }
    if (this.#message !== null) {
      throw fail('REQUEST_MALFORMED', { problem: 'more than one message; this call takes one' });
    }
    this.#message = message;
  }

  ended(): void {
    this.#after(() => this.#allReceived());
  }

  #allReceived(): void {
    if (this.#frames !== null && this.#frames.pending > 0) {
      throw fail('REQUEST_MALFORMED', { problem: 'the request ends in the middle of a message' });
    }
    if (this.#incoming !== null) this.#incoming.end();
    else if (this.#message === null) throw fail('REQUEST_MALFORMED', { problem: 'the request has no message' });
    else if (this.#method.kind === 'unary') this.#method.handle(this, this.#message);
  }

  drained(): void {
    if (this.#incoming?.full === false) this.#resume();
  }

  #resume(): void {
    if (!this.#over && !this.#stream.writableNeedDrain) this.#stream.resume();
  }
}

const COMPRESSIONS: ReadonlySet<string> = new Set(['gzip', 'deflate']);
const OK_TRAILERS: Readonly<Record<string, number>> = Object.freeze({ 'grpc-status': 0 });
const RESPOND_OPTIONS = Object.freeze({ waitForTrailers: true });
const NOTHING = Buffer.alloc(0);
/** A value that is never sent again would only push others out of the compression tables of both sides. */
const NOT_INDEXED = ['x-request-id'];

function accepts(headers: IncomingHttpHeaders, encoding: string): boolean {
  const accepted = headers['grpc-accept-encoding'];
  return typeof accepted === 'string' && accepted.split(',').some((name) => name.trim() === encoding);
}

const hasSystemCode = (error: Error, code: string): boolean => 'code' in error && error.code === code;
