/**
 * The names under which Triton shows its metrics, with our numbers: so that dashboards and alerts that were made for it go on
 * working. Only beside our own, and only when asked for: two names of one number are a cost to who stores them.
 * https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md
 */
import type { Metric, Registry } from 'prom-client';
import type { LoadedVersion } from '../catalog/version.ts';
import type { Outcome, VersionStats } from './stats.ts';

type Labels = Readonly<Record<string, string | number>>;
type Values = (loaded: LoadedVersion, labels: Labels) => { readonly value: number; readonly labels: Labels }[];

/** Triton's words for why a request failed. */
const REASON: Readonly<Record<Exclude<Outcome, 'ok'>, string>> = {
  rejected: 'REJECTED',
  timeout: 'REJECTED',
  cancelled: 'CANCELED',
  backend_error: 'BACKEND',
  unavailable: 'OTHER',
  client_error: 'OTHER',
};

export function addTritonMetrics(registry: Registry, open: () => readonly LoadedVersion[]): void {
  const add = (type: 'counter' | 'gauge', name: string, help: string, values: Values): void => {
    const metric = {
      name,
      help,
      type,
      aggregator: 'sum',
      get: () => ({
        name,
        help,
        type,
        aggregator: 'sum',
        values: open().flatMap((loaded) => values(loaded, { model: loaded.model, version: loaded.version })),
      }),
    };
    registry.registerMetric(metric as unknown as Metric);
  };
  const counter = (name: string, help: string, of: (stats: VersionStats) => number): void =>
    add('counter', name, help, ({ stats }, labels) => [{ value: of(stats), labels }]);
  const microseconds = (name: string, help: string, of: (stats: VersionStats) => number): void =>
    counter(`nv_inference_${name}_duration_us`, help, (stats) => Math.round(of(stats) * 1e6));

  counter('nv_inference_request_success', 'Requests answered.', ({ outcomes }) => outcomes.ok);
  add('counter', 'nv_inference_request_failure', 'Requests that failed, by reason.', ({ stats }, labels) => {
    const counts = new Map(Object.values(REASON).map((reason) => [reason, 0]));
    for (const [outcome, reason] of Object.entries(REASON)) {
      counts.set(reason, (counts.get(reason) ?? 0) + stats.outcomes[outcome as Outcome]);
    }
    return [...counts].map(([reason, value]) => ({ value, labels: { ...labels, reason } }));
  });
  counter('nv_inference_count', 'Rows computed.', ({ rows }) => rows);
  counter('nv_inference_exec_count', 'Calls to a runner.', ({ batch }) => batch.count);
  microseconds('request', 'Time from complete requests to their answers.', ({ seconds }) => seconds.ok);
  microseconds('queue', 'Time that requests waited for a runner.', ({ queue }) => queue.sum);
  microseconds('compute_input', 'Time to make tensors of requests.', ({ input }) => input.seconds);
  microseconds('compute_infer', 'Time in runners, tensors there and back included.', ({ compute }) => compute.sum);
  microseconds('compute_output', 'Time to make answers of tensors.', ({ output }) => output.seconds);
  add('gauge', 'nv_inference_pending_request_count', 'Requests not yet answered.', ({ scheduler }, labels) => [
    { value: scheduler.pending, labels },
  ]);
  add('gauge', 'nv_model_load_duration_secs', 'How long loading took.', ({ loadSeconds }, labels) => [
    { value: loadSeconds, labels },
  ]);
}
