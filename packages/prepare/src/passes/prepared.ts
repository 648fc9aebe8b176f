/**
 * The form of a model that passes work on: initializers are not inputs, constants are folded, and, for quantization,
 * the operator set is one that has QuantizeLinear per axis.
 */
import { fail, hasCode, type PassName, SlipwayError } from '@slipway/core';
import {
  byteLengthOf,
  dropInitializerInputs,
  GraphEditor,
  type Keep,
  mapGraphs,
  type Model,
  opsetOf,
  subgraphsOf,
  upgradeOpset,
  withModel,
} from '@slipway/onnx';
import type { PassAssessment } from '../pass.ts';
import { foldConstants, type Origins } from './fold.ts';

export interface Prepared {
  readonly model: Model;
  readonly origins: Origins;
  /** The operator set the model was raised from, or null. */
  readonly raisedFrom: number | null;
}

/** The first with QuantizeLinear and DequantizeLinear per axis. */
export const QUANTIZATION_OPSET = 13;

/**
 * For quantization.
 * @param opset the operator set the result needs
 * @param keep where large constants go that are made on the way
 * @throws PASS_NOT_APPLICABLE when the model is older and cannot be upgraded
 */
export function preparedForQuantization(
  pass: PassName,
  model: Model,
  opset = QUANTIZATION_OPSET,
  keep?: Keep,
): Prepared {
  const { model: folded, origins } = foldedBodies(prepared(model, true, keep), keep);
  const before = opsetOf(folded);
  try {
    // An upgrade moves attributes to constants; nothing of it is a weight.
    return { model: upgradeOpset(folded, opset), origins, raisedFrom: before < opset ? before : null };
  } catch (error) {
    if (!hasCode(error, 'UNSUPPORTED_OPERATOR') && !hasCode(error, 'UNSUPPORTED_OPSET')) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const problem = `the model is in operator set ${before} and cannot be raised to ${opset}: ${reason}`;
    throw fail('PASS_NOT_APPLICABLE', { pass, problem }, { cause: error });
  }
}

/** The same for the bodies of If, Loop and Scan. */
function foldedBodies({ model, origins }: Omit<Prepared, 'raisedFrom'>, keep?: Keep): Omit<Prepared, 'raisedFrom'> {
  const all = new Map(origins);
  const folded = mapGraphs(model, (graph, { outer }) => {
    if (outer.size === 0) return graph;
    const editor = new GraphEditor(graph, outer, keep);
    for (const [name, sources] of foldConstants(editor)) all.set(name, sources);
    return editor.finish();
  });
  return { model: folded, origins: all };
}

/** An assessment that says what `assess` would have thrown. */
export function assessing(assess: (model: Model) => PassAssessment): (model: Model) => PassAssessment {
  return (model) => {
    try {
      return assess(model);
    } catch (error) {
      if (!(error instanceof SlipwayError)) throw error;
      return { applicable: false, targets: 0, summary: String(error.params['problem'] ?? error.message) };
    }
  };
}

/**
 * @param fill see `foldConstants`
 * @param keep where large constants go that are made on the way
 */
export function prepared(model: Model, fill = true, keep?: Keep): Omit<Prepared, 'raisedFrom'> {
  const start = dropInitializerInputs(model);
  const editor = new GraphEditor(start.graph, [], keep);
  const origins = foldConstants(editor, fill);
  return { model: withModel(start, { graph: editor.finish() }), origins };
}

/** Bytes of all constants, those in bodies of control flow included. */
export function constantBytes({ graph }: Pick<Model, 'graph'>): number {
  const own = [...graph.initializers.values()].reduce((sum, initializer) => sum + byteLengthOf(initializer), 0);
  const bodies = graph.nodes.flatMap(subgraphsOf);
  return bodies.reduce((sum, body) => sum + constantBytes({ graph: body }), own);
}
