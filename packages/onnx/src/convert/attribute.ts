/** Attributes, between the IR and protobuf. Files older than IR 2 leave the type out: it is then the field that is set. */
import { isFieldSet } from '@bufbuild/protobuf';
import { fail } from '@slipway/core';
import {
  type AttributeProto,
  AttributeProto_AttributeType as Type,
  AttributeProtoSchema,
  type GraphProto,
} from '../generated/onnx_pb.ts';
import type { Attribute, AttributeKind, AttributeOf, AttributeValues } from '../ir/attribute.ts';
import type { Graph } from '../ir/graph.ts';
import { initializerFromProto, initializerToProto } from './initializer.ts';
import { put, startFrom } from './message.ts';
import { typeFromProto, typeToProto } from './type.ts';

/** How graphs are converted; a parameter because graphs hold attributes. */
export interface GraphReader {
  readonly directory: string | null;
  graph(proto: GraphProto): Graph;
}
export type GraphWriter = (graph: Graph) => GraphProto;

const KIND_OF_TYPE: Readonly<Record<number, Exclude<AttributeKind, 'reference'>>> = {
  [Type.FLOAT]: 'float',
  [Type.INT]: 'int',
  [Type.STRING]: 'string',
  [Type.TENSOR]: 'tensor',
  [Type.GRAPH]: 'graph',
  [Type.SPARSE_TENSOR]: 'sparse-tensor',
  [Type.TYPE_PROTO]: 'type',
  [Type.FLOATS]: 'floats',
  [Type.INTS]: 'ints',
  [Type.STRINGS]: 'strings',
  [Type.TENSORS]: 'tensors',
  [Type.GRAPHS]: 'graphs',
  [Type.SPARSE_TENSORS]: 'sparse-tensors',
  [Type.TYPE_PROTOS]: 'types',
};

const TYPE_OF_KIND = Object.fromEntries(
  Object.entries(KIND_OF_TYPE).map(([type, kind]) => [kind, Number(type)]),
) as Readonly<Record<Exclude<AttributeKind, 'reference'>, AttributeProto['type']>>;

const FIELD_OF_KIND = {
  float: 'f',
  int: 'i',
  string: 's',
  tensor: 't',
  graph: 'g',
  'sparse-tensor': 'sparseTensor',
  type: 'tp',
  floats: 'floats',
  ints: 'ints',
  strings: 'strings',
  tensors: 'tensors',
  graphs: 'graphs',
  'sparse-tensors': 'sparseTensors',
  types: 'typeProtos',
} as const satisfies Record<Exclude<AttributeKind, 'reference'>, keyof AttributeProto>;

const KINDS = Object.keys(FIELD_OF_KIND) as Exclude<AttributeKind, 'reference'>[];

function kindOf(proto: AttributeProto): AttributeKind {
  if (proto.refAttrName !== '') return 'reference';
  const declared = KIND_OF_TYPE[proto.type];
  if (declared !== undefined) return declared;
  for (const kind of KINDS) {
    const field = FIELD_OF_KIND[kind];
    const value: unknown = proto[field];
    if (Array.isArray(value) ? value.length > 0 : isFieldSet(proto, AttributeProtoSchema.field[field])) return kind;
  }
  const problem = `has the type ${proto.type}, which ONNX (IR 14) does not define, and no value`;
  throw fail('MODEL_INVALID', { path: 'model', where: `attribute "${proto.name}"`, problem });
}

export function attributeFromProto(proto: AttributeProto, reader: GraphReader): Attribute {
  const kind = kindOf(proto);
  return Object.freeze({
    kind,
    name: proto.name,
    value: valueFromProto(kind, proto, reader),
    origin: proto,
  }) as Attribute;
}

function valueFromProto(
  kind: AttributeKind,
  proto: AttributeProto,
  reader: GraphReader,
): AttributeValues[AttributeKind] {
  const missing = (): Error =>
    fail('MODEL_INVALID', {
      path: 'model',
      where: `attribute "${proto.name}"`,
      problem: `is declared as ${kind} and holds none`,
    });
  switch (kind) {
    case 'float':
      return proto.f;
    case 'int':
      return proto.i;
    case 'string':
      return proto.s;
    case 'tensor':
      if (proto.t === undefined) throw missing();
      return initializerFromProto(proto.t, reader.directory);
    case 'graph':
      if (proto.g === undefined) throw missing();
      return reader.graph(proto.g);
    case 'sparse-tensor':
      if (proto.sparseTensor === undefined) throw missing();
      return proto.sparseTensor;
    case 'type':
      return typeFromProto(proto.tp, `attribute "${proto.name}"`);
    case 'floats':
      return proto.floats;
    case 'ints':
      return proto.ints;
    case 'strings':
      return proto.strings;
    case 'tensors':
      return proto.tensors.map((tensor) => initializerFromProto(tensor, reader.directory));
    case 'graphs':
      return proto.graphs.map((graph) => reader.graph(graph));
    case 'sparse-tensors':
      return proto.sparseTensors;
    case 'types':
      return proto.typeProtos.map((type) => typeFromProto(type, `attribute "${proto.name}"`));
    case 'reference':
      return proto.refAttrName;
  }
}

export function attributeToProto(attribute: Attribute, graph: GraphWriter): AttributeProto {
  const { origin } = attribute;
  const proto = startFrom(AttributeProtoSchema, origin);
  put(proto, 'name', attribute.name);
  if (attribute.kind === 'reference') {
    put(proto, 'refAttrName', attribute.value);
    return proto;
  }
  // A file that leaves the type out keeps doing so as long as its value is unchanged in kind.
  if (origin === null || kindOf(origin) !== attribute.kind) proto.type = TYPE_OF_KIND[attribute.kind];
  putValue(proto, attribute, graph);
  return proto;
}

function putValue(
  proto: AttributeProto,
  attribute: Exclude<Attribute, AttributeOf<'reference'>>,
  graph: GraphWriter,
): void {
  const fresh = attribute.origin === null;
  switch (attribute.kind) {
    // A value equal to the default of protobuf must still be written where the attribute is new.
    case 'float':
      if (fresh || !Object.is(proto.f, attribute.value)) proto.f = attribute.value;
      return;
    case 'int':
      if (fresh || proto.i !== attribute.value) proto.i = attribute.value;
      return;
    case 'string':
      if (fresh || proto.s !== attribute.value) proto.s = attribute.value;
      return;
    case 'tensor':
      proto.t = initializerToProto(attribute.value);
      return;
    case 'graph':
      proto.g = graph(attribute.value);
      return;
    case 'sparse-tensor':
      proto.sparseTensor = attribute.value;
      return;
    case 'type':
      if (attribute.value === null) delete proto.tp;
      else if (fresh) proto.tp = typeToProto(attribute.value);
      return;
    case 'floats':
      proto.floats = [...attribute.value];
      return;
    case 'ints':
      proto.ints = [...attribute.value];
      return;
    case 'strings':
      proto.strings = [...attribute.value];
      return;
    case 'tensors':
      proto.tensors = attribute.value.map((tensor) => initializerToProto(tensor));
      return;
    case 'graphs':
      proto.graphs = attribute.value.map(graph);
      return;
    case 'sparse-tensors':
      proto.sparseTensors = [...attribute.value];
      return;
    case 'types':
      if (fresh) proto.typeProtos = attribute.value.filter((type) => type !== null).map(typeToProto);
  }
}
