/** Objects of a bucket as files: all of them, each as it was listed, or nothing. */
import { ensureDirectory, fail, fromSystemError } from '@slipway/core';
import { createHash, randomUUID } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { BucketClient, BucketObject } from './client.ts';

/** Objects fetched at a time; a model has few, and they are large. */
const AT_ONCE = 4;

/**
 * @param base what the keys begin with; the rest is the path below `destination`
 * @returns `destination`
 * @throws SOURCE_UNREADABLE, DIGEST_MISMATCH, DISK_FULL
 */
export async function fetchTree(
  client: BucketClient,
  objects: readonly BucketObject[],
  base: string,
  destination: string,
): Promise<string> {
  // By content, so that what is there is the same.
  if (
    await stat(destination).then(
      () => true,
      () => false,
    )
  ) {
    return destination;
  }
  const temporary = path.join(path.dirname(destination), `.${randomUUID()}`);
  try {
    await ensureDirectory(temporary);
    const left = [...objects];
    const worker = async (): Promise<void> => {
      for (let object = left.pop(); object !== undefined; object = left.pop()) {
        await fetchFile(client, object, path.join(temporary, object.key.slice(base.length)));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    await rename(temporary, destination);
    return destination;
  } catch (error) {
    throw fromSystemError(error, destination, 'downloading the model');
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function fetchFile(client: BucketClient, object: BucketObject, file: string): Promise<void> {
  const { body, md5, sha256 } = await client.get(object);
  await ensureDirectory(path.dirname(file));
  const handle = await open(file, 'wx', 0o644);
  const hashes = { md5: createHash('md5'), sha256: createHash('sha256') };
  let size = 0;
  try {
    for await (const piece of body) {
      size += piece.length;
      if (size > object.size) break;
      if (md5 !== null) hashes.md5.update(piece);
      if (sha256 !== null) hashes.sha256.update(piece);
      await handle.writeFile(piece);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  const { key } = object;
  if (size !== object.size) {
    throw fail('SOURCE_UNREADABLE', { source: key, problem: `has ${size} bytes, and was listed with ${object.size}` });
  }
  check(key, md5, () => hashes.md5.digest('hex'), 'MD5');
  check(key, sha256, () => hashes.sha256.digest('base64'), 'SHA-256');
}

function check(key: string, expected: string | null, actual: () => string, kind: string): void {
  if (expected === null) return;
  const found = actual();
  if (found !== expected) {
    throw fail('DIGEST_MISMATCH', { path: key, actual: `${kind} ${found}`, expected: `${kind} ${expected}` });
  }
}
