/** The transforms of a version, where its release declares some: compiled while its runners start, and put before its scheduler. */
import type { Clock, Signature } from '@slipway/core';
import {
  checkedSignature,
  compileOutputs,
  consumedInputs,
  type Declared,
  type PooledProgram,
  type TransformPool,
} from '@slipway/transform';
import type { Scheduler } from '../schedule/scheduler.ts';
import type { VersionStats } from '../telemetry/stats.ts';
import { TransformChain } from './chain.ts';

/** What a manifest declares, and the directory its files are in. */
export interface DeclaredTransforms {
  readonly declared: Declared;
  readonly directory: string;
}

export interface Fronted {
  readonly intake: TransformChain;
  /** What clients send and get. */
  readonly signature: Signature;
  /** What a request may look like. */
  readonly accepts: Signature;
}

/** @returns null where nothing is declared @throws why the transforms cannot be done */
export async function compileFor(
  pool: TransformPool,
  model: string,
  given: DeclaredTransforms | undefined,
): Promise<PooledProgram | null> {
  const { inputs = [], outputs = [] } = given?.declared.transforms ?? {};
  if (given === undefined || inputs.length + outputs.length === 0) return null;
  return pool.open(model, given.declared, given.directory);
}

/** @throws MANIFEST_INVALID when the model is not what the manifest says */
export function putBefore(
  scheduler: Scheduler,
  program: PooledProgram,
  { declared, directory }: DeclaredTransforms,
  of: { readonly model: string; readonly signature: Signature; readonly stats: VersionStats; readonly clock: Clock },
): Fronted {
  const { transforms = {} } = declared;
  const clients = (model: Signature): Signature =>
    checkedSignature({ ...declared, signature: model }, model, directory);
  const accepts = clients(scheduler.rules.accepts);
  const intake = new TransformChain({
    model: of.model,
    accepts,
    transforms,
    program,
    consumed: consumedInputs(transforms),
    after: compileOutputs(declared),
    submit: scheduler.submit.bind(scheduler),
    clock: of.clock,
    seconds: of.stats.transform,
  });
  return { intake, signature: clients(of.signature), accepts };
}
