/**
 * The body of every error answer. TensorFlow Serving, the Open Inference Protocol and KServe v1 agree on
 * `{"error": "text"}`; ours adds a stable code, the request id and what to do, beside it.
 */
import type { SlipwayError } from '@slipway/core';

export interface ErrorAnswer {
  readonly status: number;
  readonly body: string;
  readonly headers: readonly string[];
}

export function errorAnswer(error: SlipwayError, requestId: string): ErrorAnswer {
  const body = { error: error.message, code: error.code, request_id: requestId, hint: error.remedy };
  return { status: error.httpStatus, body: JSON.stringify(body), headers: extraHeaders(error) };
}

function extraHeaders(error: SlipwayError): readonly string[] {
  if (error.code === 'METHOD_NOT_ALLOWED') return ['Allow', String(error.params.allowed)];
  if (error.httpStatus === 429 || error.httpStatus === 503) {
    return ['Retry-After', String(error.params.retryAfter ?? 1)];
  }
  return [];
}
