/**
 * What of a store is garbage: blobs that `index.json` does not reach, temporary files nobody is writing any more, and
 * checkouts of releases that are gone. When something reachable cannot be read, nothing is removed: what it reaches
 * would be unknown.
 */
import { lstat, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { type Digest, isDigest } from '../digest.ts';
import { fromSystemError } from '../errors.ts';
import type { Garbage } from '../store.ts';
import { LIMITS } from '../limits.ts';
import { readJsonBlob } from './blobs.ts';
import { entriesOf } from './index-file.ts';
import { type Descriptor, descriptorSchema, MEDIA, type OciIndex } from './layout.ts';
import { blobPath, hexOf, type Place } from './place.ts';

/** Blobs that refer to others; in docker's form too, because other tools may keep images in the same layout. */
const DOCUMENTS = new Set<string>([
  MEDIA.manifest,
  MEDIA.index,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
/** Either a manifest or an index. */
const documentSchema = z.looseObject({
  config: descriptorSchema.optional(),
  layers: z.array(descriptorSchema).default([]),
  manifests: z.array(descriptorSchema).default([]),
});

export interface GarbageOptions {
  readonly dryRun: boolean;
  /** Temporary files changed at or after this time (ms since the epoch) stay. */
  readonly keepSince: number;
}

/** Under the lock, unless it is a dry run. */
export async function collect(place: Place, index: OciIndex, options: GarbageOptions): Promise<Garbage> {
  try {
    const live = await reachable(place, index);
    const removedBlobs: Digest[] = [];
    let bytes = 0;
    const remove = async (at: string): Promise<void> => {
      bytes += await sizeOf(at);
      if (!options.dryRun) await rm(at, { recursive: true, force: true });
      await place.step('garbage.removed');
    };
    for (const hex of await namesIn(place.blobs)) {
      const digest = `sha256:${hex}`;
      if (!isDigest(digest) || live.has(digest)) continue;
      await remove(blobPath(place, digest));
      removedBlobs.push(digest);
    }
    const releases = new Set(entriesOf(index).map((entry) => hexOf(entry.digest)));
    for (const hex of await namesIn(place.checkouts)) {
      if (!releases.has(hex)) await remove(path.join(place.checkouts, hex));
    }
    const temporary = (await namesIn(place.temporary)).map((name) => path.join(place.temporary, name));
    const locks = (await namesIn(place.root))
      .filter((name) => name.startsWith('lock.'))
      .map((name) => path.join(place.root, name));
    for (const at of [...temporary, ...locks]) {
      const changed = await lstat(at).catch(() => null);
      if (changed !== null && changed.mtimeMs < options.keepSince) await remove(at);
    }
    return { removedBlobs, bytes };
  } catch (error) {
    throw fromSystemError(error, place.root, 'collecting garbage');
  }
}

async function reachable(place: Place, index: OciIndex): Promise<Set<Digest>> {
  const live = new Set<Digest>();
  const queue: Descriptor[] = [...index.manifests];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (live.has(next.digest)) continue;
    live.add(next.digest);
    if (!DOCUMENTS.has(next.mediaType)) continue;
    const document = await readJsonBlob(place, next.digest, LIMITS.maxOciManifestBytes, documentSchema);
    queue.push(...document.manifests, ...document.layers);
    if (document.config !== undefined) queue.push(document.config);
  }
  return live;
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  });
}

async function sizeOf(at: string): Promise<number> {
  const found = await lstat(at).catch(() => null);
  if (found === null) return 0;
  if (!found.isDirectory()) return found.size;
  let sum = 0;
  for (const name of await namesIn(at)) sum += await sizeOf(path.join(at, name));
  return sum;
}
