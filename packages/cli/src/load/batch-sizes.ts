/** How many batches a server has run for a model and how many rows were in them, from its metrics. */

export interface BatchSizes {
  readonly batches: number;
  readonly rows: number;
}

const METRIC = 'slipway_inference_batch_size';

/** null when the admin address does not answer, or does not count batches of that model. */
export async function batchSizes(adminUrl: string, model: string): Promise<BatchSizes | null> {
  let text: string;
  try {
    text = await (await fetch(new URL('/metrics', adminUrl), { signal: AbortSignal.timeout(2000) })).text();
  } catch {
    return null;
  }
  const total = (suffix: 'count' | 'sum'): number | null => {
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith(`${METRIC}_${suffix}{`) && line.includes(`model="${model}"`));
    // One line per version.
    return lines.length === 0 ? null : lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  };
  const batches = total('count');
  const rows = total('sum');
  return batches === null || rows === null ? null : { batches, rows };
}
