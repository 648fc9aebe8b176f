/**
 * One pass on a model file, without a project, a recipe or a measurement: for scripts and benches. A build does the same for
 * every step of every recipe, and then measures what came of it (`pipeline/candidate.ts`).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { createLogger, type Dataset, ensureDirectory, type Logger, type PassSpec } from '@slipway/core';
import { readModelFile } from '@slipway/onnx';
import { cpuPlan } from '@slipway/runtime';
import type { Pass } from './pass.ts';
import { PASSES } from './passes/index.ts';
import { type ModelFiles, saveModel } from './pipeline/model-files.ts';
import { rememberNothing } from './pipeline/remember.ts';
import { runModel } from './pipeline/runners.ts';

export interface ApplyOptions {
  /** Rows that show which values occur, for passes that ask for them. */
  readonly calibration?: Dataset | null;
  /** Threads of the runners a pass starts. Default: what this machine has to give. */
  readonly threads?: number;
  /** Seed of everything random. Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly log?: Logger;
}

export interface Applied extends ModelFiles {
  readonly notes: readonly string[];
}

/**
 * Apply `spec` to the model in `source` and write the result to `directory` as `model.onnx`.
 * @throws PASS_NOT_APPLICABLE, and what reading and writing model files throws
 */
export async function applyPass(
  source: string,
  spec: PassSpec,
  directory: string,
  options: ApplyOptions = {},
): Promise<Applied> {
  const log = options.log ?? createLogger('silent');
  const signal = options.signal ?? new AbortController().signal;
  const session = { threads: options.threads ?? cpuPlan().threads, spinning: false };
  await ensureDirectory(directory);
  const workDirectory = await mkdtemp(path.join(directory, '.work-'));
  try {
    const model = await readModelFile(source);
    // The registry pairs every name with the pass for its options, which a union of both cannot express.
    const pass = PASSES[spec.pass] as Pass;
    const result = await pass.apply(model, spec, {
      calibration: options.calibration ?? null,
      runModel: (file, batches, own) => runModel(file, batches, { session: { ...session, ...own }, log, signal }),
      remember: rememberNothing,
      workDirectory,
      source: null,
      seed: options.seed ?? 0,
      signal,
      log,
    });
    return { ...(await saveModel(result.model, directory)), notes: result.notes };
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}
