/** The signature of a model: what a caller gives and gets. Constants that a file lists among its inputs are not asked for. */
import { fail, type Signature, type TensorSpec } from '@slipway/core';
import { asFeedable } from './ir/dtype.ts';
import { requiredInputs } from './ir/graph.ts';
import type { Model } from './ir/model.ts';
import { describeType } from './ir/type.ts';
import type { ValueInfo } from './ir/value-info.ts';

/**
 * @throws MODEL_INVALID naming the input or output that is no tensor, or has an element type that cannot be fed
 */
export function signatureOf(model: Model, path = 'model'): Signature {
  const spec = (kind: 'input' | 'output', { name, type }: ValueInfo): TensorSpec => {
    const where = `${kind} "${name}"`;
    if (type === null) throw fail('MODEL_INVALID', { path, where, problem: 'is declared without a type' });
    const dtype = type.kind === 'tensor' ? asFeedable(type.dtype) : undefined;
    if (type.kind !== 'tensor' || dtype === undefined) {
      throw fail('MODEL_INVALID', {
        path,
        where,
        problem: `is ${describeType(type)}, which cannot be sent or received`,
      });
    }
    return { name, dtype, shape: type.shape };
  };
  return {
    inputs: requiredInputs(model.graph).map((input) => spec('input', input)),
    outputs: model.graph.outputs.map((output) => spec('output', output)),
  };
}
