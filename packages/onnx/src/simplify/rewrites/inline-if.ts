/** An If whose condition is constant becomes the branch that is taken. */
import { replaceRead } from '../../graph/scope.ts';
import { integersOf } from '../../ir/elements.ts';
import { createNode, getGraph, type Node, withNode } from '../../ir/node.ts';
import type { Graph } from '../../ir/graph.ts';
import { eachNode, isScalar, type Rewrite, type Site } from '../rewrite.ts';

export const inlineIf: Rewrite = {
  name: 'inline-if',
  exactness: 'exact',
  summary: 'Puts the branch that is always taken in the place of an If with a constant condition.',
  apply: eachNode(['If'], (node, site) => {
    const condition = site.constant(node.inputs[0]);
    if (condition?.dtype !== 'bool' || !isScalar(condition)) return false;
    const branch = getGraph(node, integersOf(condition)[0] === 0 ? 'else_branch' : 'then_branch');
    const fits = branch?.outputs.length === node.outputs.length && branch.inputs.length === 0;
    if (branch === undefined || !fits || branch.sparseInitializers.size > 0) return false;
    inline(node, branch, site);
    return true;
  }),
};

function inline(node: Node, branch: Graph, site: Site): void {
  const { editor } = site;
  // Names of a branch may be used again in the other branch: those that are get a new one.
  const renamed = new Map<string, string>();
  const rename = (name: string): void => {
    if (name !== '' && site.isShared(name)) renamed.set(name, editor.uniqueName(name));
  };
  for (const name of branch.initializers.keys()) rename(name);
  for (const inner of branch.nodes) for (const name of inner.outputs) rename(name);
  const nameOf = (name: string): string => renamed.get(name) ?? name;

  for (const initializer of branch.initializers.values()) {
    editor.setInitializer(Object.freeze({ ...initializer, name: nameOf(initializer.name) }));
  }
  const nodes = branch.nodes.map((inner) => {
    let next = inner;
    for (const [from, to] of renamed) next = replaceRead(next, from, to);
    return withNode(next, { outputs: Object.freeze(next.outputs.map(nameOf)) });
  });
  const results = branch.outputs.flatMap(({ name }, index) => {
    const output = node.outputs[index] ?? '';
    return output === ''
      ? []
      : [createNode('Identity', [nameOf(name)], [output], { name: editor.uniqueNodeName(output) })];
  });
  editor.replace(node, ...nodes, ...results);
}
