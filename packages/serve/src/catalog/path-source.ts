/**
 * A model given by path: one `.onnx` file, one model directory (`slipway.json`), or a directory of numbered versions
 * (`model-tree.ts`). What is there is found out at every look until something is, so that a path may be written down before
 * anything is put there.
 */
import {
  type Digest,
  digestOfJson,
  fail,
  fromSystemError,
  MANIFEST_FILE,
  readModelDirectory,
  type SlipwayError,
} from '@slipway/core';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { scanModel } from './model-tree.ts';
import { type Candidate, type Listing, type Located, locatedBy, type Source } from './source.ts';
import { exists, SAVED_MODEL } from './version-directory.ts';

export interface PathOptions {
  /** How long the files of a version must have been left alone, milliseconds. */
  readonly settleMs: number;
  readonly wall: () => number;
}

/** @throws FILE_NOT_FOUND, MODEL_FORMAT, MANIFEST_INVALID */
export async function pathSource(name: string, at: string, { settleMs, wall }: PathOptions): Promise<Source> {
  const absolute = path.resolve(at);
  let file: { isFile(): boolean; size: number };
  try {
    file = await stat(absolute);
  } catch (error) {
    throw fromSystemError(error, absolute, 'reading');
  }
  if (file.isFile()) return fixedSource(name, absolute, { path: absolute, serving: {} }, null, file.size);
  if (await exists(path.join(absolute, MANIFEST_FILE))) {
    const { manifest } = await readModelDirectory(absolute);
    const located = locatedBy(manifest, absolute);
    const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
    return fixedSource(name, absolute, located, digestOfJson(manifest), bytes);
  }
  if (await exists(path.join(absolute, 'saved_model.pb'))) {
    throw fail('MODEL_FORMAT', { path: absolute, problem: SAVED_MODEL });
  }
  return {
    description: `${name} in ${absolute}`,
    async scan() {
      const { listed, warnings } = await scanModel(name, absolute, { settleMs, now: wall() });
      return { models: new Map([[name, listed]]), warnings };
    },
  };
}

/** The same for a path at which there may be nothing yet; what is wrong with it is the problem of the model. */
export function awaitedSource(name: string, at: string, options: PathOptions): Source {
  let found: Source | null = null;
  return {
    description: `${name} in ${at}`,
    async scan(): Promise<Listing> {
      try {
        found ??= await pathSource(name, at, options);
        return await found.scan();
      } catch (error) {
        return { models: new Map([[name, { candidates: [], problem: error as SlipwayError }]]), warnings: [] };
      }
    },
  };
}

/** Loaded once, as version 1. */
function fixedSource(name: string, at: string, located: Located, digest: Digest | null, bytes: number): Source {
  const candidate: Candidate = {
    model: name,
    version: 1,
    fingerprint: at,
    complete: true,
    labels: [],
    digest,
    pinned: false,
    bytes,
    locate: () => Promise.resolve(located),
  };
  const listing = { models: new Map([[name, { candidates: [candidate] }]]), warnings: [] };
  return { description: at, scan: () => Promise.resolve(listing) };
}
