/** What TensorFlow Serving says about a model: the state of its versions, and its signature. */
import type { Signature, TensorSpec, VersionState } from '@slipway/core';
import { TENSORFLOW_DTYPE } from './dtypes.ts';
import type { VersionStatus } from '../gateway.ts';
import { SIGNATURE_NAME } from './signatures.ts';

const STATE: Readonly<Record<VersionState, string>> = {
  loading: 'LOADING',
  ready: 'AVAILABLE',
  draining: 'UNLOADING',
  failed: 'END',
  gone: 'END',
};

interface StatusDocument {
  readonly model_version_status: readonly {
    readonly version: string;
    readonly state: string;
    readonly status: { readonly error_code: string; readonly error_message: string };
  }[];
}

export function statusDocument(versions: readonly VersionStatus[]): StatusDocument {
  return {
    model_version_status: versions.map(({ version, state, reason }) => ({
      version: String(version),
      state: STATE[state],
      status: { error_code: state === 'failed' ? 'UNKNOWN' : 'OK', error_message: reason ?? '' },
    })),
  };
}

/**
 * The status of a whole model, with what KServe v1 has at the same place: `name` and `ready`. Clients of either read their keys;
 * who parses strictly into `GetModelStatusResponse` must ask for a version, or ignore unknown fields.
 */
export function modelDocument(name: string, versions: readonly VersionStatus[]): unknown {
  return { name, ready: versions.some(({ state }) => state === 'ready'), ...statusDocument(versions) };
}

export function metadataDocument(model: string, version: number, signature: Signature): unknown {
  const tensors = (specs: readonly TensorSpec[]): unknown =>
    Object.fromEntries(specs.map((spec) => [spec.name, tensorInfo(spec)]));
  return {
    model_spec: { name: model, signature_name: '', version: String(version) },
    metadata: {
      signature_def: {
        signature_def: {
          [SIGNATURE_NAME]: {
            inputs: tensors(signature.inputs),
            outputs: tensors(signature.outputs),
            method_name: 'tensorflow/serving/predict',
          },
        },
      },
    },
  };
}

function tensorInfo({ name, dtype, shape }: TensorSpec): unknown {
  return {
    dtype: TENSORFLOW_DTYPE[dtype],
    tensor_shape: {
      dim: (shape ?? []).map((dim) => ({ size: String(typeof dim === 'number' ? dim : -1), name: '' })),
      unknown_rank: shape === null,
    },
    name,
  };
}
