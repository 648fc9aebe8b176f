/** The result of a load test, for people. */
import type { Style } from '../frame/style.ts';
import { facts, table } from '../frame/table.ts';
import { bytes, count, milliseconds, plural } from '../frame/units.ts';
import type { BatchSummary } from '../load/batch-sizes.ts';
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
  readonly batches: BatchSummary | null;
}

/** From here on the one thread of the generator is likely the limit. */
const BUSY_CORES = 0.8;

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
      ...(batches === null ? [] : ([['batches', batchesText(batches)]] as const)),
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
  const busy =
    result.generatorCores < BUSY_CORES
      ? []
      : [
          style.yellow(
            `The load generator kept ${Math.round(100 * result.generatorCores)} % of its core busy: the server may carry more than it sent.`,
          ),
        ];
  return [lines, '', percentiles, ...busy, ...failure].join('\n').trimEnd();
}

/** `1,204 of 3.1 rows on average (1: 12 %, 2: 30 %, up to 4: 58 %)` */
function batchesText({ batches, mean, sizes }: BatchSummary): string {
  const shares = sizes.map(({ upTo, batches: some }) => {
    const size = Number(upTo) <= 2 ? upTo : upTo === '+Inf' ? 'more' : `up to ${upTo}`;
    return `${size}: ${Math.round((100 * some) / batches)} %`;
  });
  return `${count(batches)} of ${mean.toFixed(2)} rows on average (${shares.join(', ')})`;
}
