/** The result of a load test, for people. */
import type { Style } from '../frame/style.ts';
import { facts, table } from '../frame/table.ts';
import { bytes, count, milliseconds, plural } from '../frame/units.ts';
import type { LoadResult } from '../load/load.ts';

export interface BenchDocument extends LoadResult {
  readonly model: string;
  readonly url: string;
  readonly startedServer: boolean;
  readonly loop: string;
  readonly rate?: number;
  readonly arrivals?: string;
  readonly connections: number;
  readonly protocol: string;
  readonly inputs: string;
  readonly rowsPerRequest: number;
  readonly bytesPerRequest: number;
  readonly batches: { readonly batches: number; readonly rows: number; readonly mean: number } | null;
}

export function renderBench(result: BenchDocument, style: Style): string {
  const { latency, batches } = result;
  const loop =
    result.rate === undefined
      ? `closed loop, ${plural(result.connections, 'connection')}`
      : `open loop, ${count(result.rate)} req/s ${result.arrivals ?? ''}, at most ${plural(result.connections, 'connection')}`;
  const request = `${result.protocol}, ${plural(result.rowsPerRequest, 'row')} and ${bytes(result.bytesPerRequest)} per request (${result.inputs})`;
  const outcomes = Object.entries(result.outcomes).map(([name, times]) => `${name} × ${count(times)}`);
  const lines = facts(
    [
      ['model', `${style.bold(result.model)} at ${result.url}${result.startedServer ? ' (started for this run)' : ''}`],
      ['load', `${loop}, ${result.seconds.toFixed(1)} s`],
      ['request', request],
      ['throughput', style.bold(`${count(result.requestsPerSecond)} req/s, ${count(result.rowsPerSecond)} rows/s`)],
      ['answers', outcomes.join(', ')],
      ...(batches === null
        ? []
        : ([['batches', `${count(batches.batches)} of ${batches.mean.toFixed(2)} rows on average`]] as const)),
    ],
    style,
  );
  const percentiles =
    latency === null
      ? ''
      : table(
          ['p50', 'p95', 'p99', 'p99.9', 'mean', 'max'].map((title) => ({ title, align: 'right' as const })),
          [
            [latency.p50Ms, latency.p95Ms, latency.p99Ms, latency.p999Ms, latency.meanMs, latency.maxMs].map(
              milliseconds,
            ),
          ],
          style,
        );
  const failure = result.firstFailure === null ? [] : [style.yellow(`first failure: ${result.firstFailure}`)];
  return [lines, '', percentiles, ...failure].join('\n').trimEnd();
}
