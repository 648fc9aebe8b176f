/**
 * The form of a model that quantization works on: initializers are not inputs, constants are folded, and the operator set is
 * one that has the quantization operators.
 */
import { byteLengthOf, GraphEditor, type Model, requiredInputs, withModel } from '@slipway/onnx';
import { foldConstants, type Origins } from './fold.ts';

export interface Prepared {
  readonly model: Model;
  readonly origins: Origins;
}

/** From this IR version on an initializer need not be an input. */
const IR_WITH_FREE_INITIALIZERS = 4;

/** @param fill see `foldConstants` */
export function prepared(model: Model, fill = true): Prepared {
  const editor = new GraphEditor(model.graph);
  editor.setInputs(requiredInputs(model.graph));
  const origins = foldConstants(editor, fill);
  const irVersion = Math.max(model.irVersion, IR_WITH_FREE_INITIALIZERS);
  return { model: withModel(model, { irVersion, graph: editor.finish() }), origins };
}

/** Bytes of all constants of the main graph. */
export function constantBytes(model: Model): number {
  return [...model.graph.initializers.values()].reduce((sum, initializer) => sum + byteLengthOf(initializer), 0);
}
