/** What the Open Inference Protocol says of models, over HTTP and gRPC alike. */
import type { VersionState } from '@slipway/core';
import type { ModelControl } from '../../catalog/control.ts';
import type { ProtoReader } from '../../grpc/reader.ts';
import { LATEST, type Models, type Selector } from '../gateway.ts';
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

/** The protocol says versions are strings: what is not a number is a label, and one that is unknown is named in the error. */
export function selectorOf(text: string): Selector {
  if (text === '') return LATEST;
  const version = versionOf(text);
  return version === null ? { kind: 'label', label: text } : { kind: 'version', version };
}
