/**
 * The signature of a loaded session. ORT reports a tensor of unknown rank exactly as it reports a scalar (no dimensions), so
 * both become `shape: null`: we then check less and ORT, which knows the difference, checks the rest.
 */
import { type DType, fail, isDType } from '@slipway/core/base';
import type { Dim, Signature, TensorSpec } from '@slipway/core';
import type { InferenceSession } from 'onnxruntime-node';

export function signatureOf(session: InferenceSession, file: string): Signature {
  const spec =
    (kind: 'input' | 'output') =>
    (value: InferenceSession.ValueMetadata): TensorSpec => {
      const where = `${kind} "${value.name}"`;
      if (!value.isTensor) {
        throw fail('MODEL_INVALID', {
          path: file,
          where,
          problem: 'is a sequence, map or optional; only tensors can be served',
        });
      }
      if (!isDType(value.type)) {
        throw fail('MODEL_INVALID', {
          path: file,
          where,
          problem: `has the element type ${value.type}, which cannot be fed`,
        });
      }
      const shape: readonly Dim[] = value.shape.map((dim) => (dim === '' ? '?' : dim));
      return { name: value.name, dtype: value.type satisfies DType, shape: shape.length === 0 ? null : shape };
    };
  return { inputs: session.inputMetadata.map(spec('input')), outputs: session.outputMetadata.map(spec('output')) };
}
