/**
 * Make a candidate: apply the passes of a recipe one after the other. Every pass is a stage of its own, so two recipes
 * that begin alike share what they share.
 */
import {
  type Dataset,
  fail,
  type HostRequirement,
  type LineageStep,
  type PassSpec,
  SOURCE_CANDIDATE,
  type StepReport,
} from '@slipway/core';
import { hostFacts } from '@slipway/runtime';
import { rm } from 'node:fs/promises';
import type { Imported } from '../import/import.ts';
import type { Pass } from '../pass.ts';
import { PASSES } from '../passes/index.ts';
import { resolvePreset } from '../passes/presets.ts';
import type { BuildContext } from './context.ts';
import { loadModel, type ModelFiles, saveModel } from './model-files.ts';
import { rememberIn } from './remember.ts';
import { runModel } from './runners.ts';
import type { StepChecker } from './steps.ts';

/** Failures of the machine, not of a candidate: no other candidate would fare better. */
export const FATAL: ReadonlySet<string> = new Set(['DISK_FULL', 'READ_ONLY', 'ENGINE_UNAVAILABLE']);

export interface Made {
  readonly name: string;
  readonly passes: readonly PassSpec[];
  readonly directory: string;
  readonly model: ModelFiles;
  readonly steps: readonly LineageStep[];
  /** What each pass changed in the outputs; empty when nobody asked. */
  readonly compared: readonly StepReport[];
  /** A pass looked at the calibration rows. */
  readonly calibrated: boolean;
  readonly notes: readonly string[];
  /** Where it runs, when that is not everywhere. */
  readonly requires: HostRequirement | null;
}

/**
 * @param checker compares the outputs before and after each pass; null for models that are only tried
 * @throws PASS_NOT_APPLICABLE, PASS_BROKEN and whatever a pass throws
 */
export async function makeCandidate(
  name: string,
  passes: readonly PassSpec[],
  imported: Imported,
  calibration: Dataset | null,
  context: BuildContext,
  checker: StepChecker | null = null,
): Promise<Made> {
  let made: Made = {
    name,
    passes,
    directory: imported.directory,
    model: imported.model,
    steps: imported.steps,
    compared: [],
    calibrated: false,
    // What import did is said once, of the source.
    notes: name === SOURCE_CANDIDATE ? imported.notes : [],
    requires: null,
  };
  for (const [i, spec] of passes.entries()) {
    context.signal.throwIfAborted();
    context.tell('passes', name, spec.pass, i / passes.length);
    // What stands for this machine is named before anything is keyed or recorded by it.
    const resolved = resolvePreset(spec, hostFacts().cpuFlags);
    const before = made;
    made = await applyPass(before, resolved, imported, calibration, context);
    if (checker === null) continue;
    made = { ...made, compared: [...before.compared, await checker.check(before, made, resolved)] };
  }
  return made;
}

/** @throws PASS_NOT_APPLICABLE and whatever the pass throws */
export async function applyPass(
  made: Made,
  spec: PassSpec,
  imported: Imported,
  calibration: Dataset | null,
  context: BuildContext,
): Promise<Made> {
  const { cache, config, log, session, signal, tools } = context;
  // The registry pairs every name with the pass for its options, which a union of both cannot express.
  const pass = PASSES[spec.pass] as Pass;
  const { pass: name, ...options } = spec;
  // Only what selects by name looks at the source again; for the first pass it is the model itself.
  const selects = 'exclude' in spec || 'only' in spec;
  const source = selects && made.model.digest !== imported.model.digest ? imported : null;
  const material = {
    pass: name,
    version: pass.version,
    options,
    upstream: made.model.digest,
    source: source?.model.digest ?? null,
    calibration: calibration?.digest ?? null,
    seed: config.seed,
    threads: session.threads,
    tools,
    // What is written for one kind of processor is nothing to another that shares the cache.
    ...(spec.pass === 'optimize' && spec.level === 'all' ? { cpuFlags: hostFacts().cpuFlags } : {}),
  };
  const { value, directory } = await cache.stage('pass', material, async (into) => {
    let calibrated = false;
    const workDirectory = await cache.scratch();
    try {
      const result = await pass.apply(await loadModel(made.directory), spec, {
        source: source === null ? null : await loadModel(source.directory),
        get calibration() {
          calibrated = true;
          return calibration;
        },
        runModel: (file, batches, own) => runModel(file, batches, { session: { ...session, ...own }, log, signal }),
        remember: rememberIn(cache, { calibration: calibration?.digest ?? null, threads: session.threads, tools }),
        workDirectory,
        seed: config.seed,
        signal,
        log,
      });
      // Constants of the result may still be in a file of the work directory.
      const saved = await saveModel(result.model, into);
      return {
        files: saved.files,
        digest: saved.digest,
        notes: result.notes,
        calibrated,
        requires: result.requires ?? null,
      };
    } finally {
      await rm(workDirectory, { recursive: true, force: true });
    }
  });
  const { files, digest, notes, calibrated, requires } = value;
  if (digest === made.model.digest && passesMustChange(name)) {
    throw fail('PASS_NOT_APPLICABLE', { pass: name, problem: 'it changed nothing in this model' });
  }
  const step: LineageStep = { pass: name, version: pass.version, options, result: digest };
  return {
    ...made,
    directory,
    model: { files, digest },
    steps: [...made.steps, step],
    calibrated: made.calibrated || calibrated,
    notes: [...made.notes, ...notes],
    requires: requires ?? made.requires,
  };
}

/** An optimizer may find nothing to do; a recipe that asks for pruning or quantization and gets neither is a mistake. */
const passesMustChange = (name: PassSpec['pass']): boolean => /^(?:prune|quantize|precision)\./.test(name);
