/**
 * What to do about one model, given what its source shows. Pure, so that every case has a test.
 *
 * From the newest version down: one that is ready ends the search; one that loads, or may be tried (again), is awaited, and
 * whatever older version is ready stays until it answers; one that failed is passed over for the next older. Only
 * when a wanted version is ready do the others go. Versions with a label are wanted beside the newest.
 */
import type { VersionState } from '@slipway/core';

export interface PlannedVersion {
  readonly version: number;
  readonly state: VersionState;
  /** Its files are all there, and if it failed, its time has come again. */
  readonly loadable: boolean;
  readonly pinned: boolean;
}

export interface Plan {
  readonly load: readonly number[];
  readonly drain: readonly number[];
}

/**
 * @param listed what the source shows
 * @param ready versions that are served now, listed or not
 */
export function planVersions(listed: readonly PlannedVersion[], ready: Iterable<number>): Plan {
  const load: number[] = [];
  const keep = new Set<number>();
  /** A version in line for "newest" was found ready, or is on its way. */
  let found = false;
  let awaited = false;
  for (const { version, state, loadable, pinned } of [...listed].sort((a, b) => b.version - a.version)) {
    const candidate = !found;
    if (!candidate && !pinned) continue;
    if (state === 'ready') {
      keep.add(version);
      if (candidate) found = true;
    } else if (state === 'loading') {
      if (candidate) awaited = true;
    } else if (loadable && state !== 'draining' && (pinned || !awaited)) {
      load.push(version);
      if (candidate) awaited = true;
    }
  }
  const drain = found ? [...ready].filter((version) => !keep.has(version)) : [];
  return { load, drain };
}
