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

/** Batches are told apart by their rows up to here, and by powers of two beyond. */
const MOST_SIZES = 1024;

/** Something that happens again and again, and how long it took altogether. */
export class Timing {
  count = 0;
  seconds = 0;

  add(seconds: number): void {
    this.count++;
    this.seconds += seconds;
  }
}

/** Of one model version. */
export class VersionStats {
  readonly outcomes: Record<Outcome, number> = noOutcomes();
  /** How long requests took, by how they ended. */
  readonly seconds: Record<Outcome, number> = noOutcomes();
  /** When the last request ended, milliseconds since 1970; 0: there was none. */
  lastAt = 0;
  readonly duration = new Histogram(DURATION_BOUNDS);
  readonly queue = new Histogram(FINE_BOUNDS);
  readonly compute = new Histogram(FINE_BOUNDS);
  readonly batch = new Histogram(BATCH_BOUNDS);
  /** In the transforms before and after the model. */
  readonly transform = new Histogram(FINE_BOUNDS);
  readonly input = new Timing();
  readonly output = new Timing();
  /** Rows that were computed. */
  rows = 0;
  /** Calls to runners that gave outputs, by their number of rows. */
  readonly batches: Map<number, Timing> = new Map();

  /** @param at wall clock, milliseconds since 1970 */
  finished(outcome: Outcome, seconds: number, at: number): void {
    this.outcomes[outcome]++;
    this.seconds[outcome] += seconds;
    this.duration.observe(seconds);
    this.lastAt = at;
  }

  /**
   * Where the time of an answered request went, milliseconds.
   * @param inputMs from the complete request to tensors in the queue
   * @param outputMs from the outputs to the answer
   */
  executed(inputMs: number, times: { readonly queueMs: number; readonly computeMs: number }, outputMs: number): void {
    this.input.add(inputMs / 1000);
    this.queue.observe(times.queueMs / 1000);
    this.compute.observe(times.computeMs / 1000);
    this.output.add(outputMs / 1000);
  }

  ran(rows: number, seconds: number): void {
    this.batch.observe(rows);
    this.rows += rows;
    // A model whose requests go alone has batches of any size: clients must not fill the memory with them.
    const size = rows <= MOST_SIZES ? rows : 2 ** Math.ceil(Math.log2(rows));
    let timing = this.batches.get(size);
    if (timing === undefined) this.batches.set(size, (timing = new Timing()));
    timing.add(seconds);
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
