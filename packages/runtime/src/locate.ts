/** What a runner is given to serve: a model directory, or a bare `.onnx` file, which has no manifest and proves nothing. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { fail, fromSystemError, type Manifest, readModelDirectory } from '@slipway/core';

export interface Located {
  /** Absolute path of what the engine loads. */
  readonly file: string;
  readonly directory: string;
  readonly manifest: Manifest | null;
}

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE, MANIFEST_INVALID */
export async function locate(given: string): Promise<Located> {
  const absolute = path.resolve(given);
  try {
    const found = await stat(absolute);
    if (found.isDirectory()) {
      const { manifest, directory } = await readModelDirectory(absolute);
      return { file: path.join(directory, manifest.entry), directory, manifest };
    }
    if (!found.isFile()) throw fail('FILE_UNREADABLE', { path: absolute, problem: 'it is not a regular file' });
  } catch (error) {
    throw fromSystemError(error, absolute, 'reading');
  }
  return { file: absolute, directory: path.dirname(absolute), manifest: null };
}
