/** Puts what was quantized into the model: codes where the weights were, and nodes that read them. */
import { allNames, GraphEditor, type Initializer, mapGraphs, type Model, type Node } from '@slipway/onnx';
import { dropUnread } from '../constants.ts';
import { emitTarget, type EmitOptions } from './emit.ts';
import type { Target } from './judge.ts';
import type { Plan } from './plan.ts';
import type { Stored } from './store.ts';

/** A name that nothing in the model has, like the one asked for; taken from then on. */
export function namer(model: Model): (base: string) => string {
  const taken = allNames(model.graph);
  return (base) => {
    let name = base;
    for (let suffix = 1; taken.has(name); suffix++) name = `${base}_${suffix}`;
    taken.add(name);
    return name;
  };
}

export interface Replacement {
  readonly target: Target;
  readonly stored: Stored;
}

/**
 * @param scale prepares the input of a product in its graph and says what the product reads instead (see `awq`)
 */
export function replaceWeights(
  model: Model,
  { graphs }: Plan,
  replacements: readonly Replacement[],
  options: EmitOptions,
  scale: (editor: GraphEditor, node: Node) => string = (_, node) => node.inputs[0] ?? '',
): Model {
  const byNode = new Map(replacements.map((each) => [each.target.node, each]));
  let next = 0;
  return mapGraphs(model, (graph, { outer }) => {
    const original = graphs[next++];
    const own = replacements.filter(({ target }) => target.owner === original);
    const here = replacements.filter(({ target }) => target.home === original);
    const added = new Set<Initializer>(here.flatMap(({ stored }) => stored.initializers));
    const changed = graph.nodes.filter((node) => byNode.has(node));
    if (own.length === 0 && changed.length === 0) return graph;
    const editor = new GraphEditor(graph, outer);
    for (const initializer of added) editor.setInitializer(initializer);
    for (const node of changed) {
      const found = byNode.get(node);
      if (found !== undefined) emitTarget(editor, found.target, found.stored, scale(editor, node), options);
    }
    const biases = changed.flatMap((node) => byNode.get(node)?.target.bias?.name ?? []);
    const weights = own.map(({ target }) => target.weight.name);
    dropUnread(
      editor,
      [...weights, ...biases].filter((name) => editor.initializer(name) !== undefined),
    );
    return editor.finish();
  });
}
