/** Model files: reading binds external data to the folder of the file; writing never leaves a half-written model. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fail, fromSystemError, LIMITS } from '@slipway/core';
import type { Model } from '../ir/model.ts';
import { decodeModel } from './decode.ts';

/**
 * @throws FILE_NOT_FOUND, FILE_UNREADABLE, and what `decodeModel` throws
 */
export async function readModelFile(path: string): Promise<Model> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > LIMITS.maxProtobufBytes) {
      const problem = `it has ${size} bytes; a model that large keeps its weights in external data`;
      throw fail('MODEL_LIMIT', { path, problem, limit: LIMITS.maxProtobufBytes });
    }
    bytes = await readFile(path);
  } catch (error) {
    throw fromSystemError(error, path, 'reading');
  }
  return decodeModel(bytes, { path, directory: dirname(resolve(path)) });
}
