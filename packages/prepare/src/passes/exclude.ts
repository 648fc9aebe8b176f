/**
 * What `exclude` and `only` mean, for every pass. Entries are names of nodes or initializers (with `*`, or as a regular expression),
 * operators, or regions of the graph; see `selectorSchema` in core. A node that holds a body stands for all in it.
 *
 * Names are those of the source model, as people see it, and those of the model the pass is given: `heirs.ts` follows the
 * first through what earlier passes did. An entry that matches nothing is an error, because an exclusion that
 * silently does nothing looks exactly like one that works.
 *
 * For a pass: add `exclude, only` to its options in core, then
 *
 * ```ts
 * const excluded = exclusion(pass, spec, model, context.source);
 * if (excluded.has(node, weight.name)) …
 * ```
 *
 * asking before anything is renamed, or with the names from before.
 */
import { fail, type PassName, type Selection, type Selector, suggest } from '@slipway/core';
import { type Model, type Node, opName } from '@slipway/onnx';
import { heirFinder } from './select/heirs.ts';
import { addHandles, handlesOf, type Part, type Parts, partsOf } from './select/parts.ts';
import { matcher } from './select/pattern.ts';
import { compileRegex } from './select/regex.ts';
import { regionOf } from './select/region.ts';

export interface Exclusion {
  /**
   * True when the pass is to leave this alone: something that is known by these nodes and names (of a node together with its
   * weight, say) is excluded, or none of them is among `only`. Empty names match nothing.
   */
  has(...things: readonly (Node | string)[]): boolean;
}

/**
 * @param source the model the recipe began with, null when that is `model`
 * @param called what the user wrote instead of `exclude`, where a pass selects by another option
 * @throws PASS_NOT_APPLICABLE when an entry matches nothing in either, or is not a regular expression
 */
export function exclusion(
  pass: PassName,
  selection: Selection,
  model: Model,
  source: Model | null = null,
  called = 'exclude',
): Exclusion {
  const { exclude = [], only } = selection;
  if (exclude.length === 0 && only === undefined) return { has: () => false };
  const now = partsOf(model);
  const before = source === null ? null : { parts: partsOf(source), heirs: heirFinder(now) };

  const handles = (option: string, entries: readonly Selector[]): ReadonlySet<string> => {
    const all = new Set<string>();
    for (const entry of entries) {
      const refuse = (problem: string): Error =>
        fail('PASS_NOT_APPLICABLE', { pass, problem: `the ${option} ${describe(entry)} ${problem}` });
      const found = select(entry, now, refuse);
      const earlier = before === null ? found : select(entry, before.parts, refuse);
      // What is said of the source is what its reader can act on.
      if (typeof found === 'string' && typeof earlier === 'string') throw refuse(earlier);
      const heirs = before === null || typeof earlier === 'string' ? [] : earlier.flatMap(before.heirs);
      if (typeof found === 'string' && heirs.length === 0) {
        throw refuse('matches only what earlier passes of the recipe have removed: drop the entry');
      }
      for (const part of [...(typeof found === 'string' ? [] : found), ...heirs]) addHandles(part, all);
    }
    return all;
  };
  const excluded = handles(called, exclude);
  const chosen = only === undefined ? null : handles('only', only);
  return {
    has(...things) {
      const asked = things.flatMap((thing) => (typeof thing === 'string' ? [thing] : handlesOf(thing)));
      const among = (set: ReadonlySet<string>): boolean => asked.some((name) => set.has(name));
      return among(excluded) || (chosen !== null && !among(chosen));
    },
  };
}

/**
 * Whether a node is left alone: it is known by itself, by the constants it reads, and by what those were made of. A tensor that
 * is computed does not name its reader, although exporters like to call it as the node before.
 * @param origins constant → the constants and nodes that were folded into it
 */
export function nodeExclusion(
  excluded: Exclusion,
  isConstant: (name: string) => boolean,
  origins: ReadonlyMap<string, readonly string[]> = new Map(),
): (node: Node) => boolean {
  return (node) =>
    excluded.has(
      node,
      ...node.inputs.flatMap((name) => [...(isConstant(name) ? [name] : []), ...(origins.get(name) ?? [])]),
    );
}

/** The parts an entry matches, or, to follow its description in a sentence, why there are none. */
function select(entry: Selector, parts: Parts, refuse: (problem: string) => Error): readonly Part[] | string {
  if (typeof entry === 'string') return named(parts, matcher(entry)) ?? nothing(suggest(entry, parts.names));
  if ('regex' in entry) return named(parts, compiled(entry.regex, refuse)) ?? nothing('');
  if ('op' in entry) {
    const nodes = parts.nodes.filter(({ node }) => node.op === entry.op || opName(node) === entry.op);
    return nodes.length > 0 ? nodes : `matches no node${suggest(entry.op, parts.operators)}`;
  }
  return regionOf(entry, parts);
}

function named(parts: Parts, matches: (name: string) => boolean): readonly Part[] | null {
  const found = [
    ...parts.nodes.filter(({ node }) => node.name !== '' && matches(node.name)),
    ...parts.weights.filter(({ weight }) => matches(weight)),
  ];
  return found.length > 0 ? found : null;
}

function compiled(regex: string, refuse: (problem: string) => Error): (name: string) => boolean {
  try {
    return compileRegex(regex);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refuse(`cannot be used: ${error.message}`);
  }
}

const nothing = (meant: string): string => `matches no node and no initializer${meant}`;

function describe(entry: Selector): string {
  if (typeof entry === 'string') return `pattern "${entry}"`;
  if ('regex' in entry) return `regex "${entry.regex}"`;
  if ('op' in entry) return `operator "${entry.op}"`;
  const place = (names: string | readonly string[] | undefined): string => [names ?? '…'].flat().join(', ');
  return `region from ${place(entry.from)} to ${place(entry.to)}`;
}
