/**
 * Changing what is served while it is served, for the protocols that have words for it: Triton's repository API, TensorFlow
 * Serving's HandleReloadConfigRequest, TorchServe's management API, multi-model endpoints.
 *
 * Refused unless the server was started with `--model-control explicit`: who can load a model can run code of his choice
 * in a runner and fill the memory. All of it is declarative: a call says what is wanted, waits for what comes of that, and a
 * later call for the same model overtakes an earlier one.
 */
import type { VersionState } from '@slipway/core';
import type { ModelEntry, ModelSettings } from './settings.ts';

/**
 * Who decides which models are served: the sources, looked at again and again (`poll`); the sources as they are at the start
 * (`none`); or calls over the network (`explicit`).
 */
export type ControlMode = 'poll' | 'explicit' | 'none';

export const CONTROL_MODES: readonly ControlMode[] = ['poll', 'explicit', 'none'];

interface IndexedVersion {
  readonly name: string;
  /** null: the model is known, and no version of it has been looked at. */
  readonly version: number | null;
  readonly state: VersionState;
  /** Why it is not served, or not what was asked for. */
  readonly reason: string | null;
}

interface LoadRequest {
  /** Wins over what the files of the model say, until the model is loaded again. */
  readonly settings?: ModelSettings;
  /** The model itself, by path inside its directory: `1/model.onnx`, `config.pbtxt`. */
  readonly files?: ReadonlyMap<string, Buffer>;
  /** A directory of versions, a model directory or an `.onnx` file below one of the allowed roots. */
  readonly path?: string;
  /** Default true: resolve when it is ready. False: when loading has begun. */
  readonly synchronous?: boolean;
}

export interface ModelControl {
  readonly allowed: boolean;
  /** Every model of every source, served or not, by name and then version. */
  index(): readonly IndexedVersion[];
  /**
   * Load a model, or load it again when its files or settings are other than what is loaded. The loaded one serves on until
   * the new one is ready, and if that fails.
   * @throws CLIENT_REFUSED, MODEL_NOT_FOUND, MODEL_UNAVAILABLE (it failed), CONTROL_CONFLICT (overtaken), TENSOR_INVALID
   */
  load(name: string, request?: LoadRequest): Promise<void>;
  /** Takes no new requests when it resolves; those under way are answered. @throws CLIENT_REFUSED, MODEL_NOT_FOUND */
  unload(name: string): Promise<void>;
  /**
   * Serve these models and no others. Nothing changes when the list itself is wrong; otherwise each model comes, stays or goes
   * by itself, and the first that failed is thrown at the end.
   * @throws CLIENT_REFUSED, REQUEST_MALFORMED, MODEL_UNAVAILABLE
   */
  replaceAll(models: readonly ModelEntry[]): Promise<void>;
  /**
   * Point a label at a version, or take it off with null.
   * @throws CLIENT_REFUSED, MODEL_NOT_FOUND, LABEL_UNAVAILABLE when that version is not there to be served
   */
  setLabel(name: string, label: string, version: number | null): void;
}
