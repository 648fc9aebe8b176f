/**
 * From the outputs of a model to what is answered: those that were asked for, in the order asked, each as it is, as its highest
 * classes, or written to shared memory.
 */
import type { Tensor, Tensors } from '@slipway/core';
import type { ServedVersion } from '../gateway.ts';
import { encodeBinary } from './binary.ts';
import { isBatched } from './client-signature.ts';
import { classify } from './classification.ts';
import type { RequestedOutput } from './parameters.ts';
import type { SharedMemory } from './shared-memory.ts';

export interface Answered {
  readonly name: string;
  readonly tensor: Tensor;
  /** As raw bytes, where REST is asked for them. */
  readonly bytes: Uint8Array | null;
  /** Its bytes went to shared memory, and are not in the answer. */
  readonly inMemory: boolean;
}

/** @throws SHARED_MEMORY, REQUEST_MALFORMED */
export function answerOutputs(
  version: ServedVersion,
  requested: readonly RequestedOutput[],
  outputs: Tensors,
  memory: SharedMemory,
): readonly Answered[] {
  return requested.map(({ name, binary, classes, memory: part }) => {
    const whole = outputs[name] as Tensor;
    const batched = isBatched(version);
    const tensor = classes === 0 ? whole : classify(whole, classes, { batched, classes: version.classes, name });
    if (part === null) return { name, tensor, bytes: binary ? encodeBinary(tensor) : null, inMemory: false };
    memory.write(part, encodeBinary(tensor), `output "${name}"`);
    return { name, tensor, bytes: null, inMemory: true };
  });
}
