/**
 * Cutting text at a pattern, as the `tokenizers` crate does (`NormalizedString::split`): what happens to the matches is one of five
 * behaviours, and empty pieces are dropped.
 */
import { type Component, isComponent, stringOf, TokenizerProblem } from './component.ts';
import { translatePattern } from './library.ts';

const BEHAVIORS = ['removed', 'isolated', 'mergedwithprevious', 'mergedwithnext', 'contiguous'] as const;
type Behavior = (typeof BEHAVIORS)[number];

/** `MergedWithNext`, as files write it. @throws TokenizerProblem */
export function behaviorOf(component: Component, otherwise: Behavior): Behavior {
  const given = stringOf(component, 'behavior', otherwise);
  const found = BEHAVIORS.find((known) => known === given.toLowerCase());
  if (found === undefined) throw new TokenizerProblem(`the behavior ${JSON.stringify(given)} is not known here`);
  return found;
}

/**
 * `{ String }` or `{ Regex }` as a global expression. Patterns are written for Oniguruma; the library translates them.
 * @throws TokenizerProblem
 */
export function patternOf(component: Component): RegExp {
  const given = component['pattern'];
  if (!isComponent(given)) throw new TokenizerProblem('the pattern is not an object');
  const { String: text, Regex: source } = given;
  if (typeof text === 'string') return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'), 'gu');
  if (typeof source !== 'string') throw new TokenizerProblem('the pattern has neither "String" nor "Regex"');
  try {
    const pattern = translatePattern(source);
    if (pattern !== null) return pattern;
  } catch (error) {
    throw new TokenizerProblem(`the pattern ${source.slice(0, 80)}: ${error instanceof Error ? error.message : ''}`);
  }
  throw new TokenizerProblem(`the pattern ${source.slice(0, 80)} is not understood`);
}

/** @param pattern global @param invert what is between the matches counts as matches */
export function split(text: string, pattern: RegExp, behavior: Behavior, invert = false): string[] {
  const pieces: { text: string; match: boolean }[] = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(pattern)) {
    if (found === '') continue;
    if (index > from) pieces.push({ text: text.slice(from, index), match: invert });
    pieces.push({ text: found, match: !invert });
    from = index + found.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), match: invert });
  return BEHAVE[behavior](pieces);
}

type Pieces = readonly { readonly text: string; readonly match: boolean }[];

const BEHAVE: Readonly<Record<Behavior, (pieces: Pieces) => string[]>> = {
  removed: (pieces) => pieces.flatMap(({ text, match }) => (match ? [] : [text])),
  isolated: (pieces) => pieces.map(({ text }) => text),
  contiguous: (pieces) => merge(pieces, (before, piece) => before.match === piece.match, 1),
  mergedwithprevious: (pieces) => merge(pieces, (before, piece) => piece.match && !before.match, 1),
  mergedwithnext: (pieces) => merge([...pieces].reverse(), (before, piece) => piece.match && !before.match, -1),
};

/** Appends a piece to the one before where `joins` says so. @param direction -1: the pieces come last first */
function merge(
  pieces: Pieces,
  joins: (before: Pieces[number], piece: Pieces[number]) => boolean,
  direction: 1 | -1,
): string[] {
  const merged: string[] = [];
  pieces.forEach((piece, index) => {
    const before = pieces[index - 1];
    const last = merged.at(-1);
    if (before === undefined || last === undefined || !joins(before, piece)) merged.push(piece.text);
    else merged[merged.length - 1] = direction === 1 ? last + piece.text : piece.text + last;
  });
  return direction === 1 ? merged : merged.reverse();
}
