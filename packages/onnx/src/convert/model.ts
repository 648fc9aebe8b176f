/** Models, between the IR and protobuf. */
import { create } from '@bufbuild/protobuf';
import { fail } from '@slipway/core';
import {
  type FunctionProto,
  FunctionProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type OperatorSetIdProto,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
} from '../generated/onnx_pb.ts';
import type { ModelFunction } from '../ir/function.ts';
import type { Model } from '../ir/model.ts';
import { canonicalDomain, graphFromProto, graphToProto, nodeFromProto, nodeToProto } from './graph.ts';
import { put, sameStrings, startFrom } from './message.ts';

/**
 * @param directory the folder external data is relative to, when the model came from a file
 * @throws MODEL_INVALID, EXTERNAL_DATA
 */
export function modelFromProto(proto: ModelProto, directory: string | null = null): Model {
  if (proto.graph === undefined) {
    throw fail('MODEL_INVALID', { path: 'model', where: 'model', problem: 'has no graph' });
  }
  return Object.freeze({
    irVersion: safeNumber(proto.irVersion, 'ir_version'),
    opsets: opsetsFromProto(proto.opsetImport),
    producer: Object.freeze({ name: proto.producerName, version: proto.producerVersion }),
    metadata: new Map(proto.metadataProps.map(({ key, value }) => [key, value])),
    graph: graphFromProto(proto.graph, directory),
    functions: Object.freeze(proto.functions.map((item) => functionFromProto(item, directory))),
    origin: proto,
  });
}

/** @param initializers of the main graph: `apart` leaves them out */
export function modelToProto(model: Model, initializers: 'inside' | 'apart' = 'inside'): ModelProto {
  const proto = startFrom(ModelProtoSchema, model.origin);
  put(proto, 'irVersion', BigInt(model.irVersion));
  putOpsets(proto, model.opsets);
  put(proto, 'producerName', model.producer.name);
  put(proto, 'producerVersion', model.producer.version);
  const before = new Map(proto.metadataProps.map(({ key, value }) => [key, value]));
  if (!sameMap(before, model.metadata)) {
    proto.metadataProps = [...model.metadata].map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    );
  }
  proto.graph = graphToProto(model.graph, initializers);
  proto.functions = model.functions.map(functionToProto);
  return proto;
}

function functionFromProto(proto: FunctionProto, directory: string | null): ModelFunction {
  return Object.freeze({
    name: proto.name,
    domain: canonicalDomain(proto.domain),
    overload: proto.overload,
    inputs: Object.freeze(proto.input),
    outputs: Object.freeze(proto.output),
    nodes: Object.freeze(proto.node.map((node) => nodeFromProto(node, directory))),
    opsets: opsetsFromProto(proto.opsetImport),
    origin: proto,
  });
}

function functionToProto(item: ModelFunction): FunctionProto {
  const proto = startFrom(FunctionProtoSchema, item.origin);
  put(proto, 'name', item.name);
  if (canonicalDomain(proto.domain) !== item.domain) proto.domain = item.domain;
  put(proto, 'overload', item.overload);
  if (!sameStrings(proto.input, item.inputs)) proto.input = [...item.inputs];
  if (!sameStrings(proto.output, item.outputs)) proto.output = [...item.outputs];
  proto.node = item.nodes.map(nodeToProto);
  putOpsets(proto, item.opsets);
  return proto;
}

function opsetsFromProto(imports: readonly OperatorSetIdProto[]): ReadonlyMap<string, number> {
  return new Map(
    imports.map(({ domain, version }) => [canonicalDomain(domain), safeNumber(version, `opset of "${domain}"`)]),
  );
}

function putOpsets(proto: { opsetImport: OperatorSetIdProto[] }, opsets: ReadonlyMap<string, number>): void {
  if (sameMap(opsetsFromProto(proto.opsetImport), opsets)) return;
  const before = new Map(proto.opsetImport.map((item) => [canonicalDomain(item.domain), item]));
  proto.opsetImport = [...opsets].map(([domain, version]) => {
    const item = startFrom(OperatorSetIdProtoSchema, before.get(domain) ?? null);
    if (canonicalDomain(item.domain) !== domain) item.domain = domain;
    put(item, 'version', BigInt(version));
    return item;
  });
}

function sameMap<V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.has(key) && b.get(key) === value);
}

function safeNumber(value: bigint, where: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) {
    throw fail('MODEL_INVALID', { path: 'model', where, problem: `${value} is not a version` });
  }
  return number;
}
