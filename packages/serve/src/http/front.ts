/** What the two ways of reading requests share: limits, numbering, counting, and what an error looks like. */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import { errorAnswer } from './errors.ts';
import type { EncodeError, Endpoint, Exchange, Router } from './exchange.ts';

export interface FrontOptions {
  readonly maxBodyBytes: number;
  readonly headersTimeoutMs: number;
  /** How long a whole request may take to arrive. */
  readonly requestTimeoutMs: number;
  /** A connection on which nothing moves for so long is closed; longer than any request may take. */
  readonly idleTimeoutMs: number;
  /** A client that takes nothing of its answer for so long is given up. */
  readonly writeTimeoutMs: number;
  readonly router: Router;
  /** Prefix of generated request ids. */
  readonly idPrefix: string;
  readonly observe: (route: string, method: string, status: number, seconds: number, requestId: string) => void;
  /** A handler threw something that is not a user error. */
  readonly onDefect: (error: SlipwayError, exchange: Exchange) => void;
}

/** The route label of what no route answered: never the path, which the client chooses. */
export const UNKNOWN_ROUTE = '_unknown';
const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
export const KEEP_ALIVE_MS = 65_000;

export class Front {
  readonly options: FrontOptions;
  #sequence = 0;
  #pending = 0;
  #whenIdle: (() => void)[] = [];
  #dateAt = 0;
  #date = '';
  draining = false;

  constructor(options: FrontOptions) {
    this.options = options;
  }

  nextId(): string {
    return `${this.options.idPrefix}-${(this.#sequence++).toString(36)}`;
  }

  /** The Date header, made once a second. */
  date(): string {
    const now = Date.now();
    if (now - this.#dateAt >= 1000) {
      this.#dateAt = now - (now % 1000);
      this.#date = new Date(now).toUTCString();
    }
    return this.#date;
  }

  begin(): void {
    this.#pending++;
  }

  finished(exchange: Exchange, route: string, status: number, started: number): void {
    const method = KNOWN_METHODS.has(exchange.method) ? exchange.method : '_other';
    this.options.observe(route, method, status, (performance.now() - started) / 1000, exchange.id);
    if (--this.#pending === 0 && this.#whenIdle.length > 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Resolves when no request is under way, or after `graceMs`. */
  async idle(graceMs: number): Promise<void> {
    if (this.#pending === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#whenIdle.push(() => {
        clearTimeout(timer);
        // The last answer is still being written.
        setImmediate(resolve);
      });
    });
  }

  /** @throws ROUTE_NOT_FOUND, and what the router throws */
  find(method: string, path: string): Endpoint {
    const endpoint = this.options.router(path);
    if (endpoint === null) throw fail('ROUTE_NOT_FOUND', { method, path: path.slice(0, 200) });
    return endpoint;
  }

  /** @throws METHOD_NOT_ALLOWED */
  checkMethod(endpoint: Endpoint, method: string, path: string): void {
    const { methods } = endpoint;
    if (!methods.includes(method) && !(method === 'HEAD' && methods.includes('GET'))) {
      const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ');
      throw fail('METHOD_NOT_ALLOWED', { method, path: path.slice(0, 200), allowed });
    }
  }

  /** @param endpoint whose words the error is in; null when none was found */
  fail(exchange: Exchange, thrown: unknown, endpoint: Endpoint | null): void {
    const error = asSlipwayError(thrown);
    if (error.code === 'INTERNAL') this.options.onDefect(error, exchange);
    const encode = endpoint?.encodeError ?? defaultError;
    const { status, body, headers } = encode(error, exchange);
    exchange.reply(status, 'application/json', body, headers);
  }
}

const defaultError: EncodeError = (error, { id }) => errorAnswer(error, id);
