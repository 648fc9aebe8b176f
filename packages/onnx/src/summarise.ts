/**
 * What there is to know about a model without running it: the content of `slipway inspect`.
 */
import { hasCode, type Signature } from '@slipway/core';
import { subgraphsOf } from './graph/scope.ts';
import { tensorsOf } from './graph/tensors.ts';
import { asFeedable, type OnnxDType } from './ir/dtype.ts';
import { byteLengthOf, countOf, rawBytes } from './ir/elements.ts';
import type { Graph } from './ir/graph.ts';
import { requiredInputs } from './ir/graph.ts';
import { type Initializer, isExternal } from './ir/initializer.ts';
import type { Model } from './ir/model.ts';
import { opName } from './ir/node.ts';
import { describeType } from './ir/type.ts';
import { signatureOf } from './signature-of.ts';

export interface WeightSummary {
  readonly name: string;
  readonly dtype: OnnxDType;
  readonly dims: readonly number[];
  readonly elements: number;
  readonly bytes: number;
  /** Share of elements that are exactly zero; null when they are in external data or cannot be counted. */
  readonly zeros: number | null;
}

export interface ModelSummary {
  readonly irVersion: number;
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: { readonly name: string; readonly version: string };
  readonly metadata: Readonly<Record<string, string>>;
  readonly graph: string;
  /** null when an input or output is not a tensor that can be sent; `io` then tells what it is. */
  readonly signature: Signature | null;
  /** Inputs and outputs as declared, for people. */
  readonly io: {
    readonly inputs: Readonly<Record<string, string>>;
    readonly outputs: Readonly<Record<string, string>>;
  };
  readonly nodes: number;
  /** Operators by how often they occur, subgraphs and functions included; most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  readonly subgraphs: number;
  readonly functions: number;
  readonly initializers: number;
  /** Elements of all initializers. */
  readonly parameters: number;
  readonly bytes: number;
  readonly byDType: Readonly<Partial<Record<OnnxDType, { readonly parameters: number; readonly bytes: number }>>>;
  /** Files that hold external data, relative to the model. */
  readonly externalFiles: readonly string[];
  /** Initializers with the most bytes, largest first. */
  readonly largest: readonly WeightSummary[];
}

export interface SummaryOptions {
  /** How many of the largest initializers to list. Default 10. */
  readonly largest?: number;
}

export function summarise(model: Model, options: SummaryOptions = {}): ModelSummary {
  const counts = new Map<string, number>();
  let nodes = 0;
  let subgraphs = 0;
  const walk = (graph: Pick<Graph, 'nodes'>): void => {
    for (const node of graph.nodes) {
      nodes++;
      counts.set(opName(node), (counts.get(opName(node)) ?? 0) + 1);
      for (const inner of subgraphsOf(node)) {
        subgraphs++;
        walk(inner);
      }
    }
  };
  walk(model.graph);
  for (const item of model.functions) walk(item);

  const tensors = tensorsOf(model.graph);
  const weights = tensors.filter(({ place }) => place === 'initializer').map(({ tensor }) => tensor);
  const byDType: Partial<Record<OnnxDType, { parameters: number; bytes: number }>> = {};
  for (const weight of weights) {
    const total = (byDType[weight.dtype] ??= { parameters: 0, bytes: 0 });
    total.parameters += countOf(weight);
    total.bytes += byteLengthOf(weight);
  }
  const totals = Object.values(byDType);
  const external = tensors.flatMap(({ tensor }) => (isExternal(tensor) ? [tensor.data.location] : []));
  const sizes = new Map(weights.map((weight) => [weight, byteLengthOf(weight)]));
  const largest = [...weights]
    .sort((a, b) => (sizes.get(b) ?? 0) - (sizes.get(a) ?? 0))
    .slice(0, options.largest ?? 10);
  const described = (values: Graph['inputs']): Record<string, string> =>
    Object.fromEntries(values.map(({ name, type }) => [name, describeType(type)]));
  return {
    irVersion: model.irVersion,
    opsets: Object.fromEntries(
      [...model.opsets].map(([domain, version]) => [domain === '' ? 'ai.onnx' : domain, version]),
    ),
    producer: model.producer,
    metadata: Object.fromEntries(model.metadata),
    graph: model.graph.name,
    signature: signatureOrNull(model),
    io: { inputs: described(requiredInputs(model.graph)), outputs: described(model.graph.outputs) },
    nodes,
    operators: Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))),
    subgraphs,
    functions: model.functions.length,
    initializers: weights.length,
    parameters: totals.reduce((sum, { parameters }) => sum + parameters, 0),
    bytes: totals.reduce((sum, { bytes }) => sum + bytes, 0),
    byDType,
    externalFiles: [...new Set(external)].sort(),
    largest: largest.map((weight) => ({
      name: weight.name,
      dtype: weight.dtype,
      dims: weight.dims,
      elements: countOf(weight),
      bytes: byteLengthOf(weight),
      zeros: zeroShare(weight),
    })),
  };
}

function signatureOrNull(model: Model): Signature | null {
  try {
    return signatureOf(model);
  } catch (error) {
    if (hasCode(error, 'MODEL_INVALID')) return null;
    throw error;
  }
}

/** Share of elements equal to zero, -0 included; null where that cannot be told without I/O. */
export function zeroShare(weight: Initializer): number | null {
  const count = countOf(weight);
  const dtype = asFeedable(weight.dtype);
  if (isExternal(weight) || dtype === undefined || dtype === 'string' || count === 0) return null;
  const bytes = rawBytes(weight);
  const size = bytes.byteLength / count;
  const signed = dtype.startsWith('float');
  let zeros = 0;
  for (let at = 0; at < bytes.byteLength; at += size) {
    let byte = 0;
    while (byte < size && (bytes[at + byte] === 0 || (signed && byte === size - 1 && bytes[at + byte] === 0x80))) {
      byte++;
    }
    if (byte === size) zeros++;
  }
  return zeros / count;
}
