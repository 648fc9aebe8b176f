/**
 * One HTTP request and its answer, as the protocols see them: whatever front reads the socket, they get this.
 * The body is complete and decoded before a handler runs; the answer is one status, one body.
 */

import type { SlipwayError } from '@slipway/core';
import type { ErrorAnswer } from './errors.ts';

export interface Exchange {
  /** `x-request-id` of the client when it is sane, otherwise ours; on the answer and on every log line. */
  readonly id: string;
  readonly method: string;
  /** As sent, without the query. Never decoded as a whole: `%2f` is not a separator. */
  readonly path: string;
  readonly query: string;
  readonly body: Buffer;
  /** The value of a header; `name` in lower case. */
  header(name: string): string | undefined;
  /** Answer. Headers are name, value, name, value. A second answer is ignored. */
  reply(status: number, contentType: string | null, body: Buffer | string, headers?: readonly string[]): void;
  /** Nothing refers to the body any more, not even a runner; its memory may be used again. */
  release(): void;
  /** Called when the client is gone before the answer. At most one. */
  onClose(callback: () => void): void;
}

/** An error as an answer, in the words of one protocol. */
export type EncodeError = (error: SlipwayError, exchange: Exchange) => ErrorAnswer;

export interface Endpoint {
  /** The route as a template, for metrics: `/v2/models/{model}/infer`. */
  readonly route: string;
  readonly methods: readonly string[];
  /** For errors met outside `handle`: a method, a Content-Type or a body that is refused. Default: as everywhere. */
  readonly encodeError?: EncodeError;
  /** May throw a SlipwayError; it becomes the answer. */
  handle(exchange: Exchange): void;
}

/** Finds what answers a path; null when nothing does. May throw, for a path that is nearly right. */
export type Router = (path: string) => Endpoint | null;
