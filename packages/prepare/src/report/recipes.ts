/** Builds whose recipes all failed: decided in one place, told in several. */
import { type CandidateReport, type Report, SOURCE_CANDIDATE } from '@slipway/core';

/** The first of the recipes when every one ended in an error; null when one could be made, or there is none. */
export function firstOfFailedRecipes(candidates: readonly CandidateReport[]): CandidateReport | null {
  const recipes = candidates.filter(({ name }) => name !== SOURCE_CANDIDATE);
  return recipes.every(({ verdict }) => verdict === 'error') ? (recipes[0] ?? null) : null;
}

/** Why there is no winner, to follow a name or begin a sentence. */
export function withoutWinner({ candidates }: Report): string {
  return firstOfFailedRecipes(candidates) === null
    ? 'no candidate passed the gates'
    : 'nothing was released: no recipe could be made';
}
