/** Which candidates a build tries: the key `recipe` of the config, and `search`, which names several. */
import { z } from 'zod';
import { type PassSpec, passSchema } from '../passes.ts';

export const OBJECTIVES = ['latency', 'size', 'accuracy'] as const;
export type Objective = (typeof OBJECTIVES)[number];

/** Trades that a build refuses unless they are asked for. */
export const ALLOWANCES = ['larger', 'slower'] as const;
export type Allowance = (typeof ALLOWANCES)[number];

/** The name of the unchanged model among the candidates. */
export const SOURCE_CANDIDATE = 'source';
const candidateName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+._-]*$/)
  .refine((name) => name !== SOURCE_CANDIDATE, 'is the name of the unchanged model, which is always measured');

const searchSchema = z.strictObject({
  candidates: z.record(candidateName, z.array(passSchema)).describe('Recipes by name.'),
});

export const recipeSchema = z.union([z.array(passSchema), searchSchema]);

/** Try several recipes, by name; the gates and the objective choose. */
export function search(candidates: Record<string, PassSpec[]>): { candidates: Record<string, PassSpec[]> } {
  return { candidates };
}

/** Candidate name → passes, without the source, which is always measured. */
export type Candidates = Readonly<Record<string, readonly PassSpec[]>>;

export function compileRecipe(user: z.infer<typeof recipeSchema> | undefined): Candidates {
  const recipe = user ?? [];
  if (!Array.isArray(recipe)) return recipe.candidates;
  return recipe.length === 0 ? {} : { recipe };
}
