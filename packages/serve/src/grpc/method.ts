/** What a service offers to the transport, and what the transport offers to it. */
import type { SlipwayError } from '@slipway/core';
import type { Terms } from '../schedule/terms.ts';
import type { StatusName } from './status.ts';
import type { ProtoWriter } from './writer.ts';

/** One remote procedure call. It ends once: by `reply`, `end` or `fail`; what comes after is ignored. */
export interface Call {
  readonly id: string;
  /** What the client says in its metadata: how long it still waits, and its priority. @throws REQUEST_MALFORMED */
  terms(): Terms;
  /** The one message of the answer, and the end. */
  reply(message: ProtoWriter): void;
  /** One of several messages. */
  send(message: ProtoWriter): void;
  end(): void;
  /** A protocol may have its own status and words for an error. */
  fail(error: SlipwayError, status?: StatusName, message?: string): void;
  /** Called when the client is gone before the end. Any number. */
  onClose(callback: () => void): void;
  /** Called when the server shuts down: a call that does not end by itself ends now. At most one. */
  onDrain(callback: () => void): void;
}

/** Reads the messages of a client that sends several. */
export interface Incoming {
  message(bytes: Buffer): void;
  /** The client has sent its last. */
  end(): void;
  /** True while no more should be read. */
  readonly full: boolean;
}

export type Method =
  /** One message from the client. May throw a SlipwayError; it becomes the answer. */
  | { readonly kind: 'unary'; handle(call: Call, message: Buffer): void }
  | { readonly kind: 'stream'; open(call: Call, resume: () => void): Incoming };

/** By path: `/package.Service/Method`. */
export type Methods = Readonly<Record<string, Method>>;
