/** What clients see of the inputs and outputs of a model. */
import type { Signature, TensorSpec } from '@slipway/core';
import type { ServedVersion } from '../gateway.ts';

/** Requests are rows, which others may share a call with: then Triton's documents leave the batch axis out. */
export const isBatched = ({ scheduler, settings }: ServedVersion): boolean =>
  scheduler.rules.sharing !== 'single' && settings.batching?.whole !== true;

/**
 * What clients send and get, which is what the model takes and gives, but for a model made for one row at a time: requests
 * with several are taken apart, so that its first axis is as free as any other's.
 */
export function clientSignature({ scheduler, accepts, signature }: ServedVersion): Signature {
  if (scheduler.rules.sharing !== 'rows') return accepts;
  const freed = (spec: TensorSpec): TensorSpec => ({ ...spec, shape: ['batch', ...(spec.shape ?? []).slice(1)] });
  return { inputs: accepts.inputs, outputs: signature.outputs.map(freed) };
}
