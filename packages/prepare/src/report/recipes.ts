/** What recipes came to, told the same in every form of the report: builds in which all failed, and what one does. */
import { type CandidateReport, type PassSpec, type Report, SOURCE_CANDIDATE } from '@slipway/core';

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

/** What a recipe does, in one line: `simplify, quantize.static { calibration: "mse" }`. */
export function describePasses(passes: readonly PassSpec[]): string {
  return passes
    .map(({ pass, ...options }) => {
      const given = Object.entries(options).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
      return given.length === 0 ? pass : `${pass} { ${given.join(', ')} }`;
    })
    .join(', ');
}
