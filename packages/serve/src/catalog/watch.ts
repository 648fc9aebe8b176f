/**
 * One source, looked at again and again, alone: a source that hangs or fails delays no other. Looks do not overlap; who asks
 * while one is under way gets one that begins after it.
 */
import { asSlipwayError, type SlipwayError } from '@slipway/core';
import type { Listing, Source } from './source.ts';

export class SourceWatch {
  readonly source: Source;
  readonly #onProblem: (message: string) => void;
  /** What was seen last; null when nothing was, yet. */
  listing: Listing | null = null;
  /** Why the last look failed; null when it did not. */
  problem: SlipwayError | null = null;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(source: Source, onProblem: (message: string) => void) {
    this.source = source;
    this.#onProblem = onProblem;
  }

  /** Resolves when a look that began after this call has ended. Never rejects. */
  refresh(): Promise<void> {
    if (this.#running === null) return (this.#running = this.#look());
    this.#next ??= this.#running.then(() => (this.#running = this.#look()));
    return this.#next;
  }

  async #look(): Promise<void> {
    try {
      this.listing = await this.source.scan();
      this.problem = null;
      for (const warning of this.listing.warnings) this.#onProblem(warning);
    } catch (error) {
      this.problem = asSlipwayError(error);
      this.#onProblem(`${this.source.description}: ${this.problem.message}`);
    } finally {
      this.#running = this.#next;
      this.#next = null;
    }
  }
}
