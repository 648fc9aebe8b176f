/**
 * Runners of a build: started when first asked for, and all ended however the work ends. They take rows in the types of the
 * source: a candidate may have inputs of its own (float16 with `keepIo: false`), and the rows are what it is compared on.
 */
import {
  castTensor,
  type InputColumns,
  type Logger,
  mapColumn,
  type Signature,
  type Tensor,
  type Tensors,
} from '@slipway/core';
import { type Runner, type SessionOptions, startRunner } from '@slipway/runtime';

/**
 * One call of a build may take minutes: 32 rows of a large model, beside all other candidates and whatever else the machine does.
 * Nobody waits for the answer as clients of a server do, and a person can stop a build.
 */
const HANG_TIMEOUT_MS = 15 * 60_000;

export interface Runners extends AsyncDisposable {
  /** The runner for `path` (a model file or a model directory), one per path. */
  get(model: string, path: string): Promise<Runner>;
}

export function openRunners(session: Partial<SessionOptions>, log: Logger, signal: AbortSignal): Runners {
  const started = new Map<string, Promise<Runner>>();
  return {
    get(model, path) {
      signal.throwIfAborted();
      const known = started.get(path);
      if (known !== undefined) return known;
      const runner = startRunner({ model, path, session, logger: log, hangTimeoutMs: HANG_TIMEOUT_MS }).then(
        takingAnyFloat,
      );
      // Whoever asked sees the failure; the copy kept for the end must not be an unhandled one.
      runner.catch(() => undefined);
      started.set(path, runner);
      return runner;
    },
    async [Symbol.asyncDispose]() {
      const all = await Promise.allSettled(started.values());
      const running = all.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      await Promise.all(running.map((runner) => runner.stop()));
    },
  };
}

/**
 * Inputs in the types that a model takes.
 * @throws TENSOR_INVALID naming the first value that the type cannot hold: 1e6 is no float16
 */
function inputsFor(signature: Signature, inputs: Tensors): Tensors {
  return Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, inputFor(signature, name, value)]));
}

function inputFor({ inputs: specs }: Signature, name: string, value: Tensor): Tensor {
  const wanted = specs.find((spec) => spec.name === name)?.dtype ?? value.dtype;
  const cast = wanted.startsWith('float') && value.dtype.startsWith('float');
  return cast ? castTensor(value, wanted, `input "${name}"`) : value;
}

/** All rows in the types that a model takes. @throws TENSOR_INVALID as above */
export function columnsFor(signature: Signature, inputs: InputColumns): InputColumns {
  const entries = Object.entries(inputs).map(
    ([name, column]) => [name, mapColumn(column, (value) => inputFor(signature, name, value))] as const,
  );
  return Object.fromEntries(entries);
}

/** The cast is not in the times that `measure` gives: those are taken in the runner. */
const takingAnyFloat = (runner: Runner): Runner => ({
  ...runner,
  run: async (inputs) => runner.run(inputsFor(runner.signature, inputs)),
  measure: async (inputs, options) => runner.measure(inputsFor(runner.signature, inputs), options),
});

/** What passes see of all this: the outputs of a model file over batches of inputs, in order. */
export async function* runModel(
  file: string,
  batches: Iterable<Tensors>,
  options: {
    /** What messages call the model. */
    readonly name?: string;
    readonly session: Partial<SessionOptions>;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
): AsyncGenerator<Tensors> {
  const { name = 'calibration', session, log, signal } = options;
  signal.throwIfAborted();
  const started = await startRunner({
    model: name,
    path: file,
    session,
    golden: false,
    logger: log,
    hangTimeoutMs: HANG_TIMEOUT_MS,
  });
  const runner = takingAnyFloat(started);
  try {
    for (const batch of batches) {
      signal.throwIfAborted();
      yield await runner.run(batch);
    }
  } finally {
    await runner.stop();
  }
}
