/** Nodes and graphs, between the IR and protobuf. */
import { fail } from '@slipway/core';
import {
  type GraphProto,
  GraphProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type SparseTensorProto,
} from '../generated/onnx_pb.ts';
import { definedNames } from '../graph/scope.ts';
import type { Attribute } from '../ir/attribute.ts';
import type { Graph } from '../ir/graph.ts';
import { describeNode, type Node } from '../ir/node.ts';
import { attributeFromProto, attributeToProto } from './attribute.ts';
import { initializerFromProto, initializerToProto } from './initializer.ts';
import { put, sameStrings, startFrom } from './message.ts';
import { valueInfoFromProto, valueInfoToProto } from './type.ts';

/** `ai.onnx` is another way to write the standard domain. */
export function canonicalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

export function nodeFromProto(proto: NodeProto, directory: string | null): Node {
  const reader = { directory, graph: (graph: GraphProto): Graph => graphFromProto(graph, directory) };
  const node = { name: proto.name, op: proto.opType, domain: canonicalDomain(proto.domain), overload: proto.overload };
  const shell = { ...node, inputs: Object.freeze(proto.input), outputs: Object.freeze(proto.output), origin: proto };
  const attributes = new Map<string, Attribute>();
  for (const attribute of proto.attribute) {
    if (attributes.has(attribute.name)) {
      const where = describeNode({ ...shell, attributes });
      throw fail('MODEL_INVALID', { path: 'model', where, problem: `attribute "${attribute.name}" is given twice` });
    }
    attributes.set(attribute.name, attributeFromProto(attribute, reader));
  }
  return Object.freeze({ ...shell, attributes });
}

export function nodeToProto(node: Node): NodeProto {
  const proto = startFrom(NodeProtoSchema, node.origin);
  put(proto, 'name', node.name);
  put(proto, 'opType', node.op);
  if (canonicalDomain(proto.domain) !== node.domain) proto.domain = node.domain;
  put(proto, 'overload', node.overload);
  if (!sameStrings(proto.input, node.inputs)) proto.input = [...node.inputs];
  if (!sameStrings(proto.output, node.outputs)) proto.output = [...node.outputs];
  proto.attribute = [...node.attributes.values()].map((attribute) =>
    attributeToProto(attribute, (graph) => graphToProto(graph)),
  );
  return proto;
}

export function graphFromProto(proto: GraphProto, directory: string | null): Graph {
  const where = `graph "${proto.name}"`;
  const unique = <T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T> => {
    const map = new Map<string, T>();
    for (const item of items) {
      const name = nameOf(item);
      if (map.has(name)) {
        throw fail('MODEL_INVALID', { path: 'model', where, problem: `has two initializers named "${name}"` });
      }
      map.set(name, item);
    }
    return map;
  };
  const initializers = proto.initializer.map((tensor) => initializerFromProto(tensor, directory));
  return Object.freeze({
    name: proto.name,
    nodes: Object.freeze(proto.node.map((node) => nodeFromProto(node, directory))),
    inputs: Object.freeze(proto.input.map(valueInfoFromProto)),
    outputs: Object.freeze(proto.output.map(valueInfoFromProto)),
    initializers: unique(initializers, (initializer) => initializer.name),
    sparseInitializers: unique(proto.sparseInitializer, (sparse: SparseTensorProto) => sparse.values?.name ?? ''),
    // Noted twice is legal and useless; the last note counts, as in ONNX Runtime.
    valueInfo: new Map(proto.valueInfo.map((info) => [info.name, valueInfoFromProto(info)])),
    origin: proto,
  });
}

/** @param initializers `apart`: they are left out, for whoever writes them one by one */
export function graphToProto(graph: Graph, initializers: 'inside' | 'apart' = 'inside'): GraphProto {
  const proto = startFrom(GraphProtoSchema, graph.origin);
  put(proto, 'name', graph.name);
  proto.node = graph.nodes.map(nodeToProto);
  proto.input = graph.inputs.map(valueInfoToProto);
  proto.output = graph.outputs.map(valueInfoToProto);
  proto.initializer =
    initializers === 'apart' ? [] : [...graph.initializers.values()].map((tensor) => initializerToProto(tensor));
  proto.sparseInitializer = [...graph.sparseInitializers.values()];
  proto.valueInfo = [...graph.valueInfo.values()].map(valueInfoToProto);
  if (proto.quantizationAnnotation.length > 0) {
    // The IR does not model these notes; those about values that are gone would mislead.
    const names = definedNames(graph);
    proto.quantizationAnnotation = proto.quantizationAnnotation.filter(({ tensorName }) => names.has(tensorName));
  }
  return proto;
}
