/**
 * The directory of one version (`MODEL/3`): what is in it, whether somebody still writes it, and which file of it is the model.
 *
 * Nobody tells us when a copy is finished. So a version is complete when its files have not changed (by change time, which no
 * copy preserves) for a while; a manifest has digests, which are checked; a truncated file that slips through fails to load
 * and is tried again when it changes.
 */
import { fail, fromSystemError, MANIFEST_FILE, readModelDirectory } from '@slipway/core';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { type Located, locatedBy } from './source.ts';

/** Files of one version that are looked at; a model directory has a handful. */
const MAX_FILES = 10_000;

interface Contents {
  /** Different content, different text: sizes, change times and places of all files. */
  readonly fingerprint: string;
  /** When the last of them changed, milliseconds since the epoch. */
  readonly changedAt: number;
  readonly count: number;
  readonly bytes: number;
}

/** null when the directory is gone. @throws MODEL_LIMIT, FILE_UNREADABLE */
export async function contentsOf(directory: string): Promise<Contents | null> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    if (entries.length > MAX_FILES) {
      throw fail('MODEL_LIMIT', { path: directory, problem: `${entries.length} files`, limit: MAX_FILES });
    }
    const lines: string[] = [];
    let changedAt = 0;
    let bytes = 0;
    for (const entry of entries) {
      const file = path.join(entry.parentPath, entry.name);
      const { size, ctimeMs, ino } = await stat(file);
      if (entry.isDirectory()) continue;
      changedAt = Math.max(changedAt, ctimeMs);
      bytes += size;
      lines.push(`${file}:${size}:${ctimeMs}:${ino}`);
    }
    return { fingerprint: lines.sort().join('\n'), changedAt, count: lines.length, bytes };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw fromSystemError(error, directory, 'reading');
  }
}

/**
 * `slipway.json`, the file that the configuration names, `model.onnx`, or the only `.onnx` file.
 * @throws MODEL_FORMAT, MANIFEST_INVALID, DIGEST_MISMATCH
 */
export async function locateVersion(directory: string, modelFile: string | null): Promise<Located> {
  if (await exists(path.join(directory, MANIFEST_FILE))) {
    const { manifest } = await readModelDirectory(directory, { verify: true });
    return locatedBy(manifest, directory);
  }
  const all = await readdir(directory);
  const files = all.filter((name) => name.endsWith('.onnx'));
  const preferred = modelFile ?? 'model.onnx';
  if (all.includes(preferred)) return { path: path.join(directory, preferred), serving: {} };
  const [file, second] = files;
  if (modelFile === null && file !== undefined && second === undefined) {
    return { path: path.join(directory, file), serving: {} };
  }
  const problem =
    modelFile !== null
      ? `there is no "${modelFile}"`
      : all.includes('saved_model.pb')
        ? SAVED_MODEL
        : file === undefined
          ? 'there is no .onnx file'
          : `several .onnx files (${files.join(', ')}) and none is model.onnx`;
  throw fail('MODEL_FORMAT', { path: directory, problem });
}

export const SAVED_MODEL = 'a TensorFlow SavedModel; convert it to ONNX first (python -m tf2onnx.convert)';

export async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch {
    return false;
  }
}
