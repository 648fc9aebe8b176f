/**
 * Blobs: content named by its digest. A blob is staged first (written to a temporary file while it is hashed, and
 * flushed), which needs no lock and may take long, and then committed by a rename, which is quick and happens under the
 * lock. A blob that is there already is replaced by the same bytes, which also heals a damaged one.
 */
import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { z } from 'zod';
import { type Digest, digestOf } from '../digest.ts';
import { ensureDirectory, syncDirectory } from '../durable.ts';
import { fail, fromSystemError, hasCode } from '../errors.ts';
import { JsonProblem, parseJson, readBounded } from '../json-file.ts';
import { blobPath, type Place } from './place.ts';

export type Write = (chunk: Uint8Array) => Promise<void>;

export interface StagedBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly file: string;
}

/** @throws DISK_FULL, READ_ONLY; nothing is left then */
export async function stageBlob(place: Place, produce: (write: Write) => Promise<void>): Promise<StagedBlob> {
  const file = path.join(place.temporary, randomUUID());
  try {
    await ensureDirectory(place.temporary);
    const handle = await open(file, 'wx', 0o644);
    const hash = createHash('sha256');
    let size = 0;
    try {
      await produce(async (chunk) => {
        hash.update(chunk);
        size += chunk.length;
        await handle.writeFile(chunk);
        await place.step('blob.writing');
      });
      await handle.sync();
    } finally {
      await handle.close();
    }
    await place.step('blob.staged');
    return { digest: `sha256:${hash.digest('hex')}`, size, file };
  } catch (error) {
    await rm(file, { force: true }).catch(() => undefined);
    throw fromSystemError(error, file, 'writing to the store');
  }
}

export function stageBytes(place: Place, content: string): Promise<StagedBlob> {
  return stageBlob(place, (write) => write(Buffer.from(content)));
}

export async function discard(staged: readonly StagedBlob[]): Promise<void> {
  await Promise.all(staged.map((blob) => rm(blob.file, { force: true }).catch(() => undefined)));
}

/** Under the lock. Durable when it returns. */
export async function commitBlobs(place: Place, staged: readonly StagedBlob[]): Promise<void> {
  for (const blob of staged) {
    await rename(blob.file, blobPath(place, blob.digest));
    await place.step('blob.committed');
  }
  await syncDirectory(place.blobs);
}

/**
 * A small document, verified.
 * @throws STORE_CORRUPT, DIGEST_MISMATCH
 */
export async function readBlob(place: Place, digest: Digest, maxBytes: number): Promise<Buffer> {
  const at = blobPath(place, digest);
  let content: Buffer;
  try {
    content = await readBounded(at, maxBytes);
  } catch (error) {
    if (hasCode(error, 'FILE_NOT_FOUND')) throw fail('STORE_CORRUPT', { path: at, problem: 'the blob is missing' });
    if (error instanceof JsonProblem) throw fail('STORE_CORRUPT', { path: at, problem: `the blob ${error.message}` });
    throw error;
  }
  const actual = digestOf(content);
  if (actual !== digest) throw fail('DIGEST_MISMATCH', { path: at, actual, expected: digest });
  return content;
}

/** @throws STORE_CORRUPT, DIGEST_MISMATCH */
export async function readJsonBlob<T>(
  place: Place,
  digest: Digest,
  maxBytes: number,
  schema: z.ZodType<T>,
): Promise<T> {
  const content = await readBlob(place, digest, maxBytes);
  try {
    return parseJson(content, schema);
  } catch (error) {
    if (error instanceof JsonProblem) {
      throw fail('STORE_CORRUPT', { path: blobPath(place, digest), problem: error.message });
    }
    throw error;
  }
}
