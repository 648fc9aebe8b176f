/**
 * Import: from whatever file the user has to a model in the form all passes expect. The file is decoded and checked, and what old
 * exporters do is put right (constants listed as inputs, biases of odd rank, nodes that compute constants). What it computes stays:
 * that is not believed but tried, see `probe.ts`.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import {
  type Digest,
  digestOfFile,
  digestOfJson,
  fail,
  isSafeRelativePath,
  type LineageStep,
  type Signature,
  type Transforms,
} from '@slipway/core';
import { assertModel, isExternal, type Model, normalise, readModelFile, signatureOf, tensorsOf } from '@slipway/onnx';
import type { BuildContext } from '../pipeline/context.ts';
import { type ModelFiles, MODEL_FILE, saveModel } from '../pipeline/model-files.ts';
import { probe } from './probe.ts';
import { withScalars } from './scalars.ts';

/** Raised when import makes something else of the same file. */
const IMPORT_VERSION = 2;

export interface Imported {
  readonly directory: string;
  readonly model: ModelFiles;
  readonly signature: Signature;
  readonly sourceDigest: Digest;
  readonly steps: readonly LineageStep[];
  /** What is to be done around the model by whoever runs it; paths of files are absolute. */
  readonly transforms: Transforms;
  readonly notes: readonly string[];
}

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE, MODEL_FORMAT, MODEL_INVALID, EXTERNAL_DATA and what the engine says of it */
export async function importSource(context: BuildContext): Promise<Imported> {
  const { config, cache, tools } = context;
  const model = await readModelFile(config.source);
  assertModel(model, config.source);
  const sourceDigest = await digestOfSource(config.source, model);
  const material = { source: sourceDigest, version: IMPORT_VERSION, tools };
  const { value, directory } = await cache.stage('import', material, async (into) => {
    const normal = normalise(model, { path: config.source });
    const saved = await saveModel(normal, into);
    // The engine has the last word on whether it is a model, and on what goes in and out.
    // What import did not change need not be compared with itself.
    const imported = saved.digest === sourceDigest ? null : path.join(into, MODEL_FILE);
    const signature = withScalars(await probe(config.source, imported, context), signatureOf(normal, config.source));
    return { ...saved, signature, notes: changes(model, normal) };
  });
  const { files, digest, signature, notes } = value;
  const step = { pass: 'import', version: IMPORT_VERSION, options: {}, result: digest };
  const { declared } = config.transforms;
  return { directory, model: { files, digest }, signature, sourceDigest, steps: [step], transforms: declared, notes };
}

/** Of the file; together with its external data, when it has any. */
async function digestOfSource(file: string, model: Model): Promise<Digest> {
  const digest = await digestOfFile(file);
  const locations = new Map<string, string>();
  for (const { tensor } of tensorsOf(model.graph)) {
    if (isExternal(tensor)) locations.set(tensor.data.location, tensor.name);
  }
  if (locations.size === 0) return digest;
  const data: Record<string, Digest> = {};
  for (const [location, tensor] of [...locations].sort()) {
    const at = path.join(path.dirname(file), location);
    // Reading the data checks it thoroughly; what is asked here keeps a hash from waiting for a pipe or leaving the folder.
    const isFile = isSafeRelativePath(location) && (await stat(at).catch(() => null))?.isFile() === true;
    if (!isFile) {
      const problem = `is at "${location}", which is not a file inside the folder of the model`;
      throw fail('EXTERNAL_DATA', { path: file, tensor, problem });
    }
    data[location] = await digestOfFile(at);
  }
  return digestOfJson({ model: digest, data });
}

/** What import did, for people; nothing when the file was in order already. */
function changes(before: Model, after: Model): string[] {
  const notes: string[] = [];
  const listed = before.graph.inputs.length - after.graph.inputs.length;
  if (listed > 0) notes.push(`Import: ${counted(listed, 'constant', 'was', 'were')} listed as input; now constant.`);
  const gone = before.graph.nodes.length - after.graph.nodes.length;
  if (gone > 0) {
    notes.push(`Import: ${counted(gone, 'node', 'that computed', 'that computed')} constants or nothing left out.`);
  }
  return notes;
}

const counted = (count: number, noun: string, one: string, many: string): string =>
  count === 1 ? `1 ${noun} ${one}` : `${count} ${noun}s ${many}`;
