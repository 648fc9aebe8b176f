/** Runners of a build: started when first asked for, and all ended however the work ends. */
import type { Logger, Tensors } from '@slipway/core';
import { type Runner, type SessionOptions, startRunner } from '@slipway/runtime';

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
      const runner = startRunner({ model, path, session, logger: log });
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
  const runner = await startRunner({ model: name, path: file, session, golden: false, logger: log });
  try {
    for (const batch of batches) {
      signal.throwIfAborted();
      yield await runner.run(batch);
    }
  } finally {
    await runner.stop();
  }
}
