/**
 * Rewrites a model into a smaller one that computes the same: constants are evaluated, what does nothing or is computed
 * twice goes, neighbours that can be one operator become one.
 *
 * Every rewrite is a small object of its own (`rewrites/`); `apply.ts` applies them round after round.
 */
import { fail } from '@slipway/core';
import { requiredInputs } from '../ir/graph.ts';
import { type Model, opsetOf, withModel } from '../ir/model.ts';
import { isFixed, isTensorType, type Shape, tensorType } from '../ir/type.ts';
import { createValueInfo } from '../ir/value-info.ts';
import { applyRewrites, type RewriteOptions, type Simplified } from './apply.ts';
import type { Rewrite } from './rewrite.ts';
import { REWRITES } from './rewrites/index.ts';

export interface SimplifyOptions extends RewriteOptions {
  /** Only rewrites whose outputs are equal bit for bit. Default false. */
  readonly exact?: boolean;
  /** Shapes the inputs will always have. They are written into the model: it accepts no others afterwards. */
  readonly inputShapes?: ReadonlyMap<string, Shape>;
  /** Names of rewrites not to use. */
  readonly skip?: readonly string[];
}

/** What documentation and reports say about a rewrite. */
export type RewriteFacts = Pick<Rewrite, 'name' | 'exactness' | 'summary'>;

/** All rewrites, in the order in which they are applied. */
export const REWRITE_TABLE: readonly RewriteFacts[] = REWRITES;

/** Before this operator set, broadcasting was spelt out in attributes that no rewrite here reads. */
const OLDEST_OPSET = 7;

/** From this IR version on an initializer need not be an input. */
const IR_WITH_FREE_INITIALIZERS = 4;

/**
 * @throws USAGE when `skip` or `inputShapes` name what there is not
 * @throws MODEL_INVALID naming the node, when an attribute is of a type that its operator cannot have
 */
export function simplify(source: Model, options: SimplifyOptions = {}): Simplified {
  const rewrites = chosen(options);
  const model = isUnderstood(source)
    ? withInputShapes(withFreeInitializers(source), options.inputShapes ?? new Map())
    : source;
  return applyRewrites(model, isUnderstood(source) ? rewrites : [], options);
}

function chosen(options: SimplifyOptions): readonly Rewrite[] {
  for (const name of options.skip ?? []) {
    if (!REWRITES.some((rewrite) => rewrite.name === name)) {
      const problem = `there is no rewrite "${name}"; there are ${REWRITES.map((rewrite) => rewrite.name).join(', ')}`;
      throw fail('USAGE', { problem });
    }
  }
  return REWRITES.filter(
    ({ name, exactness }) => options.skip?.includes(name) !== true && (options.exact !== true || exactness === 'exact'),
  );
}

/** A function of the model with the name of a standard operator would make every rewrite about that operator wrong. */
function isUnderstood(model: Model): boolean {
  return opsetOf(model) >= OLDEST_OPSET && !model.functions.some(({ domain }) => domain === '' || domain === 'ai.onnx');
}

/** Before IR 4 initializers had to be inputs too, and ONNX Runtime takes them for the constants they are. */
function withFreeInitializers(model: Model): Model {
  if (model.irVersion >= IR_WITH_FREE_INITIALIZERS) return model;
  const graph = Object.freeze({ ...model.graph, inputs: Object.freeze([...requiredInputs(model.graph)]) });
  return withModel(model, { irVersion: IR_WITH_FREE_INITIALIZERS, graph });
}

function withInputShapes(model: Model, shapes: ReadonlyMap<string, Shape>): Model {
  if (shapes.size === 0) return model;
  const declared = new Map(model.graph.inputs.map((input) => [input.name, input]));
  for (const [name, shape] of shapes) {
    const type = declared.get(name)?.type;
    if (!isTensorType(type)) throw fail('USAGE', { problem: `the model has no tensor input "${name}"` });
    const fits =
      type.shape === null ||
      (type.shape.length === shape.length &&
        type.shape.every((dim, axis) => !isFixed(dim) || !isFixed(shape[axis]) || dim === shape[axis]));
    if (!fits) {
      const problem = `input "${name}" has the shape [${type.shape.join(', ')}]; [${shape.join(', ')}] does not fit`;
      throw fail('USAGE', { problem });
    }
  }
  const inputs = model.graph.inputs.map((input) => {
    const shape = shapes.get(input.name);
    return shape === undefined || !isTensorType(input.type)
      ? input
      : createValueInfo(input.name, tensorType(input.type.dtype, shape));
  });
  return withModel(model, { graph: Object.freeze({ ...model.graph, inputs: Object.freeze(inputs) }) });
}
