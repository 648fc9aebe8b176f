/**
 * What a client sends and gets: the signature of a model behind its transforms. Text, and images as the bytes of a file, are
 * string tensors with one element per row; everything else keeps its dtype.
 */
import {
  type Dim,
  type Field,
  type Fields,
  type Manifest,
  type Signature,
  type TensorSpec,
  traceInputs,
  traceOutputs,
  type Transforms,
  UNKNOWN_DIM,
  writtenBy,
} from '@slipway/core';

/** The parts of a manifest that say what is done to a request. */
export type Declared = Pick<Manifest, 'signature' | 'labels' | 'transforms'>;

/**
 * @param accepts what the model takes, axis 0 the rows of a request
 * @throws TransformProblem
 */
export function clientSignature(declared: Declared, accepts: Signature): Signature {
  const { transforms = {}, labels } = declared;
  const inputs = traceInputs(transforms, accepts);
  const outputs = traceOutputs(transforms, accepts, labels?.length ?? null);
  return {
    inputs: specs(inputs, accepts.inputs),
    outputs: specs(outputs, accepts.outputs),
  };
}

/** Client inputs that a step reads; the others go to the model as they are. */
export function consumedInputs(transforms: Transforms): ReadonlySet<string> {
  const made = new Set<string>();
  const read = new Set<string>();
  for (const step of transforms.inputs ?? []) {
    if (!made.has(step.from)) read.add(step.from);
    for (const name of writtenBy(step)) made.add(name);
  }
  return read;
}

function specs(fields: Fields, of: readonly TensorSpec[]): TensorSpec[] {
  const batch = of.find(({ shape }) => shape !== null && shape.length > 0)?.shape?.[0] ?? UNKNOWN_DIM;
  return [...fields].map(([name, field]) => {
    const own = of.find((spec) => spec.name === name);
    return { name, ...specOf(field, own?.shape?.[0] ?? batch) };
  });
}

function specOf(field: Field, batch: Dim): Omit<TensorSpec, 'name'> {
  if (field.kind !== 'tensor') return { dtype: 'string', shape: [batch] };
  return { dtype: field.dtype, shape: field.shape === null ? null : [batch, ...field.shape] };
}
