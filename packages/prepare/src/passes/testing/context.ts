/** What a pass is given, for tests: real runners, and a directory that is removed again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLogger, type Dataset } from '@slipway/core';
import { startRunner } from '@slipway/runtime';
import type { PassContext } from '../../pass.ts';

/** For passes that run nothing: whoever tries anyway fails. */
export function offlineContext(): PassContext {
  return {
    calibration: null,
    runModel: () => {
      throw new Error('this pass should not run the model');
    },
    workDirectory: '/nonexistent',
    seed: 0,
    signal: new AbortController().signal,
    log: createLogger('silent'),
  };
}

/** Runs models for real. Dispose of it to remove its directory. */
export function runningContext(calibration: Dataset | null = null): PassContext & Disposable {
  const workDirectory = mkdtempSync(path.join(tmpdir(), 'slipway-pass-'));
  return {
    ...offlineContext(),
    calibration,
    workDirectory,
    async *runModel(file, batches, session) {
      const options = { threads: 1, spinning: false, optimization: 'basic', ...session } as const;
      const runner = await startRunner({ model: 'test', path: file, session: options });
      try {
        for (const batch of batches) yield await runner.run(batch);
      } finally {
        await runner.stop();
      }
    },
    [Symbol.dispose]: () => rmSync(workDirectory, { recursive: true, force: true }),
  };
}
