/**
 * Applies rewrites to a model. Round after round, all of them are applied to every graph, subgraphs first, until a round
 * changes nothing or the bound is reached. The order is fixed and nothing depends on time or chance: the same model
 * gives the same bytes.
 */
import type { Keep } from '../external/spill.ts';
import { eliminateDeadCode } from '../graph/eliminate.ts';
import { GraphEditor } from '../graph/editor.ts';
import { mapGraphs } from '../graph/map-graphs.ts';
import { subgraphsOf } from '../graph/scope.ts';
import type { Graph } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import { Facts } from './facts.ts';
import { Limits, type Rewrite, Site } from './rewrite.ts';

export interface RewriteOptions {
  /** A constant larger than this is made only when what it is made of goes, so that the model does not grow. Default 64 KiB. */
  readonly maxFoldedBytes?: number;
  /** Default 32. */
  readonly maxRounds?: number;
  /** Where initializers go that are made: see `spillTo`. Default: they stay in memory. */
  readonly keep?: Keep;
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

const DEFAULT_MAX_FOLDED_BYTES = 64 * 1024;
const DEFAULT_MAX_ROUNDS = 32;

/**
 * The model itself when there are no rewrites.
 * @throws MODEL_INVALID naming the node, when an attribute is of a type that its operator cannot have
 */
export function applyRewrites(source: Model, rewrites: readonly Rewrite[], options: RewriteOptions = {}): Simplified {
  const limits = new Limits(options.maxFoldedBytes ?? DEFAULT_MAX_FOLDED_BYTES);
  const counts = new Map<string, number>();
  let model = source;
  let rounds = 0;
  let settled = rewrites.length === 0;
  while (!settled && rounds < (options.maxRounds ?? DEFAULT_MAX_ROUNDS)) {
    rounds += 1;
    const next = round(model, rewrites, limits, counts, options.keep);
    settled = next === model;
    model = next;
  }
  const applied = new Map(
    rewrites.flatMap(({ name }): [string, number][] => {
      const count = counts.get(name) ?? 0;
      return count === 0 ? [] : [[name, count]];
    }),
  );
  return {
    model,
    nodesBefore: nodeCount(source.graph),
    nodesAfter: nodeCount(model.graph),
    applied,
    rounds,
    settled,
  };
}

/** Nodes of a graph and of the graphs inside it. */
export function nodeCount(graph: Graph): number {
  return graph.nodes.reduce(
    (sum, node) => sum + subgraphsOf(node).reduce((inner, subgraph) => inner + nodeCount(subgraph), 1),
    0,
  );
}

/** The same model when nothing applied. */
function round(
  source: Model,
  rewrites: readonly Rewrite[],
  limits: Limits,
  counts: Map<string, number>,
  keep: Keep | undefined,
): Model {
  const facts = new Facts(source);
  const rewritten = mapGraphs(source, (graph, context) => {
    const site = new Site(new GraphEditor(graph, context.outer, keep), facts, context.outer, limits);
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
