/**
 * Bytes of a model file to a model and back. The structure is checked before protobuf allocates anything for it (see
 * `prescan.ts`); byte fields stay views over the input, so decoding a gigabyte of weights copies none of them.
 */
import { fromBinary } from '@bufbuild/protobuf';
import { fail, SlipwayError } from '@slipway/core';
import { modelFromProto } from '../convert/model.ts';
import { ModelProtoSchema } from '../generated/onnx_pb.ts';
import type { Model } from '../ir/model.ts';
import { encode } from './encode.ts';
import { prescan } from './prescan.ts';
import { looksLike } from './sniff.ts';

export interface DecodeOptions {
  /** Named in messages. */
  readonly path?: string;
  /** The folder external data is relative to. Without it, a model with external data decodes and its data cannot be read. */
  readonly directory?: string;
}

/**
 * @throws MODEL_FORMAT when the bytes are not an ONNX model, MODEL_LIMIT, MODEL_INVALID, EXTERNAL_DATA
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  const path = options.path ?? 'model';
  const other = looksLike(bytes);
  if (other !== undefined) throw fail('MODEL_FORMAT', { path, problem: other });
  prescan(bytes, path);
  try {
    return modelFromProto(fromBinary(ModelProtoSchema, bytes), options.directory ?? null);
  } catch (error) {
    throw atPath(error, path);
  }
}

/** @throws MODEL_LIMIT when the model is larger than one file can be, FILE_UNREADABLE when its weights are in one and cannot be read */
export function encodeModel(model: Model): Uint8Array {
  const encoded = encode(model);
  const bytes = new Uint8Array(encoded.size);
  let at = 0;
  for (const piece of encoded.pieces()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** What was thrown, naming the file: the parts of a model do not know which file they are from. */
function atPath(error: unknown, path: string): SlipwayError {
  if (error instanceof SlipwayError) return new SlipwayError(error.code, { ...error.params, path }, { cause: error });
  const problem = error instanceof Error ? error.message : String(error);
  return fail('MODEL_FORMAT', { path, problem }, { cause: error });
}
