/** Releases of a store: the newest of every name, and those an alias points at. */
import type { Store } from '@slipway/core';
import { type Candidate, type ListedModel, locatedBy, type Source } from './source.ts';

export function storeSource(store: Pick<Store, 'directory' | 'list' | 'checkout'>): Source {
  return {
    description: `the store ${store.directory}`,
    async scan() {
      const models = new Map<string, Candidate[]>();
      for (const release of await store.list()) {
        const of = models.get(release.name) ?? [];
        models.set(release.name, of);
        of.push({
          model: release.name,
          version: release.version,
          fingerprint: release.digest,
          // A release is in the index only once all of it is written.
          complete: true,
          labels: release.aliases,
          digest: release.digest,
          pinned: release.aliases.length > 0,
          bytes: release.bytes,
          locate: async () => locatedBy(release.manifest, await store.checkout(release)),
        });
      }
      const listed = [...models].map(([name, candidates]): [string, ListedModel] => [name, { candidates }]);
      return { models: new Map(listed), warnings: [] };
    },
  };
}
