/**
 * Checks model-local functions: their nodes, that names are defined before they are read, and that no function calls
 * itself, directly or through others. A function that does would be expanded for ever by whoever inlines it.
 */
import type { ExternalOptions } from '../external/files.ts';
import { readNames, subgraphsOf } from '../graph/scope.ts';
import { mapNodeTensors } from '../graph/tensors.ts';
import type { ModelFunction } from '../ir/function.ts';
import { isExternal } from '../ir/initializer.ts';
import type { Model } from '../ir/model.ts';
import { type Node, opName } from '../ir/node.ts';
import { checkNode, type NodeRules } from './nodes.ts';
import type { Report } from './problem.ts';
import { checkTensor } from './tensors.ts';

const keyOf = ({ domain, name }: Pick<ModelFunction, 'domain' | 'name'>): string => `${domain}.${name}`;

export function checkFunctions(model: Model, rules: NodeRules, options: ExternalOptions, report: Report): void {
  const calls = new Map<string, Set<string>>();
  const seen = new Set<string>();
  for (const item of model.functions) {
    const where = `function "${keyOf(item)}"`;
    const identity = `${keyOf(item)}:${item.overload}`;
    if (seen.has(identity)) report({ where, problem: 'is defined twice', kind: 'invalid' });
    seen.add(identity);
    const known = new Set(item.inputs);
    item.nodes.forEach((node, index) => {
      const at = `${where} / node #${index} (${opName(node)})`;
      for (const name of readNames(node)) {
        if (!known.has(name)) {
          report({ where: at, problem: `reads "${name}", which nothing before it defines`, kind: 'invalid' });
        }
      }
      for (const name of node.outputs) known.add(name);
      checkNode(node, at, { ...rules, opsets: item.opsets }, report);
      mapNodeTensors(node, (tensor) => {
        if (isExternal(tensor)) {
          report({
            where: at,
            problem: `holds external data ("${tensor.data.location}"), which functions may not have here`,
            kind: 'invalid',
          });
        } else checkTensor(tensor, at, null, options, report);
        return tensor;
      });
    });
    for (const name of item.outputs) {
      if (!known.has(name)) report({ where, problem: `output "${name}" is computed by no node`, kind: 'invalid' });
    }
    // Overloads are one: a function that calls another overload of itself is refused as well, which is on the safe side.
    const called = calls.get(keyOf(item)) ?? new Set<string>();
    collectCalls(item.nodes, rules.functions, called);
    calls.set(keyOf(item), called);
  }
  const cycle = findCycle(calls);
  if (cycle !== undefined) {
    report({ where: `function "${cycle[0] ?? ''}"`, problem: `calls itself: ${cycle.join(' → ')}`, kind: 'invalid' });
  }
}

function collectCalls(nodes: readonly Node[], functions: ReadonlySet<string>, into: Set<string>): void {
  for (const node of nodes) {
    const key = `${node.domain}.${node.op}`;
    if (functions.has(key)) into.add(key);
    for (const inner of subgraphsOf(node)) collectCalls(inner.nodes, functions, into);
  }
}

/** The first cycle of the call graph, by depth-first search with a stack of its own: chains of calls can be long. */
function findCycle(calls: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | undefined {
  const done = new Set<string>();
  for (const start of calls.keys()) {
    const path: string[] = [];
    const onPath = new Set<string>();
    const stack: { readonly name: string; readonly rest: Iterator<string> }[] = [];
    const enter = (name: string): void => {
      path.push(name);
      onPath.add(name);
      stack.push({ name, rest: (calls.get(name) ?? new Set<string>()).values() });
    };
    if (!done.has(start)) enter(start);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.rest.next();
      if (next.done === true) {
        stack.pop();
        path.pop();
        onPath.delete(top.name);
        done.add(top.name);
      } else if (onPath.has(next.value)) {
        return [...path.slice(path.indexOf(next.value)), next.value];
      } else if (!done.has(next.value)) enter(next.value);
    }
  }
  return undefined;
}
