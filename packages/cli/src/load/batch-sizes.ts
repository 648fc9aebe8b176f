/** How many batches a server has run for a model, and how large they were, from the histogram in its metrics. */

export interface BatchSizes {
  readonly batches: number;
  readonly rows: number;
  /** Batches of at most so many rows, cumulative, by upper bound as the server writes it. */
  readonly atMost: ReadonlyMap<string, number>;
}

/** What happened between two readings. */
export interface BatchSummary {
  readonly batches: number;
  readonly rows: number;
  readonly mean: number;
  /** Batches by size, each up to and including `upTo` rows; empty sizes are left out. */
  readonly sizes: readonly { readonly upTo: string; readonly batches: number }[];
}

const METRIC = 'slipway_inference_batch_size';

/** null when the admin address does not answer, or does not count batches of that model. */
export async function batchSizes(adminUrl: string, model: string): Promise<BatchSizes | null> {
  try {
    const response = await fetch(new URL('/metrics', adminUrl), { signal: AbortSignal.timeout(2000) });
    return parseBatchSizes(await response.text(), model);
  } catch {
    return null;
  }
}

/** From the Prometheus text format. Versions of the model are added up. */
export function parseBatchSizes(metrics: string, model: string): BatchSizes | null {
  const lines = metrics.split('\n').filter((line) => line.startsWith(METRIC) && line.includes(`model="${model}"`));
  if (lines.length === 0) return null;
  const valueOf = (line: string): number => Number(line.slice(line.lastIndexOf(' ') + 1));
  const total = (suffix: string): number =>
    lines.filter((line) => line.startsWith(`${METRIC}_${suffix}{`)).reduce((sum, line) => sum + valueOf(line), 0);
  const atMost = new Map<string, number>();
  for (const line of lines) {
    const bound = /\ble="([^"]+)"/.exec(line)?.[1];
    if (bound !== undefined) atMost.set(bound, (atMost.get(bound) ?? 0) + valueOf(line));
  }
  return { batches: total('count'), rows: total('sum'), atMost };
}

/** null when nothing was run between the readings, or one is missing. */
export function difference(before: BatchSizes | null, after: BatchSizes | null): BatchSummary | null {
  if (before === null || after === null || after.batches <= before.batches) return null;
  const batches = after.batches - before.batches;
  const rows = after.rows - before.rows;
  let smaller = 0;
  const sizes = [...after.atMost].flatMap(([upTo, total]) => {
    const cumulative = total - (before.atMost.get(upTo) ?? 0);
    const inside = cumulative - smaller;
    smaller = cumulative;
    return inside > 0 ? [{ upTo, batches: inside }] : [];
  });
  return { batches, rows, mean: rows / batches, sizes };
}
