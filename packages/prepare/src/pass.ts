/**
 * What a pass is: one step model → model, deterministic for the same model, options, calibration rows and seed.
 *
 * A pass never reads the configuration, the store or the clock. All it may use of the world is in its `PassContext`;
 * what it did and what it left alone, and why, it says in its notes, which reach the report word for word. The registry of all
 * passes is `passes/index.ts`, exhaustive over `PassName`.
 */
import type { Dataset, HostRequirement, Logger, PassName, PassSpec, Tensors } from '@slipway/core';
import type { Model } from '@slipway/onnx';
import type { SessionOptions } from '@slipway/runtime';

export interface PassContext {
  /** The model the recipe began with, whose names people use; null when it is the model the pass is given. */
  readonly source: Model | null;
  /** Rows that show which values occur; null when the config names none. Never rows that candidates are measured on. */
  readonly calibration: Dataset | null;
  /**
   * Run a model file in a runner of its own, one call per batch, and yield the outputs of each batch in order. Batches are
   * drawn one at a time, so statistics can be streamed in bounded memory. Ends the runner when the
   * iteration ends, however it ends. With no batches the model is only loaded, which is how `saveOptimizedTo` is used.
   */
  runModel(file: string, batches: Iterable<Tensors>, session?: Partial<SessionOptions>): AsyncIterable<Tensors>;
  /**
   * What takes a run of the model to know and other applications of passes will ask too: found, or made by `work`, which is called at most
   * once, with the items of which nothing is known.
   * @param about everything the values depend on besides the item itself, the calibration rows, and how models are run here
   * @param items say what is asked about by content, not by a name; something JSON can say, like the values
   * @returns a value for every item that `work` gives one for
   */
  remember<T>(
    about: unknown,
    items: readonly string[],
    work: (missing: readonly string[]) => Promise<ReadonlyMap<string, T>>,
  ): Promise<ReadonlyMap<string, T>>;
  /** An empty directory for files of this application of the pass; removed afterwards. */
  readonly workDirectory: string;
  /** Seed of everything random. */
  readonly seed: number;
  /** Aborted when the user interrupts the build: check it between units of work (`signal.throwIfAborted()`). */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export interface PassResult {
  readonly model: Model;
  /** What was done and what was left alone and why, for people: one sentence each. */
  readonly notes: readonly string[];
  /** Where the model runs, when that is not everywhere. */
  readonly requires?: HostRequirement;
}

/** What a pass could do to a model with default options, judged without running anything (for `slipway inspect`). */
export interface PassAssessment {
  readonly applicable: boolean;
  /** How many tensors or nodes it would change. */
  readonly targets: number;
  /** One sentence: the expected effect, or why it does not apply. */
  readonly summary: string;
}

export interface Pass<S extends PassSpec = PassSpec> {
  readonly name: S['pass'];
  /** Raised whenever the same input and options could give another result: it is part of cache keys and lineage. */
  readonly version: number;
  assess(model: Model): PassAssessment;
  /** @throws PASS_NOT_APPLICABLE when the model or the data do not allow it */
  apply(model: Model, spec: S, context: PassContext): Promise<PassResult>;
}

/** One pass for every name a recipe can use. */
export type PassRegistry = { readonly [P in PassName]: Pass<Extract<PassSpec, { pass: P }>> };
