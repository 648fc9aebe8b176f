/**
 * Which weights are stored in few bits, in the main graph and in every body of If, Loop and Scan, and why others are not.
 *
 * A weight is an initializer, wherever it is defined; what reads it is looked up through the graphs around. All
 * of its readers have to be products or lookups that can read codes: one that cannot keeps the float tensor in the file, and then
 * the file would grow.
 */
import {
  byteLengthOf,
  describeNode,
  type Graph,
  type Initializer,
  mapGraphs,
  type Model,
  type Node,
  subgraphsOf,
} from '@slipway/onnx';
import { type Constant, judge, type PlanOptions, storedBytes, type Target } from './judge.ts';

interface Untouched {
  readonly node: Node;
  readonly reason: string;
}

export interface Plan {
  /** All graphs of the model, innermost first: the order in which `mapGraphs` visits them. */
  readonly graphs: readonly Graph[];
  readonly targets: readonly Target[];
  readonly untouched: readonly Untouched[];
  readonly excluded: readonly Node[];
}

export function planWeights(model: Model, options: PlanOptions): Plan {
  const scopes = scopesOf(model);
  const targets: Target[] = [];
  const untouched: Untouched[] = [];
  const excluded: Node[] = [];
  const reads = new Map<Initializer, { node: Node | null }[]>();
  const accepted = new Map<Initializer, Target[]>();

  for (const graph of scopes.graphs) {
    const read = (name: string, node: Node | null): void => {
      const constant = scopes.constant(graph, name);
      if (constant === undefined) return;
      const known = reads.get(constant.initializer);
      if (known === undefined) reads.set(constant.initializer, [{ node }]);
      else known.push({ node });
    };
    for (const { name } of graph.outputs) read(name, null);
    for (const node of graph.nodes) {
      for (const name of node.inputs) read(name, node);
      const verdict = judge(
        node,
        { graph, isMain: graph === model.graph },
        (name) => scopes.constant(graph, name),
        options,
      );
      if (verdict === null) continue;
      if (typeof verdict === 'string') untouched.push({ node, reason: verdict });
      else if (options.isExcluded([node, ...options.namesOf(verdict.weight.name)])) excluded.push(node);
      else accepted.set(verdict.weight, [...(accepted.get(verdict.weight) ?? []), verdict]);
    }
  }
  for (const [weight, all] of accepted) {
    const readers = reads.get(weight) ?? [];
    const others = readers.filter(({ node }) => !all.some((target) => target.node === node));
    const after = [
      ...new Map(
        all.map((target) => [`${target.key}${scopes.graphs.indexOf(target.home)}`, storedBytes(target)]),
      ).values(),
    ].reduce((a, b) => a + b, 0);
    const reason =
      others.length > 0
        ? `its weight "${weight.name}" is also read ${describeReader(others[0]?.node)}, so the float weight would stay and the file grow`
        : after >= byteLengthOf(weight)
          ? `it would not become smaller (${byteLengthOf(weight)} → ${after} bytes)`
          : null;
    if (reason === null) targets.push(...all);
    else untouched.push(...all.map(({ node }) => ({ node, reason })));
  }
  return { graphs: scopes.graphs, targets, untouched, excluded };
}

const describeReader = (node: Node | null | undefined): string =>
  node === null || node === undefined ? 'as an output of the graph' : `by ${describeNode(node)}`;

interface Scopes {
  /** Innermost first. */
  readonly graphs: readonly Graph[];
  /** The initializer that `name` means in `graph`; undefined when it is computed, or may be given by the caller. */
  constant(graph: Graph, name: string): Constant | undefined;
}

function scopesOf(model: Model): Scopes {
  const graphs: Graph[] = [];
  mapGraphs(model, (graph) => {
    graphs.push(graph);
    return graph;
  });
  const parents = new Map<Graph, Graph>();
  const computed = new Map<Graph, Set<string>>();
  for (const graph of graphs) {
    computed.set(
      graph,
      new Set([...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap((node) => node.outputs)]),
    );
    for (const node of graph.nodes) for (const inner of subgraphsOf(node)) parents.set(inner, graph);
  }
  return {
    graphs,
    constant(graph, name) {
      if (name === '') return undefined;
      for (let at: Graph | undefined = graph; at !== undefined; at = parents.get(at)) {
        if (computed.get(at)?.has(name) === true) return undefined;
        const initializer = at.initializers.get(name);
        if (initializer !== undefined) return { initializer, owner: at };
      }
      return undefined;
    },
  };
}
