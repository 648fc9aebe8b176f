/** A model between two stages: the files in a directory, and the one digest that stands for them. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { type Digest, digestOfJson } from '@slipway/core';
import { type Model, readModelFile, writeModelFile } from '@slipway/onnx';

export const MODEL_FILE = 'model.onnx';

export interface ModelFiles {
  /** Relative to the directory of the stage; the model first, then its external data. */
  readonly files: readonly string[];
  readonly digest: Digest;
}

/** Write a model as `model.onnx` and, when it is too large for one file, its data beside it. */
export async function saveModel(model: Model, directory: string): Promise<ModelFiles> {
  const { files, digests } = await writeModelFile(path.join(directory, MODEL_FILE), model);
  // Of the file itself when it is one file, so that anybody can check it with sha256sum.
  const [first] = digests;
  const digest =
    first !== undefined && digests.length === 1
      ? first
      : digestOfJson(files.map((file, i) => ({ file, digest: digests[i] })));
  return { files, digest };
}

export function loadModel(directory: string): Promise<Model> {
  return readModelFile(path.join(directory, MODEL_FILE));
}

export async function bytesOf(directory: string, files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(path.join(directory, file))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
