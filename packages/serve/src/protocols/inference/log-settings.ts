/**
 * The logging extension: what the server logs, changed while it runs. Triton switches each kind of message by itself; our log has
 * levels, of which each includes the graver ones, so that what no level expresses is refused. Where the log goes and what its
 * lines look like is decided at the start.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_logging.md
 */
import { fail, type Logger, type LogLevel, type SlipwayError } from '@slipway/core';
import type { Parameters } from './parameters.ts';

type LogDocument = Readonly<Record<string, string | number | boolean>>;

/** From the most to the fewest lines, and what Triton calls it when the level includes them. */
const KINDS = ['log_verbose_level', 'log_info', 'log_warning', 'log_error'] as const;
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

export class LogSettings {
  readonly #logger: Logger;
  readonly #allowed: boolean;

  constructor(logger: Logger, allowed: boolean) {
    this.#logger = logger;
    this.#allowed = allowed;
  }

  get document(): LogDocument {
    const { level } = this.#logger;
    const at = level === 'trace' ? 0 : LEVELS.indexOf(level as LogLevel);
    const verbose = level === 'trace' ? 2 : level === 'debug' ? 1 : 0;
    return {
      log_file: '',
      log_info: at <= 1,
      log_warning: at <= 2,
      log_error: at <= 3,
      log_verbose_level: verbose,
      log_format: 'default',
    };
  }

  /**
   * All of it or nothing.
   * @throws CLIENT_REFUSED, REQUEST_MALFORMED
   */
  update(settings: Parameters): LogDocument {
    if (!this.#allowed) {
      throw fail('CLIENT_REFUSED', { action: 'change its settings', option: '--allow-client-settings' });
    }
    const wanted = new Map(Object.entries(this.document));
    for (const [name, value] of settings) {
      const current = wanted.get(name);
      if (current === undefined) {
        throw malformed(
          `the log setting "${name.slice(0, 100)}" is not known; there are ${[...wanted.keys()].join(', ')}`,
        );
      }
      if (typeof value !== typeof current) throw malformed(`the log setting ${name} must be a ${typeof current}`);
      if (typeof current === 'string' && value !== current) {
        throw malformed(`the log setting ${name} cannot be changed while the server runs; it is "${current}"`);
      }
      wanted.set(name, value);
    }
    const verbose = wanted.get('log_verbose_level') as number;
    if (!Number.isSafeInteger(verbose) || verbose < 0) throw malformed('log_verbose_level must be a whole number');
    const first = KINDS.findIndex((kind) => wanted.get(kind) !== false && wanted.get(kind) !== 0);
    const at = first === -1 ? KINDS.length : first;
    // What was not spoken of comes with what was switched on.
    const missing = KINDS.slice(at).find((kind) => settings.has(kind) && wanted.get(kind) === false);
    if (missing !== undefined) {
      throw malformed(`${KINDS[at] ?? ''} without ${missing} is not possible: what is logged includes what is graver`);
    }
    this.#logger.level = verbose > 1 ? 'trace' : (LEVELS[at] ?? 'silent');
    return this.document;
  }
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
