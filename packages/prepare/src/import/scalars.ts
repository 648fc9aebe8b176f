/**
 * The engine reports a scalar as it reports a tensor of unknown rank. The file knows which it is, and rows can be
 * made for a scalar only by who knows that it is one.
 */
import type { Signature, TensorSpec } from '@slipway/core';

/** `signature` with what `declared` calls a scalar as one, where the engine could not tell; everything else as it is. */
export function withScalars(signature: Signature, declared: Signature): Signature {
  const known = (specs: readonly TensorSpec[], declarations: readonly TensorSpec[]): TensorSpec[] => {
    const scalars = new Set(declarations.filter(({ shape }) => shape?.length === 0).map(({ name }) => name));
    return specs.map((spec) => (spec.shape === null && scalars.has(spec.name) ? { ...spec, shape: [] } : spec));
  };
  return {
    inputs: known(signature.inputs, declared.inputs),
    outputs: known(signature.outputs, declared.outputs),
  };
}
