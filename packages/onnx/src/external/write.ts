/**
 * Moves the elements of large tensors into one data file beside the model, without ever holding more than one chunk.
 *
 * Offsets are multiples of 4096 so that a reader can map the file; tensors that shared a range still share it; the
 * order is the order of the file. The same model gives the same bytes.
 */
import { createHash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Digest, fail } from '@slipway/core';
import { mapNodeTensors, mapTensors, tensorsOf } from '../graph/tensors.ts';
import { ONNX_DTYPES } from '../ir/dtype.ts';
import { byteLengthOf, rawBytes } from '../ir/elements.ts';
import { type ExternalData, type Initializer, isExternal, rawLength } from '../ir/initializer.ts';
import { type Model, withModel } from '../ir/model.ts';
import { type ExternalOptions, openExternal } from './files.ts';
import { piecesOf } from './stored.ts';

const ALIGNMENT = 4096;
const CHUNK = 8 * 1024 * 1024;
/** Structure comes in pieces of a few bytes. */
const BUFFER = 1024 * 1024;

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

/** The content of the data file, in pieces that are each good until the next is asked for; zeros between the ranges. */
export function* rangePieces(layout: ExternalLayout, options: ExternalOptions): Iterable<Uint8Array> {
  let end = 0;
  for (const { tensor, offset, length } of layout.ranges) {
    if (offset > end) yield new Uint8Array(offset - end);
    if (isExternal(tensor)) yield* externalPieces(tensor, options);
    else if (tensor.data.kind === 'raw' && rawLength(tensor.data) === length) yield* piecesOf(tensor.data);
    else yield rawBytes(tensor);
    end = offset + length;
  }
}

function* externalPieces(
  tensor: Initializer & { readonly data: ExternalData },
  options: ExternalOptions,
): Iterable<Uint8Array> {
  const { directory, location } = tensor.data;
  if (directory === null) {
    const problem = `is in "${location}", and the model was not read from a folder`;
    throw fail('EXTERNAL_DATA', { path: 'model', tensor: tensor.name, problem });
  }
  const { descriptor, offset, length } = openExternal(tensor, directory, options);
  try {
    const buffer = new Uint8Array(Math.min(CHUNK, length));
    for (let done = 0; done < length;) {
      const count = readSync(descriptor, buffer, 0, Math.min(buffer.length, length - done), offset + done);
      if (count === 0) {
        const problem = `in "${location}" became shorter while it was read`;
        throw fail('EXTERNAL_DATA', { path: directory, tensor: tensor.name, problem });
      }
      yield buffer.subarray(0, count);
      done += count;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Write the file `path`, which must not exist, flushed. Small pieces are written together. */
export async function writeNew(path: string, pieces: Iterable<Uint8Array>): Promise<Digest> {
  const hash = createHash('sha256');
  await using target = await open(path, 'wx', 0o644);
  const buffer = new Uint8Array(BUFFER);
  let buffered = 0;
  const write = async (bytes: Uint8Array): Promise<void> => {
    hash.update(bytes);
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await target.write(bytes, done, Math.min(CHUNK, bytes.length - done));
      done += bytesWritten;
    }
  };
  for (const piece of pieces) {
    if (buffered + piece.length > buffer.length) {
      await write(buffer.subarray(0, buffered));
      buffered = 0;
    }
    if (piece.length > buffer.length) await write(piece);
    else {
      buffer.set(piece, buffered);
      buffered += piece.length;
    }
  }
  await write(buffer.subarray(0, buffered));
  await target.sync();
  return `sha256:${hash.digest('hex')}`;
}
