/**
 * What `exclude` means, for every pass: the names of nodes or initializers, where `*` stands for any run of characters
 * and everything else for itself. A pattern that matches nothing is an error, because an exclusion that silently does
 * nothing looks exactly like one that works. Only names of the model the pass was given count: a pass that
 * renames or fuses nodes asks about the original names.
 */
import { fail, type PassName, suggest } from '@slipway/core';
import type { Model } from '@slipway/onnx';

export interface Exclusion {
  /** True when a pattern names the node or one of the initializers. Empty names match nothing. */
  has(...names: readonly string[]): boolean;
}

/** @throws PASS_NOT_APPLICABLE when a pattern matches no node and no initializer */
export function exclusion(pass: PassName, patterns: readonly string[] | undefined, model: Model): Exclusion {
  const matchers = (patterns ?? []).map((pattern) => ({ pattern, matches: matcher(pattern) }));
  const names = namesOf(model);
  for (const { pattern, matches } of matchers) {
    if (names.some(matches)) continue;
    const problem = `the exclude pattern "${pattern}" matches no node and no initializer${suggest(pattern, names)}`;
    throw fail('PASS_NOT_APPLICABLE', { pass, problem });
  }
  return { has: (...asked) => asked.some((name) => name !== '' && matchers.some(({ matches }) => matches(name))) };
}

/** Linear in the length of the name for any pattern: a regular expression with many `*` could be made to take forever. */
export function matcher(pattern: string): (name: string) => boolean {
  const [first = '', ...middle] = pattern.split('*');
  const last = middle.pop();
  if (last === undefined) return (name) => name === first;
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    const end = name.length - last.length;
    let at = first.length;
    for (const part of middle) {
      const found = name.indexOf(part, at);
      if (found === -1 || found + part.length > end) return false;
      at = found + part.length;
    }
    return true;
  };
}

function namesOf(model: Model): string[] {
  const nodes = model.graph.nodes.map((node) => node.name).filter((name) => name !== '');
  return [...new Set([...nodes, ...model.graph.initializers.keys()])];
}
