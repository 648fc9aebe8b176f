/**
 * Brings a model into the form that passes rely on, without changing what it computes:
 *
 * - constants are initializers only: not also inputs (as files before IR 4 must list them), not Constant nodes, not a
 *   reshape of a constant; so a weight is found by looking at `initializers`;
 * - biases of Conv, ConvTranspose and Gemm have rank 1;
 * - every node has a name of its own;
 * - nothing is computed in vain;
 * - the operator set is at least the one asked for.
 */
import { eliminateConstants, eliminateDeadCode } from '../graph/eliminate.ts';
import { mapGraphs } from '../graph/map-graphs.ts';
import { type Model, opsetOf, withModel } from '../ir/model.ts';
import { type Node, withNode } from '../ir/node.ts';
import { irVersionFor, upgradeOpset } from '../upgrade/upgrade.ts';
import { flattenBiases } from './bias.ts';
import { foldViews } from './fold-views.ts';

export interface NormaliseOptions {
  /** Upgrade to this version of the standard operator set if the model is older. Default: no upgrade. */
  readonly opset?: number;
  /** Named in messages. */
  readonly path?: string;
}

/** @throws UNSUPPORTED_OPSET, UNSUPPORTED_OPERATOR when an upgrade is asked for and not possible */
export function normalise(model: Model, options: NormaliseOptions = {}): Model {
  let result = nameNodes(eliminateConstants(dropInitializerInputs(model)));
  if (options.opset !== undefined) result = upgradeOpset(result, options.opset, options.path);
  return eliminateDeadCode(flattenBiases(foldViews(result)));
}

/** Takes constants out of the inputs, and raises the IR version to one that allows it. */
export function dropInitializerInputs(model: Model): Model {
  const changed = mapGraphs(model, (graph) => {
    const inputs = graph.inputs.filter((input) => !graph.initializers.has(input.name));
    return inputs.length === graph.inputs.length ? graph : Object.freeze({ ...graph, inputs: Object.freeze(inputs) });
  });
  const irVersion = Math.max(model.irVersion, 4, irVersionFor(opsetOf(model)));
  return changed === model && irVersion === model.irVersion ? model : withModel(changed, { irVersion });
}

/** Gives each node without a name, or with one that another node has, a name of its own. Others keep theirs. */
export function nameNodes(model: Model): Model {
  const taken = new Set<string>();
  mapGraphs(model, (graph) => {
    for (const node of graph.nodes) taken.add(node.name);
    return graph;
  });
  const used = new Set<string>();
  const named = (node: Node): Node => {
    if (node.name !== '' && !used.has(node.name)) {
      used.add(node.name);
      return node;
    }
    const stem = node.name === '' ? node.op : node.name;
    let name = stem;
    for (let suffix = 1; name === stem || taken.has(name); suffix++) name = `${stem}_${suffix}`;
    taken.add(name);
    used.add(name);
    return withNode(node, { name });
  };
  return mapGraphs(model, (graph) => {
    const nodes = graph.nodes.map(named);
    return nodes.some((node, index) => node !== graph.nodes[index])
      ? Object.freeze({ ...graph, nodes: Object.freeze(nodes) })
      : graph;
  });
}
