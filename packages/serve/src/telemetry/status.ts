/** `GET /status` of the administration port: what `slipway status` prints. */
import type { Clock, ServedVersionStatus, ServerStatus } from '@slipway/core';
import type { Catalog } from '../catalog/catalog.ts';
import { reasonOf } from '../catalog/model.ts';

export async function serverStatus(
  catalog: Catalog,
  server: {
    readonly version: string;
    readonly startedAt: number;
    readonly draining: boolean;
    readonly listening: ServerStatus['listening'];
    readonly clock: Clock;
  },
): Promise<ServerStatus> {
  const models = await Promise.all(
    [...catalog.models.values()].map(async (model) => {
      const open = new Map([...model.open()].map((loaded) => [loaded.version, loaded]));
      const versions = await Promise.all(
        model.status({ kind: 'latest' }).map(async ({ version, state, reason }): Promise<ServedVersionStatus> => {
          const loaded = open.get(version);
          const runners = await Promise.all(
            (loaded?.runners() ?? []).map(async (runner) => {
              const memory = await runner.memory().catch(() => null);
              return { pid: runner.pid, rssBytes: memory?.rssBytes ?? null };
            }),
          );
          const labels = [...model.labels].filter(([, of]) => of === version).map(([label]) => label);
          return {
            version,
            state,
            reason,
            digest: loaded?.digest ?? null,
            labels,
            runners,
            restarts: [...(loaded?.restarts.values() ?? [])].reduce((sum, count) => sum + count, 0),
            pendingRequests: loaded?.intake.pending ?? 0,
            queuedRows: loaded?.scheduler.queuedRows ?? 0,
            requests: { ...loaded?.stats.outcomes },
            loadSeconds: loaded?.loadSeconds ?? null,
          };
        }),
      );
      const problem = model.problem === null ? null : reasonOf(model.problem);
      return { name: model.name, problem, versions };
    }),
  );
  return {
    name: 'slipway',
    version: server.version,
    ready: catalog.ready && !server.draining,
    draining: server.draining,
    uptimeSeconds: (server.clock.now() - server.startedAt) / 1000,
    pid: process.pid,
    rssBytes: process.memoryUsage.rss(),
    memoryBudgetBytes: catalog.memoryBudgetBytes,
    listening: server.listening,
    models,
  };
}
