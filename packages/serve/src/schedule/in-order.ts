/**
 * Answers in the order of the requests (Triton's `preserve_ordering`), by wrapping how a job settles: what is ready before its
 * predecessors waits for them. What was cancelled has nobody to wait for.
 */
import type { Settle } from './job.ts';

interface Entry {
  /** Delivers; null as long as it is not settled. */
  deliver: (() => void) | null;
}

export class InOrder {
  /** Oldest first. */
  readonly #entries = new Set<Entry>();

  wrap(settle: Settle): Settle {
    const entry: Entry = { deliver: null };
    this.#entries.add(entry);
    return (error, outputs, times) => {
      if (error?.code === 'CANCELLED') {
        this.#entries.delete(entry);
        settle(error, outputs, times);
      } else entry.deliver = () => settle(error, outputs, times);
      this.#flush();
    };
  }

  #flush(): void {
    for (const entry of this.#entries) {
      if (entry.deliver === null) return;
      // First out: delivering may settle others.
      this.#entries.delete(entry);
      entry.deliver();
    }
  }
}
