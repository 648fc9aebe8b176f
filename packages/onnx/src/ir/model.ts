/**
 * A model: a graph, the versions of the operator sets it is written in, and what was said about it.
 *
 * `origin` (here and on every part) is the message the value was decoded from. It carries what this IR does not model
 * (documentation strings, device annotations, fields of a newer format) back to the file, for a part that was edited too.
 */
import type { ModelProto } from '../generated/onnx_pb.ts';
import type { ModelFunction } from './function.ts';
import type { Graph } from './graph.ts';

export interface Model {
  readonly irVersion: number;
  /** Operator set version per domain; the standard one is `''`. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly producer: { readonly name: string; readonly version: string };
  readonly metadata: ReadonlyMap<string, string>;
  readonly graph: Graph;
  readonly functions: readonly ModelFunction[];
  readonly origin: ModelProto | null;
}

export interface ModelParts {
  readonly irVersion?: number;
  readonly opsets?: Iterable<readonly [string, number]>;
  readonly producer?: { readonly name: string; readonly version: string };
  readonly metadata?: Iterable<readonly [string, string]>;
  readonly graph: Graph;
}

/** IR 8 and opset 17 are what every ONNX Runtime of the last years reads; ask for more only when a pass needs it. */
export const DEFAULT_IR_VERSION = 8;
export const DEFAULT_OPSET = 17;

export function createModel(parts: ModelParts): Model {
  return Object.freeze({
    irVersion: parts.irVersion ?? DEFAULT_IR_VERSION,
    opsets: new Map(parts.opsets ?? [['', DEFAULT_OPSET]]),
    producer: Object.freeze(parts.producer ?? { name: 'slipway', version: '' }),
    metadata: new Map(parts.metadata ?? []),
    graph: parts.graph,
    functions: Object.freeze([]),
    origin: null,
  });
}

export function withModel(
  model: Model,
  change: Partial<Pick<Model, 'irVersion' | 'opsets' | 'producer' | 'metadata' | 'graph' | 'functions'>>,
): Model {
  return Object.freeze({ ...model, ...change });
}

/** `model` importing `domain` at `version` or what it already has, whichever is newer. Adapts no node. */
export function withOpset(model: Model, domain: string, version: number): Model {
  const current = model.opsets.get(domain) ?? 0;
  return current >= version ? model : withModel(model, { opsets: new Map(model.opsets).set(domain, version) });
}

export function opsetOf(model: Model, domain = ''): number {
  return model.opsets.get(domain) ?? 0;
}
