/** Where a store keeps what. Everything lies below one directory, so that every rename stays on one file system. */
import path from 'node:path';
import type { Digest } from '../digest.ts';
import type { Step } from '../durable.ts';

export interface Place {
  readonly root: string;
  readonly marker: string;
  readonly index: string;
  readonly blobs: string;
  /** What is being written. Nothing here is ever read; old leftovers are garbage. */
  readonly temporary: string;
  readonly checkouts: string;
  readonly lock: string;
  readonly step: Step;
}

export function placeOf(directory: string, step: Step): Place {
  const root = path.resolve(directory);
  return {
    root,
    marker: path.join(root, 'oci-layout'),
    index: path.join(root, 'index.json'),
    blobs: path.join(root, 'blobs', 'sha256'),
    temporary: path.join(root, 'tmp'),
    checkouts: path.join(root, 'checkouts'),
    lock: path.join(root, 'lock'),
    step,
  };
}

export const hexOf = (digest: Digest): string => digest.slice('sha256:'.length);

export const blobPath = (place: Place, digest: Digest): string => path.join(place.blobs, hexOf(digest));
