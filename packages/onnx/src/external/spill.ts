/**
 * Where a pass puts large constants it has computed, so that the result of quantizing a model of any size takes the memory
 * of one weight: they go to a file in the order in which they are made, and the model refers to their ranges.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { fromSystemError } from '@slipway/core';
import { createInitializer, type Initializer } from '../ir/initializer.ts';
import { StoredBytes, storedFile } from './stored.ts';

/** Smaller ones are as well held: a model has thousands of them, and together they are little. */
const SMALLEST_SPILLED = 4 * 1024 * 1024;

export type Keep = (initializer: Initializer) => Initializer;

/**
 * Keeps constants that are in memory in a file in `directory` instead. The file must outlive the model that is made with
 * it, until that is written.
 * @throws (when it keeps) DISK_FULL, READ_ONLY
 */
export function spillTo(directory: string, smallest: number = SMALLEST_SPILLED): Keep {
  const file = path.join(directory, 'computed-weights.bin');
  let end = 0;
  return (initializer) => {
    const { data } = initializer;
    if (data.kind !== 'raw' || data instanceof StoredBytes || data.bytes.byteLength < smallest) return initializer;
    const { bytes } = data;
    let descriptor: number | undefined;
    try {
      descriptor = openSync(file, end === 0 ? 'w' : 'a', 0o600);
      for (let done = 0; done < bytes.byteLength;) done += writeSync(descriptor, bytes, done);
      const stored = new StoredBytes(storedFile(file, descriptor, true), end, bytes.byteLength);
      end += bytes.byteLength;
      return createInitializer(initializer.name, initializer.dtype, initializer.dims, stored);
    } catch (error) {
      throw fromSystemError(error, file, 'keeping computed weights');
    } finally {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  };
}
