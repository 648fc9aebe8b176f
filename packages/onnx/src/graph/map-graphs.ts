/** Applies a change to the graph of a model and to every subgraph in it, innermost first. */
import type { Graph } from '../ir/graph.ts';
import { describeNode, type Node } from '../ir/node.ts';
import { type Model, withModel } from '../ir/model.ts';
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

/**
 * The usual form of a pass: edit each graph of a model.
 * @param concerned graphs without a node for which this holds are left alone, which saves indexing them
 */
export function editGraphs(
  model: Model,
  edit: (editor: GraphEditor, context: GraphContext) => void,
  concerned?: (node: Node) => boolean,
): Model {
  return mapGraphs(model, (graph, context) => {
    if (concerned !== undefined && !graph.nodes.some(concerned)) return graph;
    const editor = new GraphEditor(graph, context.outer);
    edit(editor, context);
    return editor.finish();
  });
}
