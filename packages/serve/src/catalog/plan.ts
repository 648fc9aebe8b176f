/**
 * What to do about one model, given what its source shows. Pure, so that every case has a test.
 *
 * From the newest version down, as many as the policy asks for: one that is ready takes a place; one that loads, or may be tried
 * (again), is awaited, and whatever older version is ready stays until it answers; one that failed is passed over for the next
 * older. While nothing is ready what was tried least is next: versions that fail again and again must not keep an older one
 * from its turn. Only when a wanted version is ready do the others go. Versions with a label are wanted beside those of the policy.
 *
 * That order (load, then drop) keeps the model available and holds two versions in memory for a while. With `dropFirst` it is
 * the other way round: nothing is loaded until everything that will not stay is gone.
 */
import type { VersionState } from '@slipway/core';
import type { VersionPolicy } from './settings.ts';

export interface PlannedVersion {
  readonly version: number;
  readonly state: VersionState;
  /** Its files are all there, and if it failed, its time has come again. */
  readonly loadable: boolean;
  /** How often it failed. Default 0. */
  readonly attempts?: number;
  readonly pinned: boolean;
  /** It is ready, and its files or settings have changed since, and can be loaded. */
  readonly stale?: boolean;
}

export interface Plan {
  /** Also versions that are ready, to replace what is loaded by what is there now. */
  readonly load: readonly number[];
  readonly drain: readonly number[];
}

export interface PlanRules {
  readonly policy: VersionPolicy;
  readonly dropFirst: boolean;
}

const DEFAULT_RULES: PlanRules = { policy: { latest: 1 }, dropFirst: false };

/**
 * @param listed what the source shows
 * @param ready versions that are served now, listed or not
 */
export function planVersions(
  listed: readonly PlannedVersion[],
  ready: Iterable<number>,
  { policy, dropFirst }: PlanRules = DEFAULT_RULES,
): Plan {
  const places = 'latest' in policy ? policy.latest : Infinity;
  const inPolicy = (version: number): boolean => !('specific' in policy) || policy.specific.includes(version);
  const load: number[] = [];
  const keep = new Set<number>();
  const served = [...ready];
  const due = listed.filter(({ version, state, loadable }) => inPolicy(version) && loadable && state !== 'ready');
  const fewest = Math.min(...due.map(({ attempts = 0 }) => attempts));
  let found = 0;
  let awaited = 0;
  for (const { version, state, loadable, attempts = 0, pinned, stale } of [...listed].sort(
    (a, b) => b.version - a.version,
  )) {
    const candidate = inPolicy(version) && found < places && !(dropFirst && found + awaited >= places);
    if (!candidate && !pinned) continue;
    if (state === 'ready') {
      if (stale === true) load.push(version);
      if (stale !== true || !dropFirst) keep.add(version);
      if (candidate) found++;
    } else if (state === 'loading') {
      if (candidate) awaited++;
    } else if (loadable && (pinned || (found + awaited < places && (served.length > 0 || attempts === fewest)))) {
      load.push(version);
      if (candidate) awaited++;
    }
  }
  const others = served.filter((version) => !keep.has(version));
  if (!dropFirst) return { load, drain: found > 0 ? others : [] };
  const dropping = load.length > 0 || found > 0 ? others : [];
  const waiting = dropping.length > 0 || listed.some(({ state }) => state === 'draining');
  return { load: waiting ? [] : load, drain: dropping };
}
