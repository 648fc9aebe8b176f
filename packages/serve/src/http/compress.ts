/**
 * Answers compressed as the client accepts, in a thread of libuv. Only for routes that ask for it: every Python client says that
 * it accepts gzip, and compressing small answers costs more than it saves on the networks that servers are reached by.
 */
import { deflate, gzip, constants, type ZlibOptions } from 'node:zlib';
import type { Exchange } from './exchange.ts';

/** Smaller bodies fit one packet anyway. */
const LEAST_BYTES = 1024;
/** The fastest: on tensors the others gain a few percent for several times the time. */
const OPTIONS: ZlibOptions = { level: constants.Z_BEST_SPEED };

/** The exchange itself when the client accepts nothing of ours. */
export function compressing(exchange: Exchange): Exchange {
  const coding = acceptedCoding(exchange.header('accept-encoding'));
  if (coding === null) return exchange;
  const run = coding === 'gzip' ? gzip : deflate;
  return {
    id: exchange.id,
    method: exchange.method,
    path: exchange.path,
    query: exchange.query,
    body: exchange.body,
    header: (name) => exchange.header(name),
    release: () => exchange.release(),
    onClose: (callback) => exchange.onClose(callback),
    reply: (status, contentType, body, headers = []) => {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      if (status !== 200 || bytes.length < LEAST_BYTES) {
        exchange.reply(status, contentType, body, headers);
        return;
      }
      run(bytes, OPTIONS, (error, packed) => {
        if (error !== null || packed.length >= bytes.length) exchange.reply(status, contentType, bytes, headers);
        else exchange.reply(status, contentType, packed, [...headers, 'Content-Encoding', coding]);
      });
    },
  };
}

/** gzip where both are accepted. `q=0` is a refusal; other weights do not matter between two. */
export function acceptedCoding(header: string | undefined): 'gzip' | 'deflate' | null {
  if (header === undefined) return null;
  const accepted = new Set<string>();
  for (const part of header.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((text) => text.trim());
    if (!parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))) accepted.add(coding);
  }
  if (accepted.has('gzip') || accepted.has('x-gzip')) return 'gzip';
  return accepted.has('deflate') ? 'deflate' : null;
}
