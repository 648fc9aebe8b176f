/**
 * The metrics page: everything counted elsewhere, in the Prometheus text format, made when it is asked for.
 * prom-client writes the format and the process metrics; the counts are ours, because its per-observation cost
 * would be paid on every request.
 */
import { type Metric, Registry, collectDefaultMetrics } from 'prom-client';
import type { Catalog } from '../catalog/catalog.ts';
import type { LoadedVersion } from '../catalog/version.ts';
import type { Histogram } from './histogram.ts';
import { STATUS_CODE } from '../grpc/status.ts';
import { addTritonMetrics } from './triton-metrics.ts';
import { type FrontStats, OUTCOMES, type UnroutedStats } from './stats.ts';

export interface MetricSources {
  readonly catalog: Catalog;
  readonly http: FrontStats;
  readonly grpc: FrontStats;
  readonly unrouted: UnroutedStats;
  /** Also under the names that Triton uses. */
  readonly triton: boolean;
}

type Labels = Readonly<Record<string, string | number>>;
interface Value {
  readonly value: number;
  readonly labels: Labels;
  readonly metricName?: string;
}

const STATES = ['loading', 'ready', 'draining', 'failed'] as const;
/** Gauges that prom-client names like counters, which `promtool check metrics` refuses; each is the sum of another. */
const MISNAMED = ['handles', 'requests', 'resources'].map((kind) => `nodejs_active_${kind}_total`);

const STATUS_NAME: ReadonlyMap<number, string> = new Map(
  Object.entries(STATUS_CODE).map(([name, code]) => [code, name]),
);
const REASONS = ['crash', 'killed', 'oom', 'hang'] as const;

/** A registry of this server alone: nothing global, so that two servers in one process do not meet. */
export function metricsRegistry({ catalog, http, grpc, unrouted, triton }: MetricSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const add = (
    type: 'counter' | 'gauge' | 'histogram',
    name: string,
    help: string,
    get: () => Value[] | Promise<Value[]>,
  ): void => {
    const metric = {
      name: `slipway_${name}`,
      help,
      type,
      aggregator: 'sum',
      get: async () => ({ name: `slipway_${name}`, help, type, values: await get(), aggregator: 'sum' }),
    };
    registry.registerMetric(metric as unknown as Metric);
  };
  const models = () => [...catalog.models.values()];
  const open = (): LoadedVersion[] => models().flatMap((model) => [...model.open()]);
  const labelsOf = ({ model, version }: LoadedVersion): Labels => ({ model, version });
  const each = (values: (loaded: LoadedVersion, labels: Labels) => Value[]) => (): Value[] =>
    open().flatMap((loaded) => values(loaded, labelsOf(loaded)));
  const histogram = (name: string, help: string, of: (loaded: LoadedVersion) => Histogram): void =>
    add(
      'histogram',
      name,
      help,
      each((loaded, labels) => histogramValues(`slipway_${name}`, of(loaded), labels)),
    );

  add('counter', 'http_requests_total', 'HTTP requests answered.', () =>
    [...http.all()].map(({ route, method, code, duration }) => ({
      value: duration.cumulative().at(-1) ?? 0,
      labels: { method, route, code },
    })),
  );
  add('histogram', 'http_request_duration_seconds', 'From the headers of a request to its answer.', () =>
    [...http.all()].flatMap(({ route, method, code, duration }) =>
      histogramValues('slipway_http_request_duration_seconds', duration, { method, route, code }),
    ),
  );
  add('counter', 'grpc_requests_total', 'gRPC calls ended.', () =>
    [...grpc.all()].map(({ route, code, duration }) => ({
      value: duration.cumulative().at(-1) ?? 0,
      labels: { method: route, status: STATUS_NAME.get(code) ?? '' },
    })),
  );
  add('histogram', 'grpc_request_duration_seconds', 'From the headers of a gRPC call to its end.', () =>
    [...grpc.all()].flatMap(({ route, code, duration }) =>
      histogramValues('slipway_grpc_request_duration_seconds', duration, {
        method: route,
        status: STATUS_NAME.get(code) ?? '',
      }),
    ),
  );
  add('counter', 'inference_requests_total', 'Inference requests by outcome.', () => [
    ...each(({ stats }, labels) =>
      OUTCOMES.map((outcome) => ({ value: stats.outcomes[outcome], labels: { ...labels, outcome } })),
    )(),
    ...[...unrouted.outcomes].flatMap(([model, outcomes]) =>
      OUTCOMES.map((outcome) => ({ value: outcomes[outcome], labels: { model, version: '', outcome } })),
    ),
  ]);
  histogram('inference_duration_seconds', 'From a decoded request to its answer.', ({ stats }) => stats.duration);
  histogram('inference_queue_seconds', 'Waiting for a runner.', ({ stats }) => stats.queue);
  histogram('inference_compute_seconds', 'In a runner, tensors there and back included.', ({ stats }) => stats.compute);
  add(
    'histogram',
    'inference_transform_seconds',
    'In the transforms before and after the model, for models that have some.',
    each(({ transforms, stats }, labels) =>
      transforms === null ? [] : histogramValues('slipway_inference_transform_seconds', stats.transform, labels),
    ),
  );
  histogram('inference_batch_size', 'Rows per call to a runner.', ({ stats }) => stats.batch);
  add(
    'gauge',
    'inference_pending_requests',
    'Inference requests not yet answered.',
    each(({ intake }, labels) => [{ value: intake.pending, labels }]),
  );
  add(
    'gauge',
    'inference_queued_rows',
    'Rows waiting for a runner.',
    each(({ scheduler }, labels) => [{ value: scheduler.queuedRows, labels }]),
  );
  add('gauge', 'model_state', '1 for the state a model version is in.', () =>
    models().flatMap((model) =>
      model.status({ kind: 'latest' }).flatMap(({ version, state }) =>
        STATES.map((candidate) => ({
          value: candidate === state ? 1 : 0,
          labels: { model: model.name, version, state: candidate },
        })),
      ),
    ),
  );
  add(
    'gauge',
    'model_info',
    'Constant 1; what is loaded.',
    each(({ digest }, labels) => [{ value: 1, labels: { ...labels, digest: digest ?? '' } }]),
  );
  add(
    'gauge',
    'model_load_duration_seconds',
    'How long loading took.',
    each(({ loadSeconds }, labels) => [{ value: loadSeconds, labels }]),
  );
  add('counter', 'model_loads_total', 'Attempts to load a version.', () => [
    { value: catalog.loads.ok, labels: { result: 'ok' } },
    { value: catalog.loads.failed, labels: { result: 'failed' } },
  ]);
  add('counter', 'model_evictions_total', 'Models unloaded to make room for others.', () => [
    { value: catalog.residency.evictions.unloaded, labels: {} },
  ]);
  add('counter', 'model_wakes_total', 'Models loaded again because a request asked for them.', () => [
    { value: catalog.residency.evictions.loaded, labels: {} },
  ]);
  add('gauge', 'memory_budget_bytes', 'What all processes together may occupy.', () => [
    { value: catalog.memoryBudgetBytes, labels: {} },
  ]);
  add(
    'counter',
    'runner_restarts_total',
    'Runners that ended and were started again.',
    each(({ restarts }, labels) =>
      REASONS.map((reason) => ({ value: restarts.get(reason) ?? 0, labels: { ...labels, reason } })),
    ),
  );
  add('gauge', 'runner_resident_memory_bytes', 'Resident memory of the runners.', async () => {
    const all = open().flatMap((loaded) => loaded.runners().map((runner) => ({ loaded, runner })));
    return Promise.all(
      all.map(async ({ loaded, runner }) => {
        // A runner that ends while it is asked weighs nothing any more.
        const memory = await runner.memory().catch(() => ({ rssBytes: 0 }));
        return { value: memory.rssBytes, labels: { ...labelsOf(loaded), pid: runner.pid } };
      }),
    );
  });
  if (triton) addTritonMetrics(registry, open);
  return registry;
}

function histogramValues(name: string, histogram: Histogram, labels: Labels): Value[] {
  const cumulative = histogram.cumulative();
  const total = cumulative.at(-1) ?? 0;
  return [
    ...histogram.bounds.map((bound, index) => ({
      metricName: `${name}_bucket`,
      value: cumulative[index] ?? 0,
      labels: { ...labels, le: bound },
    })),
    { metricName: `${name}_bucket`, value: total, labels: { ...labels, le: '+Inf' } },
    { metricName: `${name}_sum`, value: histogram.sum, labels },
    { metricName: `${name}_count`, value: total, labels },
  ];
}
