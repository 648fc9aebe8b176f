/** The transforms of a config meet the model: they are checked against its signature, and fused where the config asks for it. */
import path from 'node:path';
import {
  digestOfFile,
  fail,
  type LineageStep,
  traceInputs,
  traceOutputs,
  TransformProblem,
  type Transforms,
} from '@slipway/core';
import { withScalars } from '../import/scalars.ts';
import type { Imported } from '../import/import.ts';
import type { BuildContext } from '../pipeline/context.ts';
import { loadModel, MODEL_FILE, saveModel } from '../pipeline/model-files.ts';
import { openRunners } from '../pipeline/runners.ts';
import { signatureOf } from '@slipway/onnx';
import { fuseTransforms } from './fuse.ts';

/** Raised when the same transforms would be fused to another graph. */
const FUSE_VERSION = 1;

/** @throws CONFIG_INVALID naming the step, FILE_NOT_FOUND for a tokenizer that is not there */
export async function adoptTransforms(imported: Imported, context: BuildContext): Promise<Imported> {
  const { config, cache, session, log, signal, tools } = context;
  const { declared, fuse } = config.transforms;
  check(declared, imported, context);
  for (const step of declared.inputs ?? []) {
    if (step.transform === 'tokenize') await digestOfFile(step.tokenizer);
  }
  if (!fuse) return imported;
  const material = {
    version: FUSE_VERSION,
    model: imported.model.digest,
    transforms: { inputs: declared.inputs ?? [], outputs: declared.outputs ?? [] },
    labels: config.labels,
    tools,
  };
  const { value, directory } = await cache.stage('transforms', material, async (into) => {
    const fused = fuseTransforms(await loadModel(imported.directory), declared, config.labels);
    const saved = await saveModel(fused.model, into);
    await using runners = openRunners(session, log, signal);
    const runner = await runners.get(config.name, path.join(into, MODEL_FILE));
    const signature = withScalars(runner.signature, signatureOf(fused.model));
    return { ...saved, signature, rest: fused.rest, notes: fused.notes };
  });
  const { files, digest, signature, rest, notes } = value;
  const step: LineageStep = {
    pass: 'transforms.fuse',
    version: FUSE_VERSION,
    options: {},
    result: digest,
  };
  return {
    ...imported,
    directory,
    model: { files, digest },
    signature,
    transforms: rest,
    steps: [...imported.steps, step],
    notes: [...imported.notes, ...notes],
  };
}

function check(declared: Transforms, { signature }: Imported, { config }: BuildContext): void {
  try {
    traceInputs(declared, signature);
    traceOutputs(declared, signature, config.labels?.length ?? null);
  } catch (error) {
    if (!(error instanceof TransformProblem)) throw error;
    throw fail('CONFIG_INVALID', { path: config.file, problem: `transforms.${error.where} ${error.message}` });
  }
}
