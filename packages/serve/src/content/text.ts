/** One text, or one file, as the only input: for models whose transforms read text or images. */
import { type Signature, stringElement, type Tensor, type Tensors, type TensorSpec } from '@slipway/core';
import { malformed, onlyInput } from './fit.ts';

/**
 * `text/plain` is a text only for a model that takes one, and only when it does not look like JSON: `fetch` calls a string
 * `text/plain` whatever is in it. A text that does begin with a bracket goes as JSON.
 */
export function isText(body: Buffer, signature: Signature): boolean {
  const [spec] = signature.inputs;
  if (spec?.dtype !== 'string' || signature.inputs.length !== 1) return false;
  const first = body.toString('latin1', 0, 64).trimStart()[0];
  return first !== '{' && first !== '[';
}

/** @param what the kind of body. @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readTextBody(body: Buffer, signature: Signature, what: string): Tensors {
  const spec = onlyInput(signature, what);
  if (spec.dtype !== 'string') {
    throw malformed(`the input "${spec.name}" is ${spec.dtype}; ${what} needs a model that takes text or images`);
  }
  return { [spec.name]: textTensor([body], spec) };
}

/** One element for each of `values`, all axes beyond the first of size one. */
export function textTensor(values: readonly Buffer[], spec: TensorSpec): Tensor {
  const data = values.map(stringElement);
  const rank = spec.shape?.length ?? 1;
  const shape = rank === 0 && data.length === 1 ? [] : [data.length, ...Array<number>(Math.max(0, rank - 1)).fill(1)];
  return { dtype: 'string', shape, data };
}
