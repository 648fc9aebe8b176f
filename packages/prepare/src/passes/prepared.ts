/**
 * The form of a model that passes work on: initializers are not inputs, constants are folded, and, for quantization,
 * the operator set is one that has QuantizeLinear per axis.
 */
import {
  byteLengthOf,
  dropInitializerInputs,
  GraphEditor,
  type Model,
  opsetOf,
  upgradeOpset,
  withModel,
} from '@slipway/onnx';
import { foldConstants, type Origins } from './fold.ts';

export interface Prepared {
  readonly model: Model;
  readonly origins: Origins;
  /** The operator set the model was raised from, or null. */
  readonly raisedFrom: number | null;
}

/** The first with QuantizeLinear and DequantizeLinear per axis. */
export const QUANTIZATION_OPSET = 13;

/** For quantization. @throws UNSUPPORTED_OPSET, UNSUPPORTED_OPERATOR when the model is older and cannot be upgraded */
export function preparedForQuantization(model: Model): Prepared {
  const { model: folded, origins } = prepared(model);
  const before = opsetOf(folded);
  const upgraded = upgradeOpset(folded, QUANTIZATION_OPSET);
  // An upgrade moves attributes to constants; nothing of it is a weight.
  return { model: upgraded, origins, raisedFrom: before < QUANTIZATION_OPSET ? before : null };
}

/** @param fill see `foldConstants` */
export function prepared(model: Model, fill = true): Omit<Prepared, 'raisedFrom'> {
  const start = dropInitializerInputs(model);
  const editor = new GraphEditor(start.graph);
  const origins = foldConstants(editor, fill);
  return { model: withModel(start, { graph: editor.finish() }), origins };
}

/** Bytes of all constants of the main graph. */
export function constantBytes(model: Model): number {
  return [...model.graph.initializers.values()].reduce((sum, initializer) => sum + byteLengthOf(initializer), 0);
}
