/** Constant tensors, between the IR and protobuf. External references are parsed strictly: see `external/`. */
import { create, isFieldSet } from '@bufbuild/protobuf';
import { fail } from '@slipway/core';
import {
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from '../generated/onnx_pb.ts';
import { dtypeCode } from '../ir/dtype.ts';
import { fieldOf } from '../ir/elements.ts';
import type { ExternalData, Initializer, TensorData } from '../ir/initializer.ts';
import { parseExternalData } from '../external/reference.ts';
import { put, startFrom } from './message.ts';
import { dtypeOf } from './type.ts';

const FIELDS = ['floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data'] as const;

export function initializerFromProto(proto: TensorProto, directory: string | null): Initializer {
  const where = `tensor "${proto.name}"`;
  const dtype = dtypeOf(proto.dataType, where);
  const dims = proto.dims.map((dim) => {
    const size = Number(dim);
    if (!Number.isSafeInteger(size)) {
      throw fail('MODEL_INVALID', { path: 'model', where, problem: `dimension ${dim} is out of range` });
    }
    return size;
  });
  return Object.freeze({
    name: proto.name,
    dtype,
    dims: Object.freeze(dims),
    data: Object.freeze(dataOf(proto, directory)),
    origin: proto,
  });
}

function dataOf(proto: TensorProto, directory: string | null): TensorData {
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) return parseExternalData(proto, directory);
  if (isFieldSet(proto, TensorProtoSchema.field.rawData)) return { kind: 'raw', bytes: proto.rawData };
  if (proto.stringData.length > 0 || proto.dataType === 8) return { kind: 'strings', values: proto.stringData };
  for (const field of FIELDS) if (proto[field].length > 0) return { kind: 'field', field, values: proto[field] };
  const dtype = dtypeOf(proto.dataType, `tensor "${proto.name}"`);
  return { kind: 'field', field: fieldOf(dtype) ?? 'int32Data', values: [] };
}

/** @param weights `apart`: raw data is left out, for whoever writes it behind the rest */
export function initializerToProto(initializer: Initializer, weights: 'inside' | 'apart' = 'inside'): TensorProto {
  const { origin, data } = initializer;
  const proto = startFrom(TensorProtoSchema, origin);
  put(proto, 'name', initializer.name);
  put(proto, 'dataType', dtypeCode(initializer.dtype));
  if (
    proto.dims.length !== initializer.dims.length ||
    initializer.dims.some((dim, index) => BigInt(dim) !== proto.dims[index])
  ) {
    proto.dims = initializer.dims.map(BigInt);
  }
  if (data.kind === 'raw' && origin !== null && holdsRaw(origin)) {
    // Where and how the origin held raw data stays as it was, whichever bytes they are now.
    if (weights === 'apart') delete (proto as Partial<TensorProto>).rawData;
    else proto.rawData = data.bytes;
    return proto;
  }
  if (origin !== null && holds(origin, data)) return proto;

  for (const field of FIELDS) proto[field] = [];
  proto.stringData = [];
  proto.externalData = [];
  delete (proto as Partial<TensorProto>).rawData;
  delete (proto as Partial<TensorProto>).dataLocation;
  switch (data.kind) {
    case 'raw':
      if (weights === 'inside') proto.rawData = data.bytes;
      break;
    case 'strings':
      proto.stringData = [...data.values];
      break;
    case 'field':
      (proto[data.field] as unknown) = [...data.values];
      break;
    case 'external':
      proto.dataLocation = TensorProto_DataLocation.EXTERNAL;
      proto.externalData = externalEntries(data);
  }
  return proto;
}

function externalEntries(data: ExternalData): TensorProto['externalData'] {
  const entries: [string, string][] = [['location', data.location]];
  entries.push(['offset', String(data.offset)]);
  if (data.length !== null) entries.push(['length', String(data.length)]);
  if (data.checksum !== null) entries.push(['checksum', data.checksum]);
  return entries.map(([key, value]) => create(StringStringEntryProtoSchema, { key, value }));
}

/** True when `origin` stores raw data and nothing else. */
const holdsRaw = (origin: TensorProto): boolean =>
  isFieldSet(origin, TensorProtoSchema.field.rawData) &&
  origin.dataLocation !== TensorProto_DataLocation.EXTERNAL &&
  origin.stringData.length === 0 &&
  origin.externalData.length === 0 &&
  FIELDS.every((field) => origin[field].length === 0);

/** True when `origin` already stores exactly this data. */
function holds(origin: TensorProto, data: TensorData): boolean {
  switch (data.kind) {
    case 'raw':
      return false;
    case 'strings':
      return origin.stringData === data.values;
    case 'field':
      return data.values.length === 0
        ? dataOf(origin, null).kind === 'field' && FIELDS.every((field) => origin[field].length === 0)
        : origin[data.field] === data.values;
    case 'external': {
      if (origin.dataLocation !== TensorProto_DataLocation.EXTERNAL) return false;
      const before = parseExternalData(origin, null);
      return (
        before.location === data.location &&
        before.offset === data.offset &&
        before.length === data.length &&
        before.checksum === data.checksum
      );
    }
  }
}
