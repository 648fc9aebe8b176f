/**
 * Reading a request body: bounded before it is buffered, bounded again while it is inflated.
 */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import type { IncomingMessage } from 'node:http';
import { gunzip, inflate, inflateRaw, type ZlibOptions } from 'node:zlib';
import type { BodyPool } from './body-pool.ts';
import { findHeader } from './headers.ts';

const NOTHING = Buffer.alloc(0);
/** More fragments than this, and small ones, is someone wasting our time (Triton's limit on chunks). */
const MAX_FRAGMENTS = 1 << 16;

/** `pooled`: the body is from the pool, and can go back when nothing refers to it. */
type Done = (error: SlipwayError | null, body: Buffer, pooled?: boolean) => void;

/** Calls `done` once, with the body decoded, or with BODY_TOO_LARGE, MEDIA_TYPE_UNSUPPORTED or REQUEST_MALFORMED. */
export function readBody(request: IncomingMessage, limit: number, pool: BodyPool, done: Done): void {
  const declared = findHeader(request.rawHeaders, 'content-length');
  if (declared !== undefined && Number(declared) > limit) {
    done(fail('BODY_TOO_LARGE', { limit }), NOTHING);
    return;
  }
  const encoding = findHeader(request.rawHeaders, 'content-encoding')?.trim().toLowerCase() ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip' && encoding !== 'x-gzip' && encoding !== 'deflate') {
    done(fail('MEDIA_TYPE_UNSUPPORTED', { problem: 'Content-Encoding must be gzip or deflate' }), NOTHING);
    return;
  }
  let first: Buffer | null = null;
  let parts: Buffer[] | null = null;
  let size = 0;
  let settled = false;
  const settle: Done = (error, body, pooled) => {
    if (settled) return;
    settled = true;
    done(error, body, pooled);
  };
  const jsonLength = Number(findHeader(request.rawHeaders, 'inference-header-content-length'));
  const expected = encoding === 'identity' && declared !== undefined ? Number(declared) : 0;
  const target = pool.take(expected, Number.isSafeInteger(jsonLength) ? jsonLength : 0);
  request.on('data', (chunk: Buffer) => {
    if (settled) return;
    size += chunk.length;
    if (size > limit) {
      settle(fail('BODY_TOO_LARGE', { limit }), NOTHING);
      return;
    }
    if (target !== null) chunk.copy(target, size - chunk.length);
    else if (first === null) first = chunk;
    else {
      parts ??= [first];
      if (parts.push(chunk) > MAX_FRAGMENTS && size < parts.length * 64) {
        settle(fail('REQUEST_MALFORMED', { problem: 'the body comes in too many tiny chunks' }), NOTHING);
      }
    }
  });
  request.on('end', () => {
    if (target !== null) {
      settle(null, target, true);
      return;
    }
    const body = parts === null ? (first ?? NOTHING) : Buffer.concat(parts, size);
    if (encoding === 'identity' || settled) settle(null, body);
    else decompress(body, encoding === 'deflate', limit, settle);
  });
  request.on('error', () => undefined);
}

/** `deflate` means zlib to the standard and raw deflate to some clients; the first byte tells. */
function decompress(body: Buffer, deflated: boolean, limit: number, done: Done): void {
  const options: ZlibOptions = { maxOutputLength: limit };
  const raw = ((body[0] ?? 0) & 0x0f) !== 8;
  const run = deflated ? (raw ? inflateRaw : inflate) : gunzip;
  run(body, options, (error, result) => {
    if (error === null) {
      done(null, result);
      return;
    }
    const tooLarge = 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    const problem = `the compressed body cannot be read: ${asSlipwayError(error).params.problem ?? ''}`;
    done(tooLarge ? fail('BODY_TOO_LARGE', { limit }) : fail('REQUEST_MALFORMED', { problem }), NOTHING);
  });
}
