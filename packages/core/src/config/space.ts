/**
 * The space that the choices of a recipe span, and whether all of it is a valid recipe. Every value of every choice is
 * tried against the schema once, with the other choices at their first value: what a value may be does not depend on its
 * neighbours. What does (an option that another one needs) may rule out combinations; a search leaves those out.
 */
import { LIMITS } from '../limits.ts';
import { decide, type Dimension, problemOfChoice, type Template } from './choices.ts';

/** The value of every choice that was met, by the id of the choice. */
type Point = ReadonlyMap<string, number>;

const firstOf = (dimension: Dimension): number => (dimension.kind === 'any' ? 0 : dimension.low);

/** The recipe with the first value of every choice. */
export const closeFirst = (template: Template): unknown[] => decide(template, firstOf);

export function hasChoices(template: Template): boolean {
  let met = false;
  decide(template, (dimension) => {
    met = true;
    return firstOf(dimension);
  });
  return met;
}

/** The passes of a recipe, without what says how they are to be applied. */
export const passesOf = (steps: readonly unknown[]): unknown[] =>
  steps.map((step) => (typeof step === 'object' && step !== null && 'partial' in step ? step.partial : step));

/** Values that stand for all of a dimension when it is checked. */
function samples(dimension: Dimension): readonly number[] {
  if (dimension.kind === 'any') return Array.from({ length: dimension.count }, (_, i) => i);
  const { low, high, step } = dimension;
  // A number between the bounds shows an option that takes whole numbers only.
  return [low, high, step === null ? low + (high - low) * 0.4999 : low + step];
}

/** Recipes in which every value of every choice occurs, by the fewest changes from the first values. */
export function* variants(template: Template): Generator<unknown[]> {
  const explored = new Set<string>();
  const pending: Point[] = [new Map()];
  for (let count = 0; pending.length > 0 && count < LIMITS.maxRecipeVariants; count++) {
    const point = pending.shift() ?? new Map<string, number>();
    const met: Dimension[] = [];
    yield decide(template, (dimension) => {
      met.push(dimension);
      return point.get(dimension.id) ?? firstOf(dimension);
    });
    for (const dimension of met) {
      if (explored.has(dimension.id)) continue;
      explored.add(dimension.id);
      for (const value of samples(dimension)) {
        if (value !== firstOf(dimension)) pending.push(new Map([...point, [dimension.id, value]]));
      }
    }
  }
}

/** How many points a space has; Infinity where a number has no step. */
export function countPoints(template: Template): number {
  // Choices are independent but for nesting: a choice has as many points as its values together.
  const count = (value: unknown): number => {
    if (Array.isArray(value)) return value.reduce((product: number, item) => product * count(item), 1);
    if (typeof value !== 'object' || value === null) return 1;
    if ('$anyOf' in value) return (value.$anyOf as unknown[]).reduce((sum: number, item) => sum + count(item), 0);
    if ('$between' in value) {
      const { $between, step } = value as unknown as { $between: [number, number]; step?: number };
      return step === undefined ? Infinity : stepsBetween($between[0], $between[1], step) + 1;
    }
    return Object.values(value).reduce((product: number, item) => product * count(item), 1);
  };
  return count(template);
}

/** How often `step` fits between two bounds, forgiving what 0.1 is not. */
export const stepsBetween = (low: number, high: number, step: number): number => Math.floor((high - low) / step + 1e-9);

/** The first thing wrong with a choice itself, with the path to it, or null. */
export function findBadChoice(
  value: unknown,
  at: readonly PropertyKey[],
): { path: PropertyKey[]; problem: string } | null {
  const problem = problemOfChoice(value);
  if (problem !== null) return { path: [...at], problem };
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, item] of Object.entries(value)) {
    const name = Array.isArray(value) ? Number(key) : key;
    // What a choice is made of is no part of the path that the user wrote.
    const found = key.startsWith('$') ? findBadInside(item, at) : findBadChoice(item, [...at, name]);
    if (found !== null) return found;
  }
  return null;
}

function findBadInside(values: unknown, at: readonly PropertyKey[]): ReturnType<typeof findBadChoice> {
  for (const item of Array.isArray(values) ? values : [values]) {
    const found = findBadChoice(item, at);
    if (found !== null) return found;
  }
  return null;
}
