/**
 * What is decided before anything is measured: the model in the form that quantization takes, and for each of its graphs, the
 * main one and the bodies of If, Loop and Scan in it, what to quantize there.
 *
 * A body is planned as if the constants around it were its own: that is how its operators see them.
 */
import {
  type Graph,
  GraphEditor,
  inferShapes,
  type Initializer,
  isTensorType,
  type Keep,
  mapGraphs,
  type Model,
  type Node,
  subgraphsOf,
  type ValueType,
} from '@slipway/onnx';
import { ensureBiases } from '../bias-correction/places.ts';
import { fuseChannelwise } from '../channel-scale/fold.ts';
import { judgeEmbedding, type Target } from '../dynamic/plan.ts';
import { type Exclusion, nodeExclusion } from '../exclude.ts';
import { preparedForQuantization } from '../prepared.ts';
import { planEverywhere } from './everywhere-plan.ts';
import { planInputs } from './inputs-plan.ts';
import { type PlanOptions, planStatic, type StaticPlan } from './plan.ts';
import { opsetOfScheme, type Scheme } from './scheme.ts';
import { needsWideBiases, widenBiases } from './widen.ts';

/** A graph and what to quantize in it. */
export interface GraphPlan {
  /** The graph, with the constants of those around it among its own. */
  readonly view: Graph;
  readonly plan: StaticPlan;
  /** Tables to store in 8 bits; what is gathered from them is float again. */
  readonly embeddings: readonly Target[];
}

export interface PreparedStatic {
  readonly model: Model;
  readonly main: GraphPlan;
  /** By the body of `model`. */
  readonly bodies: ReadonlyMap<Graph, GraphPlan>;
  /** Those of bodies, then that of the main graph. */
  readonly plans: readonly GraphPlan[];
  readonly folded: number;
  /** The operator set the model was raised from, or null. */
  readonly raisedFrom: number | null;
  /** Nodes left alone because excluded. */
  readonly kept: readonly Node[];
}

export interface PrepareOptions {
  readonly keep?: Keep;
  /** Give every product of the main graph a bias that can be corrected. */
  readonly biases?: boolean;
}

export function prepareStatic(
  model: Model,
  excluded: Exclusion,
  scheme: Scheme,
  { keep, biases = false }: PrepareOptions = {},
): PreparedStatic {
  const opset = opsetOfScheme(scheme);
  const { model: start, origins, raisedFrom } = preparedForQuantization('quantize.static', model, opset, keep);
  const sources = new Map(origins);
  const constants = new Map<string, Initializer>();
  mapGraphs(start, (graph) => {
    for (const [name, initializer] of graph.initializers) constants.set(name, initializer);
    return graph;
  });
  const isExcluded = nodeExclusion(excluded, (name) => constants.has(name), sources);
  const types = inferShapes(start).values;
  let folded = 0;
  const wide = needsWideBiases(start, scheme);
  const fused = mapGraphs(start, (graph, { outer }) => {
    const editor = new GraphEditor(graph, outer, keep);
    folded += fuseChannelwise(editor, types, sources, isExcluded);
    if (biases && outer.size === 0) ensureBiases(editor, isExcluded);
    if (wide) widenBiases(editor, constants, types, sources);
    return editor.finish();
  });

  const bodies = new Map<Graph, GraphPlan>();
  const kept: Node[] = [];
  const isFloat32 = (name: string): boolean => {
    const type = types.get(name);
    return isTensorType(type) && type.dtype === 'float32';
  };
  const visit = (graph: Graph, outer: ReadonlyMap<string, Initializer>): GraphPlan => {
    const initializers = new Map([...outer, ...graph.initializers]);
    const view: Graph = Object.freeze({ ...graph, initializers });
    for (const node of graph.nodes) {
      for (const body of subgraphsOf(node)) bodies.set(body, visit(body, initializers));
    }
    kept.push(...graph.nodes.filter(isExcluded));
    return {
      view,
      plan: planFor(view, { scheme, isExcluded, isFloat32 }, types),
      embeddings: scheme.placement === 'between' ? embeddingsOf(view, isExcluded) : [],
    };
  };
  const main = visit(fused.graph, new Map());
  return { model: fused, main, bodies, plans: [...bodies.values(), main], folded, raisedFrom, kept };
}

function embeddingsOf(view: Graph, isExcluded: (node: Node) => boolean): Target[] {
  return view.nodes
    .filter((node) => !isExcluded(node))
    .map((node) => judgeEmbedding(node, (name) => view.initializers.get(name)))
    .filter((one) => one !== null && typeof one !== 'string');
}

function planFor(
  view: Graph,
  options: PlanOptions & { readonly scheme: Scheme },
  types: ReadonlyMap<string, ValueType>,
): StaticPlan {
  switch (options.scheme.placement) {
    case 'between':
      return planStatic(view, options);
    case 'inputs':
      return planInputs(view, options, types);
    case 'everywhere':
      return planEverywhere(view, options);
  }
}
