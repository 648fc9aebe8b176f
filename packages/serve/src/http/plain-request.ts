/**
 * The head of a *plain* request: the form nearly every request of a client library has, recognised straight from the
 * bytes.
 *
 * Plain is a strict subset of what is valid: GET or POST, HTTP/1.1, visible ASCII, one Host, at most a decimal
 * Content-Length, and none of the headers that change how a message is framed or answered. There is one way to read
 * such a request, so reading it here cannot disagree with a proxy in front of us. Whatever is not plain, malformed or merely
 * unusual, is not judged here: it goes, bytes untouched, to Node's own parser.
 */
import { LIMITS } from '@slipway/core';

export interface PlainHead {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly query: string;
  /** name, value, name, value */
  readonly headers: readonly string[];
  /** Bytes of the head, with the empty line. */
  readonly length: number;
  readonly bodyLength: number;
}

const MAX_HEAD_BYTES = 16 * 1024;

const REQUEST_LINE = /^(GET|POST) (\/[!-~]*) HTTP\/1\.1$/;
/** Names as people write them; values of visible ASCII with single spaces around words. */
const HEADER_LINE = /^([\w-]+): ?([!-~](?:[ -~]*[!-~])?)?$/;
const LENGTH = /^(?:0|[1-9]\d{0,9})$/;

/** Headers that ask for more than reading a body of known length and answering it. */
const NOT_PLAIN: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The head at the start of `bytes`; null when it is not plain, or not all there. */
export function readPlainHead(bytes: Buffer): PlainHead | null {
  const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
  if (end === -1 || end + 4 > MAX_HEAD_BYTES) return null;
  const [line = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const [, method, target = ''] = REQUEST_LINE.exec(line) ?? [];
  if ((method !== 'GET' && method !== 'POST') || lines.length > LIMITS.maxHeaders) return null;
  const headers: string[] = [];
  let hosts = 0;
  let bodyLength: number | null = null;
  for (const header of lines) {
    const [, name, value = ''] = HEADER_LINE.exec(header) ?? [];
    if (name === undefined) return null;
    const lower = name.toLowerCase();
    if (lower === 'host') hosts++;
    else if (lower === 'content-length') {
      if (bodyLength !== null || !LENGTH.test(value)) return null;
      bodyLength = Number(value);
    } else if (NOT_PLAIN.has(lower) && !(lower === 'connection' && value.toLowerCase() === 'keep-alive')) return null;
    headers.push(name, value);
  }
  if (hosts !== 1 || (method === 'POST' && bodyLength === null) || (method === 'GET' && (bodyLength ?? 0) > 0)) {
    return null;
  }
  const mark = target.indexOf('?');
  return {
    method,
    path: mark === -1 ? target : target.slice(0, mark),
    query: mark === -1 ? '' : target.slice(mark + 1),
    headers,
    length: end + 4,
    bodyLength: bodyLength ?? 0,
  };
}
