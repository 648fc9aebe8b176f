/**
 * The trace extension: which requests are traced, read and changed while the server runs. Values are text, lists for the level.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_trace.md
 */
import { fail, type SlipwayError } from '@slipway/core';
import { Numbers } from '../../json/numbers.ts';
import type { JsonObject } from '../../json/parse.ts';
import type { TraceChanges } from '../../telemetry/tracer.ts';
import { type Gateway, LATEST } from '../gateway.ts';

type TraceDocument = Readonly<Record<string, string | readonly string[]>>;

export class TraceApi {
  readonly #gateway: Gateway;
  readonly #allowed: boolean;

  constructor(gateway: Gateway, allowed: boolean) {
    this.#gateway = gateway;
    this.#allowed = allowed;
  }

  /** @param model null: what holds for all. @throws MODEL_NOT_FOUND */
  document(model: string | null): TraceDocument {
    const { models, tracer } = this.#gateway;
    if (model !== null) models.status(model, LATEST);
    const { trace_level, trace_rate, trace_count, log_frequency } = tracer.settings(model);
    return {
      trace_level,
      trace_rate: String(trace_rate),
      trace_count: String(trace_count),
      log_frequency: String(log_frequency),
      trace_file: tracer.path,
      trace_mode: 'triton',
    };
  }

  /** @throws CLIENT_REFUSED, MODEL_NOT_FOUND, REQUEST_MALFORMED, NOT_IMPLEMENTED */
  update(model: string | null, changes: TraceChanges): TraceDocument {
    const { models, tracer } = this.#gateway;
    if (!this.#allowed) {
      throw fail('CLIENT_REFUSED', { action: 'change its settings', option: '--allow-client-settings' });
    }
    // Only of models that are there: names of others would be kept for nothing.
    if (model !== null) models.status(model, LATEST);
    tracer.update(model, changes);
    return this.document(model);
  }
}

/** Members as REST has them: text, a number, a list of text, or null. @throws REQUEST_MALFORMED */
export function traceChanges(body: JsonObject): TraceChanges {
  return new Map(
    Object.entries(body).map(([name, value]) => {
      if (value === null) return [name, null];
      // An empty list is one of numbers to the parser.
      const list = value instanceof Numbers && value.values.length === 0 ? [] : Array.isArray(value) ? value : [value];
      const texts = list.map((each) => {
        if (typeof each === 'string' || typeof each === 'number') return String(each);
        throw malformed(name);
      });
      return [name, texts.length === 0 ? null : texts];
    }),
  );
}

const malformed = (name: string): SlipwayError =>
  fail('REQUEST_MALFORMED', {
    problem: `the trace setting "${name.slice(0, 100)}" must be text, a list of text, or null`,
  });
