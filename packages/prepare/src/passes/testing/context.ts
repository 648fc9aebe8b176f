/**
 * What a pass is given, for tests: the real engine, and a directory that is removed again. The engine runs in this process,
 * because the tests run hundreds of models and a runner each would take minutes; the pipeline's tests use runners.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLogger, type Dataset } from '@slipway/core';
import { openOnnxruntime } from '@slipway/runtime';
import type { PassContext } from '../../pass.ts';
import { rememberNothing } from '../../pipeline/remember.ts';

/** For passes that run nothing: whoever tries anyway fails. */
export function offlineContext(): PassContext {
  return {
    source: null,
    calibration: null,
    runModel: () => {
      throw new Error('this pass should not run the model');
    },
    remember: rememberNothing,
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
      const engine = await openOnnxruntime();
      const loaded = await engine.load(file, { threads: 1, spinning: false, optimization: 'basic', ...session });
      try {
        for (const batch of batches) yield await loaded.run(batch);
      } finally {
        await loaded.release();
      }
    },
    [Symbol.dispose]: () => rmSync(workDirectory, { recursive: true, force: true }),
  };
}
