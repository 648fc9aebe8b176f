/** What is counted while serving. Plain fields, read by the metrics page; nothing here allocates per request. */
import { BATCH_BOUNDS, DURATION_BOUNDS, FINE_BOUNDS, Histogram } from './histogram.ts';

export const OUTCOMES = [
  'ok',
  'client_error',
  'rejected',
  'timeout',
  'cancelled',
  'backend_error',
  'unavailable',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Every outcome is there from the start, at 0: a series that appears with its first error cannot be alerted on. */
const noOutcomes = (): Record<Outcome, number> => ({
  ok: 0,
  client_error: 0,
  rejected: 0,
  timeout: 0,
  cancelled: 0,
  backend_error: 0,
  unavailable: 0,
});

/** Of one model version. */
export class VersionStats {
  readonly outcomes: Record<Outcome, number> = noOutcomes();
  readonly duration = new Histogram(DURATION_BOUNDS);
  readonly queue = new Histogram(FINE_BOUNDS);
  readonly compute = new Histogram(FINE_BOUNDS);
  readonly batch = new Histogram(BATCH_BOUNDS);

  finished(outcome: Outcome, seconds: number): void {
    this.outcomes[outcome]++;
    this.duration.observe(seconds);
  }

  executed(queueSeconds: number, computeSeconds: number): void {
    this.queue.observe(queueSeconds);
    this.compute.observe(computeSeconds);
  }
}

/** Requests that named a model no version of which could take them. The label is the model only when we know it. */
export class UnroutedStats {
  readonly outcomes: Map<string, Record<Outcome, number>> = new Map();

  count(model: string, outcome: Outcome): void {
    let of = this.outcomes.get(model);
    if (of === undefined) this.outcomes.set(model, (of = noOutcomes()));
    of[outcome]++;
  }
}

interface RouteStats {
  readonly route: string;
  readonly method: string;
  readonly code: number;
  readonly duration: Histogram;
}

/**
 * Of the fronts, by route, method and status, all from closed sets: for HTTP the route template, for gRPC the name of the
 * call and `POST`.
 */
export class FrontStats {
  readonly #routes = new Map<string, Map<string, Map<number, RouteStats>>>();

  observe(route: string, method: string, code: number, seconds: number): void {
    const codes = within(within(this.#routes, route), method);
    let stats = codes.get(code);
    if (stats === undefined) {
      stats = { route, method, code, duration: new Histogram(DURATION_BOUNDS) };
      codes.set(code, stats);
    }
    stats.duration.observe(seconds);
  }

  *all(): Generator<RouteStats> {
    for (const methods of this.#routes.values()) for (const codes of methods.values()) yield* codes.values();
  }
}

function within<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  const known = maps.get(key);
  if (known !== undefined) return known;
  const created = new Map<L, V>();
  maps.set(key, created);
  return created;
}
