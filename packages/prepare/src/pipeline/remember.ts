/**
 * What passes observe of a model, shared between their applications: a search applies the same pass to the same model dozens of
 * times, and what values occur in it does not change with the options that are tried, nor with the layers that are left out.
 *
 * One entry of the stage cache per item, so that an application that needs some more than the one before only looks for those.
 */
import type { PassContext } from '../pass.ts';
import type { StageCache } from './cache.ts';

export type Remember = PassContext['remember'];

/** @param basis what everything observed depends on: rows, and how models are run */
export function rememberIn(cache: StageCache, basis: unknown): Remember {
  return async <T>(
    about: unknown,
    items: readonly string[],
    work: (missing: readonly string[]) => Promise<ReadonlyMap<string, T>>,
  ) => {
    const material = (item: string): unknown => ({ basis, about, item });
    const found = new Map<string, T>();
    await Promise.all(
      items.map(async (item) => {
        const stage = await cache.find<T>(OBSERVED, material(item));
        if (stage !== null) found.set(item, stage.value);
      }),
    );
    const missing = items.filter((item) => !found.has(item));
    if (missing.length === 0) return found;
    const made = await work(missing);
    await Promise.all(
      [...made].map(async ([item, value]) => {
        await cache.stage(OBSERVED, material(item), () => Promise.resolve(value));
        found.set(item, value);
      }),
    );
    return found;
  };
}

/** The kind of these entries in the stage cache. */
export const OBSERVED = 'observed';

/** For an application that stands alone. */
export const rememberNothing: Remember = (_about, _items, work) => work(_items);
