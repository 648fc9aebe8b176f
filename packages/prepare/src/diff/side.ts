/** One side of a comparison: a release, a model directory or an ONNX file, and what is known of it. */
import { existsSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import {
  type CandidateReport,
  type Digest,
  digestOfFile,
  fromSystemError,
  type Manifest,
  MANIFEST_FILE,
  openStore,
  readModelDirectory,
  type Report,
} from '@slipway/core';

export interface Side {
  /** What the user called it. */
  readonly reference: string;
  /** `digits:2`, or the path of a file. */
  readonly name: string;
  /** Of the release, or of the file. */
  readonly digest: Digest;
  /** Path of the ONNX file. */
  readonly model: string;
  /** What a runner is started with: the model directory, or the file where there is none. */
  readonly runnable: string;
  readonly bytes: number;
  /** null for a file. */
  readonly manifest: Manifest | null;
  /** What its build measured of it, and where; null when nobody built it. */
  readonly measured: { readonly candidate: CandidateReport; readonly report: Report } | null;
}

/**
 * @param reference a path of a file or a model directory, or what a store resolves
 * @param cwd what a relative path is relative to
 * @throws FILE_NOT_FOUND, MANIFEST_INVALID, RELEASE_NOT_FOUND, REFERENCE_INVALID
 */
export async function openSide(reference: string, cwd: string, storeDirectory: string): Promise<Side> {
  const at = path.resolve(cwd, reference);
  if (existsSync(path.join(at, MANIFEST_FILE))) return ofDirectory(reference, at);
  if (reference.endsWith('.onnx') || (existsSync(at) && statSync(at).isFile())) return ofFile(reference, at);
  const store = await openStore(storeDirectory);
  const release = await store.resolve(reference);
  const report = await store.readReport(release);
  const candidate = report?.candidates.find(({ name }) => name === report.winner);
  const directory = await store.checkout(release);
  return {
    reference,
    name: `${release.name}:${release.version}`,
    digest: release.digest,
    model: path.join(directory, release.manifest.entry),
    runnable: directory,
    bytes: release.bytes,
    manifest: release.manifest,
    measured: report === null || candidate === undefined ? null : { candidate, report },
  };
}

async function ofDirectory(reference: string, directory: string): Promise<Side> {
  const { manifest } = await readModelDirectory(directory);
  return {
    reference,
    name: `${manifest.name} in ${reference}`,
    digest: await digestOfFile(path.join(directory, MANIFEST_FILE)),
    model: path.join(directory, manifest.entry),
    runnable: directory,
    bytes: manifest.files.reduce((sum, { size }) => sum + size, 0),
    manifest,
    measured: null,
  };
}

async function ofFile(reference: string, file: string): Promise<Side> {
  try {
    const { size } = await stat(file);
    const digest = await digestOfFile(file);
    return {
      reference,
      name: reference,
      digest,
      model: file,
      runnable: file,
      bytes: size,
      manifest: null,
      measured: null,
    };
  } catch (error) {
    throw fromSystemError(error, file, 'reading');
  }
}
