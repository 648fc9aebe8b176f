/**
 * From what the config says to recipes that can be applied: those that are plain as they are, those with a partial pass
 * once the layers to leave out are known, and of those with choices the best that a search finds.
 */
import { isPartial, type PassSpec, type SearchReport } from '@slipway/core';
import type { Imported } from '../import/import.ts';
import type { BuildContext } from '../pipeline/context.ts';
import type { BuildData } from '../pipeline/data.ts';
import { openRunners } from '../pipeline/runners.ts';
import { openBench } from './bench.ts';
import { explore } from './explore.ts';
import { type Resolved, resolvePartial } from './partial.ts';

export interface Chosen {
  readonly recipes: readonly [name: string, recipe: Resolved][];
  readonly search: SearchReport | null;
}

/** Work on one candidate, whose failure is its own: then null. */
type Attempt = <T>(name: string, passes: readonly PassSpec[], work: () => Promise<T>) => Promise<T | null>;

export async function chooseRecipes(
  imported: Imported,
  data: BuildData,
  context: BuildContext,
  attempt: Attempt,
): Promise<Chosen> {
  const { candidates, search } = context.config;
  const recipes: [string, Resolved][] = [];
  const open = Object.values(candidates).some((steps) => steps.some(isPartial));
  if (search === null && !open) {
    const plain = Object.entries(candidates) as [string, readonly PassSpec[]][];
    return { recipes: plain.map(([name, passes]) => [name, { passes, sensitivity: null }]), search: null };
  }
  context.tell('search', null, 'the source', 0);
  await using runners = openRunners(context.session, context.log, context.signal);
  const bench = await openBench(imported, data, context, runners);
  for (const [name, steps] of Object.entries(candidates)) {
    if (!steps.some(isPartial)) {
      recipes.push([name, { passes: steps as readonly PassSpec[], sensitivity: null }]);
      continue;
    }
    const whole = steps.map((step) => (isPartial(step) ? step.partial : step));
    const resolved = await attempt(name, whole, () => resolvePartial(name, steps, bench));
    if (resolved !== null) recipes.push([name, resolved]);
  }
  if (search === null) return { recipes, search: null };
  const explored = await explore(search, Object.values(candidates), bench);
  for (const [name, recipe] of explored.finalists) recipes.push([name, recipe]);
  context.tell('search', null, `${explored.report.trials.length} trials`, 1);
  return { recipes, search: explored.report };
}
