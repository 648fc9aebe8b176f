/**
 * Model files. Reading binds external data to the folder of the file and reads none of it; large weights inside a large
 * file stay there, too, until somebody asks for them. Writing goes to temporary files beside the destination, flushed
 * and renamed, data before model, so that a failure leaves no half-written model; nothing is gathered in memory, and
 * what is written is hashed on the way.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type Digest, fail, fromSystemError, hasCode, LIMITS } from '@slipway/core';
import type { ExternalOptions } from '../external/files.ts';
import { constantBytes, inlineExternalData } from '../external/inline.ts';
import { StoredBytes, storedFile } from '../external/stored.ts';
import { layOut, rangePieces, writeNew } from '../external/write.ts';
import { mapTensors, tensorsOf } from '../graph/tensors.ts';
import { isExternal } from '../ir/initializer.ts';
import { type Model, withModel } from '../ir/model.ts';
import { decodeModel } from './decode.ts';
import { encode } from './encode.ts';
import { outlineOf } from './outline.ts';

export interface ReadOptions {
  /** A file larger than this is not held in memory: its large weights are read when asked for. Default 64 MiB. */
  readonly holdBytes?: number;
}

/** What is held costs no time later, and so much of it no memory worth saving. */
const DEFAULT_HOLD_BYTES = 64 * 1024 * 1024;

/** Weights of fewer bytes are held even if the file is not: opening the file for each would cost more than they do. */
const SMALLEST_STORED = 256 * 1024;

/**
 * @throws FILE_NOT_FOUND, FILE_UNREADABLE, and what `decodeModel` throws
 */
export async function readModelFile(path: string, options: ReadOptions = {}): Promise<Model> {
  const directory = dirname(resolve(path));
  try {
    await using handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await handle.stat();
    if (!status.isFile()) throw fail('FILE_UNREADABLE', { path, problem: 'it is not a regular file' });
    if (status.size > LIMITS.maxProtobufBytes) {
      const problem = `it has ${status.size} bytes; a model that large keeps its weights in external data`;
      throw fail('MODEL_LIMIT', { path, problem, limit: LIMITS.maxProtobufBytes });
    }
    const hold = options.holdBytes ?? DEFAULT_HOLD_BYTES;
    const outlined =
      status.size > hold ? readOutline(handle.fd, status.size, path, Math.min(hold, SMALLEST_STORED)) : undefined;
    return outlined ?? decodeModel(await readFile(handle), { path, directory });
  } catch (error) {
    throw fromSystemError(error, path, 'reading');
  }
}

/** The model with its large weights left in the file; undefined when the file must be read as a whole to say what is wrong. */
function readOutline(descriptor: number, size: number, path: string, smallest: number): Model | undefined {
  const outline = outlineOf(descriptor, size, smallest);
  if (outline === undefined) return undefined;
  let model: Model;
  try {
    model = decodeModel(outline.bytes, { path, directory: dirname(resolve(path)) });
  } catch (error) {
    // The places that messages name are those of the outline.
    if (hasCode(error, 'MODEL_FORMAT') || hasCode(error, 'MODEL_LIMIT')) return undefined;
    throw error;
  }
  const file = storedFile(resolve(path), descriptor);
  const graph = mapTensors(model.graph, (tensor) => {
    const { data } = tensor;
    const inOutline = data.kind === 'raw' && data.bytes.buffer === outline.bytes.buffer && data.bytes.byteLength === 0;
    const range = inOutline ? outline.ranges.get(data.bytes.byteOffset) : undefined;
    if (range === undefined) return tensor;
    return Object.freeze({ ...tensor, data: new StoredBytes(file, range.offset, range.length) });
  });
  return withModel(model, { graph });
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
  /** Of each, in the same order. */
  readonly digests: readonly Digest[];
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
    const digests = [await writeNew(temporaryModel, encode(written).pieces())];
    if (separate) {
      digests.push(await writeNew(temporaryData, rangePieces(layout, options)));
      await rename(temporaryData, join(directory, location));
    }
    await rename(temporaryModel, join(directory, name));
    return { files: separate ? [name, location] : [name], digests };
  } catch (error) {
    await rm(temporaryModel, { force: true });
    await rm(temporaryData, { force: true });
    throw fromSystemError(error, path, 'writing the model');
  }
}

function wantsExternal(model: Model): boolean {
  return (
    tensorsOf(model.graph).some(({ tensor }) => isExternal(tensor)) ||
    constantBytes(model) + STRUCTURE_BYTES > LIMITS.maxProtobufBytes
  );
}
