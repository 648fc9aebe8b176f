/**
 * Model files. Reading binds external data to the folder of the file and reads none of it. Writing goes to temporary
 * files beside the destination, flushed and renamed, data before model, so that a failure leaves no half-written model.
 */
import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fail, fromSystemError, LIMITS } from '@slipway/core';
import type { ExternalOptions } from '../external/files.ts';
import { constantBytes, inlineExternalData } from '../external/inline.ts';
import { layOut, writeRanges } from '../external/write.ts';
import { tensorsOf } from '../graph/tensors.ts';
import { isExternal } from '../ir/initializer.ts';
import type { Model } from '../ir/model.ts';
import { decodeModel, encodeModel } from './decode.ts';

/**
 * @throws FILE_NOT_FOUND, FILE_UNREADABLE, and what `decodeModel` throws
 */
export async function readModelFile(path: string): Promise<Model> {
  let bytes: Uint8Array;
  try {
    const status = await stat(path);
    if (!status.isFile()) throw fail('FILE_UNREADABLE', { path, problem: 'it is not a regular file' });
    if (status.size > LIMITS.maxProtobufBytes) {
      const problem = `it has ${status.size} bytes; a model that large keeps its weights in external data`;
      throw fail('MODEL_LIMIT', { path, problem, limit: LIMITS.maxProtobufBytes });
    }
    bytes = await readFile(path);
  } catch (error) {
    throw fromSystemError(error, path, 'reading');
  }
  return decodeModel(bytes, { path, directory: dirname(resolve(path)) });
}

export interface WriteOptions extends ExternalOptions {
  /**
   * `inline`: everything in one file. `external`: weights in a data file beside it. `auto`, the default: external when
   * the model has external data or is too large for one file, inline otherwise.
   */
  readonly weights?: 'auto' | 'inline' | 'external';
  /** Name of the data file; default: the name of the model with `.data` appended. */
  readonly location?: string;
  /** Weights smaller than this stay in the model. Default 1024, as in onnx. */
  readonly minimumBytes?: number;
}

export interface WrittenModel {
  /** Names of the files written, relative to the folder; the model first. */
  readonly files: readonly string[];
}

/** Room for structure beside the weights when deciding whether one file can hold a model. */
const STRUCTURE_BYTES = 64 * 1024 * 1024;

/**
 * @throws MODEL_LIMIT when inline weights do not fit, EXTERNAL_DATA, DISK_FULL, READ_ONLY, FILE_NOT_FOUND (no such folder)
 */
export async function writeModelFile(path: string, model: Model, options: WriteOptions = {}): Promise<WrittenModel> {
  const directory = dirname(resolve(path));
  const name = basename(path);
  const location = options.location ?? `${name}.data`;
  if (location.includes('/') || location === name || location.startsWith('.')) {
    throw fail('USAGE', { problem: `"${location}" cannot be the name of the data file of ${name}` });
  }
  const external = options.weights === 'external' || ((options.weights ?? 'auto') === 'auto' && wantsExternal(model));
  const layout = external ? layOut(model, location, options.minimumBytes ?? 1024, directory) : undefined;
  const separate = layout !== undefined && layout.ranges.length > 0;
  const written = layout?.model ?? inlineExternalData(model, options);

  const suffix = randomUUID();
  const temporaryModel = join(directory, `.${name}.${suffix}`);
  const temporaryData = join(directory, `.${location}.${suffix}`);
  try {
    await writeFlushed(temporaryModel, encodeModel(written));
    if (separate) {
      await writeRanges(temporaryData, layout, options);
      await rename(temporaryData, join(directory, location));
    }
    await rename(temporaryModel, join(directory, name));
  } catch (error) {
    await rm(temporaryModel, { force: true });
    await rm(temporaryData, { force: true });
    throw fromSystemError(error, path, 'writing the model');
  }
  return { files: separate ? [name, location] : [name] };
}

function wantsExternal(model: Model): boolean {
  return (
    tensorsOf(model.graph).some(({ tensor }) => isExternal(tensor)) ||
    constantBytes(model) + STRUCTURE_BYTES > LIMITS.maxProtobufBytes
  );
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'wx', 0o644);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
