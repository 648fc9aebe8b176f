/**
 * A model to the bytes of a file, in pieces: weights are never gathered, so that writing a model costs the memory of its
 * structure. The bytes are those protobuf writes: fields in the order of their numbers, unknown ones last.
 */
import { clearField, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { fail, LIMITS } from '@slipway/core';
import { initializerToProto } from '../convert/initializer.ts';
import { startFrom } from '../convert/message.ts';
import { modelToProto } from '../convert/model.ts';
import { piecesOf } from '../external/stored.ts';
import { GraphProtoSchema, ModelProtoSchema, TensorProtoSchema } from '../generated/onnx_pb.ts';
import { type Initializer, type RawData, rawLength } from '../ir/initializer.ts';
import type { Model } from '../ir/model.ts';

export interface EncodedModel {
  readonly size: number;
  /** In order. A piece is good until the next is asked for. */
  pieces(): Iterable<Uint8Array>;
}

/** @throws MODEL_LIMIT when the model is larger than a protobuf message can be */
export function encode(model: Model): EncodedModel {
  const proto = modelToProto(model, 'apart');
  const [beforeGraph, afterGraph] = encodeAround(ModelProtoSchema, proto, 'graph');
  const { graph: shell } = proto;
  if (shell === undefined) throw fail('INTERNAL', { problem: 'a model was encoded without its graph' });
  const [beforeTensors, afterTensors] = encodeAround(GraphProtoSchema, shell, 'initializer');
  const tensors: (Uint8Array | RawData)[] = [];
  let tensorBytes = 0;
  for (const initializer of model.graph.initializers.values()) {
    const parts = tensorParts(initializer);
    const length = sizeOf(parts);
    const header = headerOf(GraphProtoSchema.field.initializer.number, length);
    tensors.push(header, ...parts);
    tensorBytes += header.length + length;
  }
  const graphBytes = beforeTensors.length + tensorBytes + afterTensors.length;
  const header = headerOf(ModelProtoSchema.field.graph.number, graphBytes);
  const parts = [beforeGraph, header, beforeTensors, ...tensors, afterTensors, afterGraph];
  const size = sizeOf(parts);
  if (size > LIMITS.maxProtobufBytes) {
    const problem = `it would have ${size} bytes in one file; a model that large keeps its weights in external data`;
    throw fail('MODEL_LIMIT', { path: 'model', problem, limit: LIMITS.maxProtobufBytes });
  }
  return {
    size,
    *pieces() {
      for (const part of parts) {
        if (part instanceof Uint8Array) yield part;
        else yield* piecesOf(part);
      }
    },
  };
}

const sizeOf = (parts: readonly (Uint8Array | RawData)[]): number =>
  parts.reduce((sum, part) => sum + (part instanceof Uint8Array ? part.length : rawLength(part)), 0);

const headerOf = (field: number, length: number): Uint8Array =>
  new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(length).finish();

function tensorParts(initializer: Initializer): (Uint8Array | RawData)[] {
  const { data } = initializer;
  const proto = initializerToProto(initializer, 'apart');
  if (data.kind !== 'raw') return [toBinary(TensorProtoSchema, proto)];
  const [before, after] = encodeAround(TensorProtoSchema, proto, 'rawData');
  return [before, headerOf(TensorProtoSchema.field.rawData.number, rawLength(data)), data, after];
}

/** What comes before and after a field in the encoding of a message. */
function encodeAround<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
  field: keyof D['field'],
): [Uint8Array, Uint8Array] {
  const number = schema.field[field as string]?.number ?? NaN;
  const before = startFrom(schema, message);
  const after = startFrom(schema, message);
  for (const each of schema.fields) {
    if (each.number >= number) clearField(before, each);
    if (each.number <= number) clearField(after, each);
  }
  delete before.$unknown;
  return [toBinary(schema, before), toBinary(schema, after)];
}
