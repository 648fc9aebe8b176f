/**
 * Traces: of some requests, when each thing happened, for whoever wants to know where the time goes. What is traced is set while
 * the server runs, for all models and for some; where it is written, when it starts: a client must not name files.
 *
 * Tracing is decided when a request is answered, from times that are taken anyway: off, it costs a comparison.
 */
import { type Clock, fail, type SlipwayError } from '@slipway/core';
import { TraceFile } from './trace-file.ts';

interface TraceSettings {
  readonly trace_level: readonly string[];
  /** One request of so many. */
  readonly trace_rate: number;
  /** How many are still traced; −1: no end to it. */
  readonly trace_count: number;
  /** Traces in one file; 0: all. */
  readonly log_frequency: number;
}

/** A value as clients send it; null takes it back to what holds for all models, or to the default. */
export type TraceChanges = ReadonlyMap<string, readonly string[] | null>;

/** Of one answered request: on the clock, milliseconds. */
interface Traced {
  readonly model: string;
  readonly version: number;
  /** It was complete. */
  readonly startedAt: number;
  /** Its tensors were in the queue. */
  readonly queuedAt: number;
  readonly computeAt: number;
  readonly computedAt: number;
  readonly answeredAt: number;
}

const DEFAULTS: TraceSettings = { trace_level: ['OFF'], trace_rate: 1000, trace_count: -1, log_frequency: 0 };

interface State extends TraceSettings {
  seen: number;
  left: number;
}

export class Tracer {
  /** '' when there is none. */
  readonly path: string;
  readonly #file: TraceFile | null;
  readonly #clock: Clock;
  #global: State = stateOf(DEFAULTS);
  readonly #models = new Map<string, State>();
  #on = false;
  #id = 0;

  constructor(options: { path: string | null; clock: Clock; onError: (error: unknown) => void }) {
    this.path = options.path ?? '';
    this.#file = options.path === null ? null : new TraceFile(options.path, options.onError);
    this.#clock = options.clock;
  }

  /** Something may be traced: only then is `observe` worth calling. */
  get on(): boolean {
    return this.#on;
  }

  /** @param model null: what holds for those that have no settings of their own */
  settings(model: string | null): TraceSettings {
    const { trace_level, trace_rate, left, log_frequency } = this.#stateOf(model);
    return { trace_level, trace_rate, trace_count: left, log_frequency };
  }

  /**
   * All of it or nothing. A model gets settings of its own with its first change, and loses them with none.
   * @throws REQUEST_MALFORMED
   */
  update(model: string | null, changes: TraceChanges): TraceSettings {
    if (model !== null && changes.size === 0) this.#models.delete(model);
    else {
      const base = model === null ? DEFAULTS : this.#global;
      const next: Record<keyof TraceSettings, readonly string[] | number> = { ...this.settings(model) };
      for (const [name, value] of changes) {
        const key = this.#known(name, value);
        if (key !== null) next[key] = value === null ? base[key] : readSetting(key, value, this.path);
      }
      const state = stateOf(next as unknown as TraceSettings);
      if (model === null) this.#global = state;
      else this.#models.set(model, state);
    }
    this.#on = [this.#global, ...this.#models.values()].some(({ trace_level }) => trace_level[0] !== 'OFF');
    return this.settings(model);
  }

  observe(traced: Traced): void {
    const state = this.#stateOf(traced.model);
    if (state.trace_level[0] === 'OFF' || state.left === 0 || state.seen++ % state.trace_rate !== 0) return;
    if (state.left > 0) state.left--;
    const id = ++this.#id;
    const wall = this.#clock.wall() - this.#clock.now();
    const times = [
      ['REQUEST_START', traced.startedAt],
      ['QUEUE_START', traced.queuedAt],
      ['COMPUTE_START', traced.computeAt],
      ['COMPUTE_END', traced.computedAt],
      ['REQUEST_END', traced.answeredAt],
    ] as const;
    // As text: nanoseconds since 1970 are more than a number can hold.
    const stamps = times.map(([name, at]) => `{"name":"${name}","ns":${Math.round((wall + at) * 1000)}000}`);
    const what = JSON.stringify({ id, model_name: traced.model, model_version: traced.version });
    this.#file?.add(`${what},\n{"id":${id},"timestamps":[${stamps.join(',')}]}`, state.log_frequency);
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  #stateOf(model: string | null): State {
    return (model === null ? undefined : this.#models.get(model)) ?? this.#global;
  }

  /** null for a setting that is what it always is. */
  #known(name: string, value: readonly string[] | null): keyof TraceSettings | null {
    if (Object.hasOwn(DEFAULTS, name)) return name as keyof TraceSettings;
    const fixed = name === 'trace_file' ? this.path : name === 'trace_mode' ? 'triton' : null;
    if (fixed === null) {
      const known = [...Object.keys(DEFAULTS), 'trace_file', 'trace_mode'].join(', ');
      throw malformed(`the trace setting "${name.slice(0, 100)}" is not known; there are ${known}`);
    }
    if (value === null || (value.length === 1 && value[0] === fixed)) return null;
    throw malformed(`the trace setting ${name} cannot be changed while the server runs; it is "${fixed}"`);
  }
}

function stateOf(settings: TraceSettings): State {
  return { ...settings, seen: 0, left: settings.trace_count };
}

function readSetting(name: keyof TraceSettings, value: readonly string[], path: string): readonly string[] | number {
  if (name === 'trace_level') return readLevel(value, path);
  const [text = ''] = value;
  const least = name === 'trace_rate' ? 1 : name === 'trace_count' ? -1 : 0;
  const number = /^-?\d{1,15}$/.test(text) && value.length === 1 ? Number(text) : NaN;
  if (number >= least) return number;
  throw malformed(`the trace setting ${name} must be one whole number of at least ${least}`);
}

function readLevel(value: readonly string[], path: string): readonly string[] {
  const levels = value.map((level) => level.toUpperCase());
  for (const level of levels) {
    if (level === 'TENSORS') throw fail('NOT_IMPLEMENTED', { problem: 'the trace level TENSORS is not supported' });
    // MIN and MAX are older words for it.
    if (!['OFF', 'TIMESTAMPS', 'MIN', 'MAX'].includes(level)) {
      throw malformed(`the trace level "${level.slice(0, 40)}" is not known; there are OFF and TIMESTAMPS`);
    }
  }
  if (levels.length === 0 || levels.every((level) => level === 'OFF')) return ['OFF'];
  if (path === '') throw malformed('there is no file to trace to: start the server with --trace-file');
  return ['TIMESTAMPS'];
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
