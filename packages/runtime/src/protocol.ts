/** The descriptions of the frames that do not carry a call's tensors. */
import type { Signature } from '@slipway/core';
import type { SessionOptions } from './engine.ts';
import type { Description } from './wire/frame.ts';

export interface LoadRequest {
  readonly model: string;
  /** Absolute path of what the engine loads. */
  readonly file: string;
  readonly session: SessionOptions;
  /** The shared files were inherited. */
  readonly shared: boolean;
}

export interface ReadyReply {
  readonly signature: Signature;
  readonly engine: { readonly name: string; readonly version: string };
  /** Where the start time went: process until our code ran, engine library, model. */
  readonly timing: { readonly processMs: number; readonly engineMs: number; readonly modelMs: number };
}

export interface MeasureRequest extends Description {
  readonly warmup: number;
  readonly iterations: number;
  /** How often to say that it is alive, milliseconds. */
  readonly aliveEveryMs: number;
}
