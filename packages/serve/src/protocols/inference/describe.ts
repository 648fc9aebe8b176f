/** What the Open Inference Protocol says of models, over HTTP and gRPC alike. */
import type { VersionState } from '@slipway/core';
import { LATEST, type Models } from '../gateway.ts';

export const PLATFORM = 'onnxruntime_onnx';

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

/** The repository index. */
export function indexOf(models: Models, readyOnly: boolean): readonly IndexEntry[] {
  return models.names().flatMap((name) =>
    models
      .status(name, LATEST)
      .filter(({ state }) => !readyOnly || state === 'ready')
      .map(({ version, state, reason }) => ({
        name,
        version: String(version),
        state: STATE[state],
        reason: reason ?? '',
      })),
  );
}

/** @throws MODEL_NOT_FOUND */
export function readyVersions(models: Models, model: string): readonly string[] {
  const ready = models.status(model, LATEST).filter(({ state }) => state === 'ready');
  return ready.map(({ version }) => String(version));
}
