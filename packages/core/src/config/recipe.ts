/**
 * Which candidates a build tries: the key `recipe` of the config, and `search`, which takes several recipes, recipes with
 * choices in them (choices.ts), and how much may be spent on trying.
 */
import { z } from 'zod';
import { passSchema } from '../passes/schema.ts';
import { isPartial, type RecipeStep, type Template } from './choices.ts';
import { type Sampler, SAMPLERS, type search, SOURCE_CANDIDATE, UNNAMED } from './search.ts';
import { closeFirst, countPoints, hasChoices, variants } from './space.ts';

/** Trades that a build refuses unless they are asked for. */
export const ALLOWANCES = ['larger', 'slower'] as const;
export type Allowance = (typeof ALLOWANCES)[number];

const candidateName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+._-]*$/)
  .refine((name) => name !== SOURCE_CANDIDATE, 'is the name of the unchanged model, which is always measured');

const searchSchema = z.strictObject({
  candidates: z.record(candidateName, z.array(passSchema)).describe('Recipes by name.'),
  sampler: z
    .enum(SAMPLERS)
    .optional()
    .describe(
      'How recipes with choices are tried: `exhaustive`, `random`, `tpe` (toward the objective), `pareto` (toward the front of size, latency, metric and memory). Default exhaustive where there are at most 32 combinations, else tpe.',
    ),
  trials: z.int().positive().optional().describe('Most trials of recipes with choices. Default 32.'),
  minutes: z.number().positive().optional().describe('Most time for trials, minutes. Default unlimited.'),
});

export const recipeSchema = z.union([z.array(passSchema), searchSchema]);

type UserRecipe = z.input<typeof recipeSchema>;

/** A message about a config, with the paths as its author wrote them: `search` gives a recipe without a name one. */
export function asWritten(problem: string, recipe: unknown): string {
  const candidates = Object.keys((recipe as Partial<ReturnType<typeof search>> | undefined)?.candidates ?? {});
  const isUnnamed = candidates.length === 1 && candidates[0] === UNNAMED;
  return isUnnamed ? problem.replaceAll(`recipe.candidates.${UNNAMED}`, 'recipe') : problem;
}

/** Candidate name → what is done to the source, without the source itself, which is always measured. */
export type Candidates = Readonly<Record<string, readonly RecipeStep[]>>;

export interface SearchPlan {
  /** Recipes with choices, by name. A trial of `int8` is called `int8#1`. */
  readonly templates: Readonly<Record<string, Template>>;
  readonly sampler: Sampler | null;
  readonly trials: number | null;
  readonly minutes: number | null;
}

export interface RecipePlan {
  readonly candidates: Candidates;
  /** null when no recipe has a choice in it. */
  readonly search: SearchPlan | null;
}

/**
 * Put what is open and what is not apart.
 * @param user the key as it was written, known to be valid however its choices are closed
 */
export function compileRecipe(user: UserRecipe | undefined): RecipePlan {
  const { candidates, sampler, trials, minutes } = asSearch(user);
  const named = Object.entries(candidates).filter(([, recipe]) => recipe.length > 0 || !Array.isArray(user));
  const open = named.filter(([, recipe]) => hasChoices(recipe));
  const closed = named.filter(([, recipe]) => !hasChoices(recipe));
  return {
    candidates: Object.fromEntries(closed.map(([name, recipe]) => [name, closeFirst(recipe) as RecipeStep[]])),
    search:
      open.length === 0
        ? null
        : {
            templates: Object.fromEntries(open),
            sampler: sampler ?? null,
            trials: trials ?? null,
            minutes: minutes ?? null,
          },
  };
}

function asSearch(user: UserRecipe | undefined): Extract<UserRecipe, { candidates: unknown }> {
  if (user === undefined) return { candidates: {} };
  return Array.isArray(user) ? { candidates: { [UNNAMED]: user } } : user;
}

/** Gates that leaving layers out cannot help, which makes models larger and slower; and what is no gate. */
const COSTS: ReadonlySet<string> = new Set(['p50Ms', 'p99Ms', 'slowdown', 'bytes', 'compressedBytes', 'peakRssBytes']);

/** What is known not to work before anything runs, or null. */
export function problemOfPlan(user: UserRecipe | undefined, gates: Readonly<Record<string, unknown>>): string | null {
  const { candidates, sampler, trials, minutes } = asSearch(user);
  const recipes = Object.values(candidates);
  const open = recipes.filter(hasChoices);
  if (open.length === 0 && [sampler, trials, minutes].some((option) => option !== undefined)) {
    return 'recipe: no recipe has a choice in it (anyOf, between, optional), so there is nothing to spend trials on';
  }
  if (sampler === 'exhaustive' && open.some((recipe) => countPoints(recipe) === Infinity)) {
    return 'recipe.sampler: "exhaustive" cannot try every number of a between() without a step';
  }
  for (const [name, recipe] of Object.entries(candidates)) {
    const problem = problemOfPartial(recipe, gates);
    if (problem !== null) return Array.isArray(user) ? `recipe: ${problem}` : `recipe.candidates.${name}: ${problem}`;
  }
  return null;
}

function problemOfPartial(recipe: Template, gates: Readonly<Record<string, unknown>>): string | null {
  for (const variant of variants(recipe)) {
    const parts = (variant as RecipeStep[]).filter(isPartial);
    if (parts.length > 1) return 'at most one pass of a recipe can be partial()';
    const [part] = parts;
    if (part === undefined) continue;
    const excludable = passSchema.safeParse({ ...part.partial, exclude: ['*'] }).success;
    if (!excludable) return `${part.partial.pass} has no option "exclude", so it cannot be partial()`;
    if (!Object.entries(gates).some(([gate, bound]) => bound !== undefined && !COSTS.has(gate))) {
      return 'partial() leaves layers out until the gates hold: give a gate on the metric or on parity, such as drop or sqnrDb';
    }
  }
  return null;
}
