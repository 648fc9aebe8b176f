/**
 * A runner: one OS process that hosts one loaded model on one engine. A process and not a thread, because ONNX Runtime
 * blocks the thread it runs on, a native crash must not take the server down, and the only
 * way to give all memory back is to exit.
 */
import type { Logger, Signature, Tensors } from '@slipway/core';
import type { SessionOptions } from './engine.ts';

export interface RunnerOptions {
  /** Name for messages and logs, for example `digits:3`. */
  readonly model: string;
  /** A model directory (with `slipway.json`), or an `.onnx` file. */
  readonly path: string;
  readonly session: Partial<SessionOptions>;
  /** Numbers of the CPUs it runs on. Default: all that this process may use. */
  readonly cpus?: readonly number[];
  /** Reproduce the golden samples of the model before becoming ready. Default true; nothing to do without any. */
  readonly golden?: boolean;
  /** How long loading may take, milliseconds. Default 120 000. */
  readonly startTimeoutMs?: number;
  /** A runner that has not answered a heartbeat for so long while it should is killed, milliseconds. Default 30 000. */
  readonly hangTimeoutMs?: number;
  readonly logger?: Logger;
  /** Calls off a start: the process is killed and `startRunner` rejects. Of no effect once ready. */
  readonly signal?: AbortSignal;
}

/** Why a runner is gone. */
export interface RunnerExit {
  readonly reason: 'stopped' | 'crash' | 'killed' | 'oom' | 'hang' | 'start-failed';
  /** For people: `signal SIGKILL`, `exit code 3`, … */
  readonly detail: string;
}

export interface Measurement {
  /** Duration of each timed call, milliseconds, in order. Taken inside the runner: no process hop is included. */
  readonly timesMs: Float64Array;
}

export interface RunnerMemory {
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

/** A started runner. It executes one call at a time, in order. Two calls under way keep it busy: the next one's tensors are
 * brought over while the current one executes. More than two only wait here. */
export interface Runner {
  readonly pid: number;
  readonly signature: Signature;
  /** Milliseconds from spawn to ready. */
  readonly loadMs: number;
  /** Settles once, when the process is gone, whatever the reason. */
  readonly exited: Promise<RunnerExit>;
  /**
   * The data of `inputs` must not change until it settles.
   * @throws TENSOR_INVALID, INFERENCE_FAILED; RUNNER_LOST when the process dies and may have begun; RUNNER_GONE when it
   *   is gone and had certainly not begun: safe to send to another runner
   */
  run(inputs: Tensors): Promise<Tensors>;
  /** The same for the rows of several inputs, one after the other, as one call: they are stacked without a copy of their own. */
  runStacked(parts: readonly Tensors[]): Promise<Tensors>;
  /** Time `iterations` calls after `warmup` untimed ones, inside the runner. */
  measure(inputs: Tensors, options: { warmup: number; iterations: number }): Promise<Measurement>;
  memory(): Promise<RunnerMemory>;
  /** Finish what is executing, then end the process. */
  stop(): Promise<void>;
}
