/**
 * Request headers as the parser gives them (name, value, name, value), searched and checked in place: building an object
 * of them for every request costs more than the three look-ups a request needs.
 */
import { fail, LIMITS } from '@slipway/core';

/** The first value of a header; `name` in lower case. */
export function findHeader(raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i < raw.length; i += 2) {
    const candidate = raw[i] as string;
    if (candidate.length === name.length && candidate.toLowerCase() === name) return raw[i + 1];
  }
  return undefined;
}

const SANE_ID = /^[\w.:@/+=-]{1,128}$/;

/** The client's request id when it can stand in a header and a log line. */
export function clientRequestId(raw: readonly string[]): string | undefined {
  const given = findHeader(raw, 'x-request-id');
  return given !== undefined && SANE_ID.test(given) ? given : undefined;
}

/**
 * What Node's parser lets through and a proxy in front of us might read differently.
 * @throws HEADERS_TOO_LARGE, REQUEST_MALFORMED
 */
export function checkHeaders(raw: readonly string[], httpVersion: string): void {
  if (raw.length > 2 * LIMITS.maxHeaders) {
    throw fail('HEADERS_TOO_LARGE', { problem: `more than ${LIMITS.maxHeaders} headers` });
  }
  let hosts = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      if (raw[i + 1]?.trim().toLowerCase() !== 'chunked') {
        throw fail('REQUEST_MALFORMED', { problem: 'only the transfer encoding "chunked" is accepted' });
      }
    }
  }
  if (hosts === 0 && httpVersion === '1.1') throw fail('REQUEST_MALFORMED', { problem: 'no Host header' });
  if (hosts > 1) throw fail('REQUEST_MALFORMED', { problem: 'more than one Host header' });
}
