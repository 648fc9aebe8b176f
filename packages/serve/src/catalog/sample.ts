/** One row of what a release was proven with: a request that is known to work, for documentation to show. */
import {
  byteLength,
  MANIFEST_FILE,
  readModelDirectory,
  rows,
  type Signature,
  type Tensor,
  type Tensors,
  type Transforms,
} from '@slipway/core';
import { readGolden } from '@slipway/runtime';
import { stat } from 'node:fs/promises';
import path from 'node:path';

/** What a page can show; kept for as long as the version is loaded. */
const MAX_BYTES = 64 * 1024;

/** The inputs of a client that are the bytes of an image file. */
export const imageInputs = (transforms: Transforms | undefined): readonly string[] =>
  transforms?.inputs?.flatMap((step) => (step.transform === 'decodeImage' ? [step.from] : [])) ?? [];

/**
 * The first golden sample of the model at `at`; null when it has none, or none of a size to show.
 * @param signature what the samples are samples of
 */
export async function readSample(at: string, signature: Signature): Promise<Tensors | null> {
  const isRelease = await stat(path.join(at, MANIFEST_FILE)).then(
    (of) => of.isFile(),
    () => false,
  );
  if (!isRelease) return null;
  const { manifest } = await readModelDirectory(at);
  if (manifest.golden === undefined) return null;
  const arrays = readGolden(at, manifest.golden);
  const inputs: Record<string, Tensor> = {};
  let size = 0;
  for (const { name } of signature.inputs) {
    const stacked = arrays.get(`input/${name}`);
    const value = stacked === undefined ? arrays.get(`input/${name}/0`) : rows(stacked, 0, 1);
    size += value === undefined ? Infinity : byteLength(value);
    if (value === undefined || size > MAX_BYTES) return null;
    inputs[name] = value;
  }
  return inputs;
}
