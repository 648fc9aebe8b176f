/**
 * Follows the batch axis through a graph: which values have one row per request along axis 0, and which operators keep rows
 * apart. It fails closed: an operator that is not in the table below, or is used in a way that could mix rows, is a
 * reason to refuse, and so is an output without a batch axis.
 *
 * Values are in one of three states. `rows`: axis 0 is the batch. `fixed`: computed from constants only. `shape`:
 * integers computed from the shape of a value with rows, which follow the batch by themselves at run time.
 */
import { describeNode, type Graph, integersOf, loadInitializer, type Node, subgraphsOf } from '@slipway/onnx';
import { ROW_RULES, type RowContext, type State } from './rules.ts';

interface ReshapeRewrite {
  readonly node: Node;
  readonly shape: readonly number[];
}

export interface BatchFlow {
  /** Why the batch axis cannot vary; null when nothing speaks against it. */
  readonly obstacle: string | null;
  /** Shape constants with the batch size in them, and what to put in their place. */
  readonly rewrites: readonly ReshapeRewrite[];
}

/** @param shapeOf the shape of a value with the batch of one, where it is known */
export function followBatch(
  graph: Graph,
  inputs: readonly string[],
  opset: number,
  shapeOf: (name: string) => readonly (number | string)[] | null,
): BatchFlow {
  const states = new Map<string, State>(inputs.map((name) => [name, 'rows']));
  const stateOf = (name: string): State => states.get(name) ?? 'fixed';
  const rewrites: ReshapeRewrite[] = [];
  for (const node of graph.nodes) {
    const read = node.inputs.filter((name) => name !== '');
    let state: State = 'fixed';
    if (subgraphsOf(node).length > 0) {
      return { obstacle: `${describeNode(node)} is control flow`, rewrites };
    }
    if (read.some((name) => stateOf(name) !== 'fixed')) {
      const constant = (index: number): readonly number[] | undefined => {
        const initializer = graph.initializers.get(node.inputs[index] ?? '');
        return initializer === undefined ? undefined : integersOf(loadInitializer(initializer));
      };
      const context: RowContext = {
        node,
        opset,
        state: (index) => stateOf(node.inputs[index] ?? ''),
        rank: (index) => shapeOf(node.inputs[index] ?? '')?.length,
        shape: (index) => shapeOf(node.inputs[index] ?? ''),
        outputShape: () => shapeOf(node.outputs[0] ?? ''),
        constant,
        rewriteShape: (shape) => rewrites.push({ node, shape }),
      };
      const rule = node.domain === '' ? ROW_RULES.get(node.op) : undefined;
      if (rule === undefined) {
        return { obstacle: `${describeNode(node)}: it is not known whether it keeps rows apart`, rewrites };
      }
      const verdict = rule(context);
      if (typeof verdict !== 'string') return { obstacle: `${describeNode(node)}: ${verdict.problem}`, rewrites };
      state = verdict;
    }
    for (const name of node.outputs) if (name !== '') states.set(name, state);
  }
  const lost = graph.outputs.find(({ name }) => stateOf(name) !== 'rows');
  const obstacle = lost === undefined ? null : `the output "${lost.name}" does not have one row per input row`;
  return { obstacle, rewrites };
}
