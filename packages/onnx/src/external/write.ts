/**
 * Moves the elements of large tensors into one data file beside the model, without ever holding more than one chunk.
 *
 * Offsets are multiples of 4096 so that a reader can map the file; tensors that shared a range still share it; the
 * order is the order of the file. The same model gives the same bytes.
 */
import { closeSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { fail } from '@slipway/core';
import { mapNodeTensors, mapTensors, tensorsOf } from '../graph/tensors.ts';
import { ONNX_DTYPES } from '../ir/dtype.ts';
import { byteLengthOf, rawBytes } from '../ir/elements.ts';
import { type ExternalData, type Initializer, isExternal } from '../ir/initializer.ts';
import { type Model, withModel } from '../ir/model.ts';
import { type ExternalOptions, openExternal } from './files.ts';

const ALIGNMENT = 4096;
const CHUNK = 8 * 1024 * 1024;

export interface ExternalLayout {
  /** The model with every moved tensor referring to the data file. */
  readonly model: Model;
  /** What goes where, in ascending offsets. */
  readonly ranges: readonly { readonly tensor: Initializer; readonly offset: number; readonly length: number }[];
}

/**
 * Decide where each tensor goes. Reads and writes nothing.
 * @param location name of the data file in the folder of the model
 * @param minimumBytes initializers smaller than this stay in the model
 * @throws EXTERNAL_DATA for external data where it cannot be moved from
 */
export function layOut(model: Model, location: string, minimumBytes: number, directory: string): ExternalLayout {
  refuseInFunctions(model);
  const ranges: { tensor: Initializer; offset: number; length: number }[] = [];
  const moved = new Map<Initializer, ExternalData>();
  const shared = new Map<string, ExternalData>();
  let end = 0;
  for (const { tensor, place } of tensorsOf(model.graph)) {
    if (moved.has(tensor) || ONNX_DTYPES[tensor.dtype].bits === 0) continue;
    const length = byteLengthOf(tensor);
    const external = isExternal(tensor);
    if (!external && (place === 'attribute' || length < minimumBytes)) continue;
    const key = external
      ? `${tensor.data.directory ?? ''}\0${tensor.data.location}\0${tensor.data.offset}\0${length}`
      : undefined;
    const known = key === undefined ? undefined : shared.get(key);
    if (known !== undefined) {
      moved.set(tensor, known);
      continue;
    }
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    const data: ExternalData = { kind: 'external', location, offset, length, checksum: null, directory };
    ranges.push({ tensor, offset, length });
    moved.set(tensor, data);
    if (key !== undefined) shared.set(key, data);
    end = offset + length;
  }
  const graph = mapTensors(model.graph, (tensor) => {
    const data = moved.get(tensor);
    return data === undefined ? tensor : Object.freeze({ ...tensor, data: Object.freeze(data) });
  });
  return { model: withModel(model, { graph }), ranges };
}

function refuseInFunctions(model: Model): void {
  for (const { name, nodes } of model.functions) {
    for (const node of nodes) {
      mapNodeTensors(node, (tensor) => {
        if (!isExternal(tensor)) return tensor;
        const problem = `is used inside function "${name}", from where it cannot be moved`;
        throw fail('EXTERNAL_DATA', { path: 'model', tensor: tensor.name, problem });
      });
    }
  }
}

/** Write the data file `path` (which must not exist), flushed. */
export async function writeRanges(path: string, layout: ExternalLayout, options: ExternalOptions): Promise<void> {
  const target = await open(path, 'wx', 0o644);
  try {
    for (const { tensor, offset } of layout.ranges) {
      if (isExternal(tensor)) await copyExternal(tensor, target, offset, options);
      else await writeAll(target, rawBytes(tensor), offset);
    }
    await target.sync();
  } finally {
    await target.close();
  }
}

async function copyExternal(
  tensor: Initializer & { readonly data: ExternalData },
  target: FileHandle,
  offset: number,
  options: ExternalOptions,
): Promise<void> {
  const { directory, location } = tensor.data;
  if (directory === null) {
    const problem = `is in "${location}", and the model was not read from a folder`;
    throw fail('EXTERNAL_DATA', { path: 'model', tensor: tensor.name, problem });
  }
  const range = openExternal(tensor, directory, options);
  try {
    const buffer = new Uint8Array(Math.min(CHUNK, range.length));
    for (let done = 0; done < range.length;) {
      const count = readSync(
        range.descriptor,
        buffer,
        0,
        Math.min(buffer.length, range.length - done),
        range.offset + done,
      );
      if (count === 0) {
        throw fail('EXTERNAL_DATA', {
          path: directory,
          tensor: tensor.name,
          problem: `in "${location}" became shorter while it was read`,
        });
      }
      await writeAll(target, buffer.subarray(0, count), offset + done);
      done += count;
    }
  } finally {
    closeSync(range.descriptor);
  }
}

async function writeAll(target: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await target.write(bytes, done, Math.min(CHUNK, bytes.length - done), offset + done);
    done += bytesWritten;
  }
}
