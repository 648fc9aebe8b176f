/**
 * Models given by path: one `.onnx` file, one model directory, or a directory of numbered versions as TensorFlow
 * Serving and Triton lay them out (`MODEL/3/model.onnx`).
 *
 * Nobody tells us when a copy into a version directory is finished. So a version is complete when its files have not
 * changed (by change time, which no copy preserves) for a while; a truncated file that slips through fails to load and is tried
 * again when it changes.
 */
import { type Digest, digestOfJson, fail, fromSystemError, MANIFEST_FILE, readModelDirectory } from '@slipway/core';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Candidate, Located, Source } from './source.ts';

/** Files of one version that are looked at; a model directory has a handful. */
const MAX_FILES = 10_000;

/** @param settleMs how long the files of a version must have been left alone */
export async function pathSource(name: string, at: string, settleMs: number, wall: () => number): Promise<Source> {
  const absolute = path.resolve(at);
  let isFile: boolean;
  try {
    isFile = (await stat(absolute)).isFile();
  } catch (error) {
    throw fromSystemError(error, absolute, 'reading');
  }
  if (isFile) return fixedSource(name, absolute, () => Promise.resolve({ path: absolute, serving: {} }), null);
  if (await exists(path.join(absolute, MANIFEST_FILE))) {
    const { manifest } = await readModelDirectory(absolute);
    const located = { path: absolute, serving: manifest.serving ?? {}, classes: manifest.labels };
    return fixedSource(name, absolute, () => Promise.resolve(located), digestOfJson(manifest));
  }
  if (await exists(path.join(absolute, 'saved_model.pb'))) {
    throw fail('MODEL_FORMAT', {
      path: absolute,
      problem: 'a TensorFlow SavedModel; convert it to ONNX first (python -m tf2onnx.convert)',
    });
  }
  return { description: `${name} in ${absolute}`, scan: () => scanVersions(name, absolute, settleMs, wall()) };
}

type Locate = () => Promise<Located>;

/** Loaded once, as version 1. */
function fixedSource(name: string, at: string, locate: Locate, digest: Digest | null): Source {
  const candidate: Candidate = {
    model: name,
    version: 1,
    fingerprint: at,
    complete: true,
    labels: [],
    digest,
    pinned: false,
    locate,
  };
  const listing = { models: new Map([[name, { candidates: [candidate] }]]), warnings: [] };
  return { description: at, scan: () => Promise.resolve(listing) };
}

async function scanVersions(
  model: string,
  directory: string,
  settleMs: number,
  now: number,
): ReturnType<Source['scan']> {
  const warnings: string[] = [];
  const chosen = new Map<number, string>();
  let entries;
  try {
    entries = await readdir(directory, { withFileTypes: true });
  } catch (error) {
    throw fromSystemError(error, directory, 'reading');
  }
  // By length first: of `1`, `01` and `001` the one without leading zeros is taken, whatever the order on disk.
  const names = entries.map((entry) => entry.name).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
  for (const name of names) {
    if (name.startsWith('.')) continue;
    const version = /^\d{1,15}$/.test(name) ? Number(name) : null;
    if (version === null) {
      warnings.push(`${path.join(directory, name)} is not a version: its name is not a whole number`);
    } else if (chosen.has(version)) {
      warnings.push(`${path.join(directory, name)} is version ${version} again; ${chosen.get(version) ?? ''} is used`);
    } else chosen.set(version, name);
  }
  const candidates: Candidate[] = [];
  for (const [version, name] of chosen) {
    const at = path.join(directory, name);
    const files = await fingerprint(at);
    if (files === null) continue;
    candidates.push({
      model,
      version,
      fingerprint: files.text,
      complete: files.count > 0 && now - files.changedAt >= settleMs,
      labels: [],
      digest: null,
      pinned: false,
      locate: () => locateVersion(at),
    });
  }
  return { models: new Map([[model, { candidates }]]), warnings };
}

/** Sizes and change times of all files below; null when the directory is gone. */
async function fingerprint(directory: string): Promise<{ text: string; changedAt: number; count: number } | null> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    if (entries.length > MAX_FILES) {
      throw fail('MODEL_LIMIT', { path: directory, problem: `${entries.length} files`, limit: MAX_FILES });
    }
    const lines: string[] = [];
    let changedAt = 0;
    for (const entry of entries) {
      const file = path.join(entry.parentPath, entry.name);
      const { size, ctimeMs, ino } = await stat(file);
      if (entry.isDirectory()) continue;
      changedAt = Math.max(changedAt, ctimeMs);
      lines.push(`${file}:${size}:${ctimeMs}:${ino}`);
    }
    return { text: lines.sort().join('\n'), changedAt, count: lines.length };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw fromSystemError(error, directory, 'reading');
  }
}

/** `slipway.json`, `model.onnx`, or the only `.onnx` file. */
async function locateVersion(directory: string): ReturnType<Locate> {
  if (await exists(path.join(directory, MANIFEST_FILE))) {
    const { manifest } = await readModelDirectory(directory);
    return { path: directory, serving: manifest.serving ?? {}, classes: manifest.labels };
  }
  const files = (await readdir(directory)).filter((name) => name.endsWith('.onnx'));
  const file = files.includes('model.onnx') ? 'model.onnx' : files[0];
  if (file === undefined || (files.length > 1 && file !== 'model.onnx')) {
    const problem =
      file === undefined
        ? 'there is no .onnx file'
        : `several .onnx files (${files.join(', ')}) and none is model.onnx`;
    throw fail('MODEL_FORMAT', { path: directory, problem });
  }
  return { path: path.join(directory, file), serving: {} };
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch {
    return false;
  }
}
