/**
 * An engine executes a model format. Four methods at most, so that a second engine is a small thing to write; what every
 * engine needs (validation, golden samples, supervision) wraps this interface and is written once.
 *
 * An engine runs inside a runner process. `run` may block its thread: nothing else happens there.
 */
import type { Signature, Tensors } from '@slipway/core';

export interface SessionOptions {
  /** Threads one operator may use. */
  readonly threads: number;
  /** Let idle threads spin: lower latency, much more CPU. Only when the cores are ours alone. */
  readonly spinning: boolean;
  /** Graph optimization at load. `all` is right for serving; `none` shows what the file itself costs. */
  readonly optimization: 'none' | 'basic' | 'extended' | 'all';
  /** Operators that may run at the same time; 1, the default: one after the other. */
  readonly interThreads?: number;
  /** Keep memory that a call gave back for the next one. Default true: faster, and the peak is kept. */
  readonly memoryArena?: boolean;
  /** In order of preference, by the names of the engine. Default: the CPU. */
  readonly executionProviders?: readonly string[];
  /** Further settings, by the names of the engine. */
  readonly config?: Readonly<Record<string, string>>;
  /** Write the optimized model here while loading (used by the `optimize` pass). */
  readonly saveOptimizedTo?: string;
  /** Name of a file beside that, for the weights: needed when they are more than one file can hold. */
  readonly saveWeightsTo?: string;
}

export interface EngineSession {
  readonly signature: Signature;
  /** Inputs are already validated. Outputs are in the order of the signature. @throws INFERENCE_FAILED */
  run(inputs: Tensors): Promise<Tensors>;
  release(): Promise<void>;
}

export interface Engine {
  readonly name: string;
  readonly version: string;
  /** @param file absolute path of the model file. @throws MODEL_FORMAT, UNSUPPORTED_OPERATOR, UNSUPPORTED_OPSET … */
  load(file: string, options: SessionOptions): Promise<EngineSession>;
}
