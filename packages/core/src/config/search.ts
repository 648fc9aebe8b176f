/** The words of the key `recipe`, without what checks it (`recipe.ts`). */
import type { PassSpec } from '../passes.ts';

export const OBJECTIVES = ['latency', 'size', 'accuracy'] as const;
export type Objective = (typeof OBJECTIVES)[number];

export const SAMPLERS = ['exhaustive', 'random', 'tpe', 'pareto'] as const;
export type Sampler = (typeof SAMPLERS)[number];

/** The name of the unchanged model among the candidates. */
export const SOURCE_CANDIDATE = 'source';

/** The name of a recipe that was given none. */
export const UNNAMED = 'recipe';

/** What may be spent on recipes with choices, and how they are tried. */
export interface SearchOptions {
  readonly sampler?: Sampler | undefined;
  readonly trials?: number | undefined;
  readonly minutes?: number | undefined;
}

type Recipe = PassSpec[];

/**
 * Try several recipes, by name, or one recipe with choices in it; the gates and the objective choose.
 * @param recipes any pass and any option in them may be `anyOf(…)`, `between(…)`, `optional(…)` or `partial(…)`
 */
export function search(
  recipes: Recipe | Record<string, Recipe>,
  options: SearchOptions = {},
): SearchOptions & { candidates: Record<string, Recipe> } {
  return { candidates: Array.isArray(recipes) ? { [UNNAMED]: recipes } : recipes, ...options };
}
