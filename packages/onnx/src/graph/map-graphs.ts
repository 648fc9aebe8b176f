/** Applies a change to the graph of a model and to every subgraph in it, innermost first. */
import type { Graph } from '../ir/graph.ts';
import { describeNode, type Node } from '../ir/node.ts';
import { type Model, withModel } from '../ir/model.ts';
import type { Keep } from '../external/spill.ts';
import { GraphEditor } from './editor.ts';
import { definedNames, mapSubgraphs } from './scope.ts';

export interface GraphContext {
  /** Where the graph is, for messages: `graph`, or `graph / If node "x" / then_branch`. */
  readonly where: string;
  /** Names of values in the graphs around this one, which it may read. */
  readonly outer: ReadonlySet<string>;
}

export function mapGraphs(model: Model, change: (graph: Graph, context: GraphContext) => Graph): Model {
  const graph = mapGraph(model.graph, change, { where: 'graph', outer: new Set() });
  return graph === model.graph ? model : withModel(model, { graph });
}

function mapGraph(graph: Graph, change: (graph: Graph, context: GraphContext) => Graph, context: GraphContext): Graph {
  const hasInner = (node: Node): boolean =>
    [...node.attributes.values()].some(({ kind }) => kind === 'graph' || kind === 'graphs');
  let mapped = graph;
  if (graph.nodes.some(hasInner)) {
    const outer = new Set([...context.outer, ...definedNames(graph)]);
    const nodes = graph.nodes.map((node) =>
      mapSubgraphs(node, (inner, attribute) =>
        mapGraph(inner, change, { where: `${context.where} / ${describeNode(node)} / ${attribute}`, outer }),
      ),
    );
    if (nodes.some((node, index) => node !== graph.nodes[index])) {
      mapped = Object.freeze({ ...graph, nodes: Object.freeze(nodes) });
    }
  }
  return change(mapped, context);
}

export interface EditOptions {
  /** Graphs without a node for which this holds are left alone, which saves indexing them. */
  readonly concerned?: (node: Node) => boolean;
  /** Where initializers go that are set: see `spillTo`. */
  readonly keep?: Keep | undefined;
}

/** The usual form of a pass: edit each graph of a model. */
export function editGraphs(
  model: Model,
  edit: (editor: GraphEditor, context: GraphContext) => void,
  { concerned, keep }: EditOptions = {},
): Model {
  return mapGraphs(model, (graph, context) => {
    if (concerned !== undefined && !graph.nodes.some(concerned)) return graph;
    const editor = new GraphEditor(graph, context.outer, keep);
    edit(editor, context);
    return editor.finish();
  });
}
