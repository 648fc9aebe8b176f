/**
 * How the requests for a model can share calls, read from its signature.
 *
 * - `stack`: axis 0 of every input and output is free: rows of several requests go as one call.
 * - `rows`: axis 0 is fixed to 1 everywhere: a request with n rows becomes n calls, and clients need not know.
 * - `single`: anything else: one request, one call.
 */
import { isBatchable, type Signature, type Tensors, type TensorSpec, validateInputs } from '@slipway/core';

export type Sharing = 'stack' | 'rows' | 'single';

/** Stands for the rows of a request in the signature that requests are checked against. */
const ROWS = 'batch';

export interface RequestShape {
  readonly rows: number;
  /** Requests with equal keys can be stacked; null: this one goes alone. */
  readonly key: string | null;
}

export class ShapeRules {
  readonly sharing: Sharing;
  /** What a request may look like: the signature of the model, with axis 0 freed when the sharing is `rows`. */
  readonly accepts: Signature;
  /** Axes other than 0 that may differ between requests, per input. */
  readonly #free: readonly { readonly name: string; readonly axes: readonly number[] | null }[];

  /** @param whole a request is one call, whatever the signature would allow */
  constructor(signature: Signature, whole = false) {
    const one = (spec: TensorSpec): boolean => spec.shape?.[0] === 1;
    const allOne = signature.inputs.length > 0 && [...signature.inputs, ...signature.outputs].every(one);
    this.sharing = whole ? 'single' : isBatchable(signature) ? 'stack' : allOne ? 'rows' : 'single';
    const freed = (spec: TensorSpec): TensorSpec => ({ ...spec, shape: [ROWS, ...(spec.shape ?? []).slice(1)] });
    this.accepts = this.sharing === 'rows' ? { ...signature, inputs: signature.inputs.map(freed) } : signature;
    this.#free = signature.inputs.map(({ name, shape }) => ({
      name,
      axes: shape?.flatMap((dim, axis) => (axis > 0 && typeof dim === 'string' ? [axis] : [])) ?? null,
    }));
  }

  /** @throws TENSOR_INVALID */
  check(inputs: Tensors): RequestShape {
    validateInputs(this.accepts, inputs);
    if (this.sharing === 'single') return { rows: 1, key: null };
    let rows = -1;
    let key = '';
    for (const { name, axes } of this.#free) {
      const shape = inputs[name]?.shape ?? [];
      if (rows === -1) rows = shape[0] ?? 0;
      else if (rows !== shape[0]) return { rows: 1, key: null };
      if (axes === null) key += `${shape.slice(1).join('x')};`;
      else for (const axis of axes) key += `${shape[axis] ?? 0};`;
    }
    return rows === 0 ? { rows: 1, key: null } : { rows, key };
  }
}
