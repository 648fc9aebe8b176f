/** Status, message and timeout, as gRPC writes them in headers and trailers. */
import { fail, type GrpcStatus, type SlipwayError } from '@slipway/core';

/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export const STATUS_CODE = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const satisfies Record<GrpcStatus | 'OK', number>;

export type StatusName = keyof typeof STATUS_CODE;

const ESCAPED = /[^\x20-\x24\x26-\x7e]/gu;

/** The trailers of a call that failed; a protocol may have its own words and status for an error. */
export function errorTrailers(
  error: SlipwayError,
  status: StatusName = error.definition.grpc,
  message: string = error.message,
): Record<string, string | number> {
  const trailers: Record<string, string | number> = {
    'grpc-status': STATUS_CODE[status],
    'grpc-message': percentEncoded(message),
    'slipway-code': error.code,
    'slipway-hint': percentEncoded(error.remedy),
  };
  // For clients with a retry policy: not before this.
  if (error.httpStatus === 429) trailers['grpc-retry-pushback-ms'] = Number(error.params.retryAfter ?? 1) * 1000;
  return trailers;
}

/** What is not printable ASCII, and `%`, as the UTF-8 bytes in `%XX`. Cut where it would make the headers too large. */
export function percentEncoded(text: string): string {
  return text
    .slice(0, 2000)
    .replace(ESCAPED, (character) =>
      [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    );
}

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** The header `grpc-timeout` in milliseconds: at most eight digits and a unit. @throws REQUEST_MALFORMED */
export function parseTimeout(text: string | undefined): number | null {
  if (text === undefined) return null;
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  if (match === null) throw fail('REQUEST_MALFORMED', { problem: `grpc-timeout "${text.slice(0, 40)}" is not a time` });
  return Number(match[1]) * (UNIT_MS[match[2] as string] as number);
}
