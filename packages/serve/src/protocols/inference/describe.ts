/** What the Open Inference Protocol says of models, over HTTP and gRPC alike. */
import type { Signature, TensorSpec, VersionState } from '@slipway/core';
import type { ModelControl } from '../../catalog/control.ts';
import type { ProtoReader } from '../../grpc/reader.ts';
import { LATEST, type Models, type Selector, type ServedVersion } from '../gateway.ts';
import { versionOf } from '../path.ts';

export const PLATFORM = 'onnxruntime_onnx';
export const BACKEND = 'onnxruntime';

const STATE: Readonly<Record<VersionState, string>> = {
  loading: 'LOADING',
  ready: 'READY',
  draining: 'UNLOADING',
  failed: 'UNAVAILABLE',
  gone: 'UNAVAILABLE',
};

/** The metadata of the server. */
export interface ServerIdentity {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
}

/** The repository index: every model there is, served or not. */
export function indexOf(control: ModelControl, readyOnly: boolean): readonly IndexEntry[] {
  return control
    .index()
    .filter(({ state }) => !readyOnly || state === 'ready')
    .map(({ name, version, state, reason }) => ({
      name,
      version: version === null ? '' : String(version),
      state: STATE[state],
      reason: reason ?? '',
    }));
}

/** @throws MODEL_NOT_FOUND */
export function readyVersions(models: Models, model: string): readonly string[] {
  const ready = models.status(model, LATEST).filter(({ state }) => state === 'ready');
  return ready.map(({ version }) => String(version));
}

/** Which model a gRPC request names: in all of them the first field is its name, the second its version. */
export function readTarget(reader: ProtoReader): { model: string; selector: Selector } {
  let model = '';
  let version = '';
  while (reader.next()) {
    if (reader.field === 1) model = reader.string();
    else if (reader.field === 2) version = reader.string();
    else reader.skip();
  }
  return { model, selector: selectorOf(version) };
}

/** What cannot be a version is a version that is not here. */
export const selectorOf = (version: string): Selector =>
  version === '' ? LATEST : { kind: 'version', version: versionOf(version) ?? -1 };

/** Requests are rows, which others may share a call with: then Triton's documents leave the batch axis out. */
export const isBatched = ({ scheduler, settings }: ServedVersion): boolean =>
  scheduler.rules.sharing !== 'single' && settings.batching?.whole !== true;

/**
 * What clients send and get, which is what the model takes and gives, but for a model made for one row at a time: requests
 * with several are taken apart, so that its first axis is as free as any other's.
 */
export function clientSignature({ scheduler, accepts, signature }: ServedVersion): Signature {
  if (scheduler.rules.sharing !== 'rows') return accepts;
  const freed = (spec: TensorSpec): TensorSpec => ({ ...spec, shape: ['batch', ...(spec.shape ?? []).slice(1)] });
  return { inputs: accepts.inputs, outputs: signature.outputs.map(freed) };
}
