/** Types and declared values, between the IR and protobuf. */
import { create } from '@bufbuild/protobuf';
import { fail } from '@slipway/core';
import {
  type TensorShapeProto,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  type TypeProto,
  TypeProto_MapSchema,
  TypeProto_OpaqueSchema,
  TypeProto_OptionalSchema,
  TypeProto_SequenceSchema,
  TypeProto_SparseTensorSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '../generated/onnx_pb.ts';
import { dtypeCode, dtypeFromCode, type OnnxDType } from '../ir/dtype.ts';
import { type Dim, sameType, type Shape, tensorType, UNKNOWN_DIM, type ValueType } from '../ir/type.ts';
import type { ValueInfo } from '../ir/value-info.ts';
import { put, startFrom } from './message.ts';

export function dtypeOf(code: number, where: string): OnnxDType {
  const dtype = dtypeFromCode(code);
  if (dtype === undefined) {
    throw fail('MODEL_INVALID', {
      path: 'model',
      where,
      problem: `element type ${code} is not one that ONNX (IR 14) defines`,
    });
  }
  return dtype;
}

function shapeFromProto(shape: TensorShapeProto | undefined, where: string): Shape | null {
  if (shape === undefined) return null;
  return shape.dim.map(({ value }): Dim => {
    switch (value.case) {
      case 'dimValue': {
        const size = Number(value.value);
        if (!Number.isSafeInteger(size)) {
          throw fail('MODEL_INVALID', { path: 'model', where, problem: `dimension ${value.value} is out of range` });
        }
        // Some exporters write -1 for "not known".
        return size < 0 ? UNKNOWN_DIM : size;
      }
      case 'dimParam':
        return value.value === '' ? UNKNOWN_DIM : value.value;
      case undefined:
        return UNKNOWN_DIM;
    }
  });
}

function shapeToProto(shape: Shape | null): TensorShapeProto | undefined {
  if (shape === null) return undefined;
  return create(TensorShapeProtoSchema, {
    dim: shape.map((dim) => {
      if (dim === UNKNOWN_DIM) return create(TensorShapeProto_DimensionSchema);
      return create(TensorShapeProto_DimensionSchema, {
        value: typeof dim === 'number' ? { case: 'dimValue', value: BigInt(dim) } : { case: 'dimParam', value: dim },
      });
    }),
  });
}

export function typeFromProto(type: TypeProto | undefined, where: string): ValueType | null {
  if (type === undefined) return null;
  const { value } = type;
  switch (value.case) {
    case 'tensorType':
      return tensorType(dtypeOf(value.value.elemType, where), shapeFromProto(value.value.shape, where));
    case 'sparseTensorType':
      return Object.freeze({
        kind: 'sparse-tensor',
        dtype: dtypeOf(value.value.elemType, where),
        shape: shapeFromProto(value.value.shape, where),
      });
    case 'sequenceType':
      return Object.freeze({ kind: 'sequence', element: typeFromProto(value.value.elemType, where) });
    case 'optionalType':
      return Object.freeze({ kind: 'optional', element: typeFromProto(value.value.elemType, where) });
    case 'mapType':
      return Object.freeze({
        kind: 'map',
        key: dtypeOf(value.value.keyType, where),
        value: typeFromProto(value.value.valueType, where),
      });
    case 'opaqueType':
      return Object.freeze({ kind: 'opaque', domain: value.value.domain, name: value.value.name });
    case undefined:
      return null;
  }
}

export function typeToProto(type: ValueType): TypeProto {
  return create(TypeProtoSchema, { value: typeValue(type) });
}

function typeValue(type: ValueType): TypeProto['value'] {
  const inner = (element: ValueType | null): { elemType?: TypeProto } =>
    element === null ? {} : { elemType: typeToProto(element) };
  switch (type.kind) {
    case 'tensor':
    case 'sparse-tensor': {
      const shape = shapeToProto(type.shape);
      const init = { elemType: dtypeCode(type.dtype), ...(shape === undefined ? {} : { shape }) };
      return type.kind === 'tensor'
        ? { case: 'tensorType', value: create(TypeProto_TensorSchema, init) }
        : { case: 'sparseTensorType', value: create(TypeProto_SparseTensorSchema, init) };
    }
    case 'sequence':
      return { case: 'sequenceType', value: create(TypeProto_SequenceSchema, inner(type.element)) };
    case 'optional':
      return { case: 'optionalType', value: create(TypeProto_OptionalSchema, inner(type.element)) };
    case 'map': {
      const value = type.value === null ? {} : { valueType: typeToProto(type.value) };
      return { case: 'mapType', value: create(TypeProto_MapSchema, { keyType: dtypeCode(type.key), ...value }) };
    }
    case 'opaque':
      return { case: 'opaqueType', value: create(TypeProto_OpaqueSchema, { domain: type.domain, name: type.name }) };
  }
}

export function valueInfoFromProto(proto: ValueInfoProto): ValueInfo {
  return Object.freeze({ name: proto.name, type: typeFromProto(proto.type, `value "${proto.name}"`), origin: proto });
}

export function valueInfoToProto(info: ValueInfo): ValueInfoProto {
  const proto = startFrom(ValueInfoProtoSchema, info.origin);
  put(proto, 'name', info.name);
  const before = typeFromProto(proto.type, 'value');
  if (!sameType(before, info.type)) {
    if (info.type === null) delete proto.type;
    else proto.type = typeToProto(info.type);
  }
  return proto;
}
