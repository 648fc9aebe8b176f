/**
 * What a client may say about how its request is to be scheduled, whatever protocol it says it in: OIP parameters, HTTP
 * headers, the timeout of a gRPC call. Protocols read it, the gateway bounds it, the scheduler obeys.
 */
import { fail } from '@slipway/core';

export interface Terms {
  /** The client gives up so many milliseconds after it asked; null: it does not say. */
  readonly timeoutMs: number | null;
  /** How long the request may wait before it executes, milliseconds: what Triton calls `timeout`. */
  readonly queueTimeoutMs?: number | null;
  /** 1 is the highest; 0, absent, and a level the model does not have are its default level. */
  readonly priority?: number;
}

/** The members of `terms` and of `others`; what `terms` says wins. */
export function mergeTerms(terms: Terms, others: Terms): Terms {
  const priority = terms.priority ?? others.priority;
  return {
    timeoutMs: terms.timeoutMs ?? others.timeoutMs,
    queueTimeoutMs: terms.queueTimeoutMs ?? others.queueTimeoutMs ?? null,
    ...(priority === undefined ? {} : { priority }),
  };
}

/**
 * A priority as protocols carry it: a whole number, also as text.
 * @param where for the message: a header or a parameter
 * @throws REQUEST_MALFORMED
 */
export function readPriority(given: unknown, where: string): number {
  const value = typeof given === 'string' && /^\d{1,10}$/.test(given) ? Number(given) : given;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw fail('REQUEST_MALFORMED', { problem: `${where} must be a whole number: 1 is the highest, 0 the default` });
}
