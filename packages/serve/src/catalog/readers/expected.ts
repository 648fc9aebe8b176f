/** Whether a model is what a configuration file says it is. */
import { describeSpec, fail, type Signature, type SlipwayError, suggest, type TensorSpec } from '@slipway/core';
import type { ExpectedSignature, ExpectedTensor } from '../source.ts';

/** @returns the first difference, null when there is none */
export function differenceFrom(
  { file, inputs, outputs }: ExpectedSignature,
  signature: Signature,
): SlipwayError | null {
  const problem = differenceOf('input', inputs, signature.inputs) ?? differenceOf('output', outputs, signature.outputs);
  return problem === null ? null : fail('SERVING_CONFIG_INVALID', { path: file, problem });
}

function differenceOf(kind: string, expected: readonly ExpectedTensor[], specs: readonly TensorSpec[]): string | null {
  for (const { name, dtype, shape } of expected) {
    const spec = specs.find((candidate) => candidate.name === name);
    if (spec === undefined) {
      const names = specs.map((candidate) => candidate.name);
      return `the model has no ${kind} "${name}"${suggest(name, names) || `; it has ${names.join(', ')}`}`;
    }
    const shapes = shape !== null && spec.shape !== null && !fits(shape, spec.shape);
    if ((dtype !== null && dtype !== spec.dtype) || shapes) {
      const declared = describeSpec({ dtype: dtype ?? spec.dtype, shape });
      return `${kind} "${name}" is declared as ${declared}, and is ${describeSpec(spec)} in the model`;
    }
  }
  // An output may be left out: it is not asked for. An input that is left out could never be given.
  const missing =
    kind === 'input' && expected.length > 0
      ? specs.find(({ name }) => !expected.some((of) => of.name === name))
      : undefined;
  return missing === undefined ? null : `the model has an input "${missing.name}" that is not declared`;
}

/** A free dimension may be declared fixed, and a fixed one free: what is sent is checked against the model. */
function fits(declared: readonly number[], actual: NonNullable<TensorSpec['shape']>): boolean {
  if (declared.length !== actual.length) return false;
  return declared.every((dim, axis) => dim === -1 || typeof actual[axis] === 'string' || actual[axis] === dim);
}
