/**
 * Rewrites a model into a smaller one that computes the same: constants are evaluated, what does nothing or is computed
 * twice goes, neighbours that can be one operator become one.
 *
 * Every rewrite is a small object of its own (`rewrites/`). Round after round, all of them are applied to every graph,
 * subgraphs first, until a round changes nothing or the bound is reached. The order is fixed and nothing depends on
 * time or chance: the same model gives the same bytes.
 */
import { fail } from '@slipway/core';
import { eliminateDeadCode } from '../graph/eliminate.ts';
import { GraphEditor } from '../graph/editor.ts';
import { mapGraphs } from '../graph/map-graphs.ts';
import { subgraphsOf } from '../graph/scope.ts';
import { type Graph, requiredInputs } from '../ir/graph.ts';
import { type Model, opsetOf, withModel } from '../ir/model.ts';
import { isFixed, isTensorType, type Shape, tensorType } from '../ir/type.ts';
import { createValueInfo } from '../ir/value-info.ts';
import { Facts } from './facts.ts';
import { Limits, type Rewrite, Site } from './rewrite.ts';
import { REWRITES } from './rewrites/index.ts';

export interface SimplifyOptions {
  /** Only rewrites whose outputs are equal bit for bit. Default false. */
  readonly exact?: boolean;
  /** Shapes the inputs will always have. They are written into the model: it accepts no others afterwards. */
  readonly inputShapes?: ReadonlyMap<string, Shape>;
  /** Names of rewrites not to use. */
  readonly skip?: readonly string[];
  /** A constant larger than this is made only when what it is made of goes, so that the model does not grow. Default 64 KiB. */
  readonly maxFoldedBytes?: number;
  /** Default 32. */
  readonly maxRounds?: number;
}

export interface Simplified {
  readonly model: Model;
  /** Nodes, subgraphs included. */
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  /** How often each rewrite was applied, in the order of the table; those that never were are left out. */
  readonly applied: ReadonlyMap<string, number>;
  readonly rounds: number;
  /** False when the bound on rounds ended it. */
  readonly settled: boolean;
}

/** What documentation and reports say about a rewrite. */
export type RewriteFacts = Pick<Rewrite, 'name' | 'exactness' | 'summary'>;

/** All rewrites, in the order in which they are applied. */
export const REWRITE_TABLE: readonly RewriteFacts[] = REWRITES;

const DEFAULT_MAX_FOLDED_BYTES = 64 * 1024;
const DEFAULT_MAX_ROUNDS = 32;

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
  const limits = new Limits(options.maxFoldedBytes ?? DEFAULT_MAX_FOLDED_BYTES);
  const nodesBefore = nodeCount(source.graph);
  const counts = new Map<string, number>();
  let model = source;
  let rounds = 0;
  let settled = true;
  if (isUnderstood(source)) {
    model = withInputShapes(withFreeInitializers(source), options.inputShapes ?? new Map());
    settled = false;
    while (!settled && rounds < (options.maxRounds ?? DEFAULT_MAX_ROUNDS)) {
      rounds += 1;
      const next = round(model, rewrites, limits, counts);
      settled = next === model;
      model = next;
    }
  }
  const applied = new Map(
    rewrites.flatMap(({ name }): [string, number][] => {
      const count = counts.get(name) ?? 0;
      return count === 0 ? [] : [[name, count]];
    }),
  );
  return { model, nodesBefore, nodesAfter: nodeCount(model.graph), applied, rounds, settled };
}

/** Nodes of a graph and of the graphs inside it. */
export function nodeCount(graph: Graph): number {
  return graph.nodes.reduce(
    (sum, node) => sum + subgraphsOf(node).reduce((inner, subgraph) => inner + nodeCount(subgraph), 1),
    0,
  );
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

/** The same model when nothing applied. */
function round(source: Model, rewrites: readonly Rewrite[], limits: Limits, counts: Map<string, number>): Model {
  const facts = new Facts(source);
  const rewritten = mapGraphs(source, (graph, context) => {
    const site = new Site(new GraphEditor(graph, context.outer), facts, context.outer, limits);
    let here = 0;
    for (const rewrite of rewrites) {
      const count = rewrite.apply(site);
      if (count > 0) counts.set(rewrite.name, (counts.get(rewrite.name) ?? 0) + count);
      here += count;
    }
    return here === 0 ? graph : site.editor.finish();
  });
  return eliminateDeadCode(rewritten);
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
