/** Time that moves only when told to. */
import type { Clock } from '@slipway/core';

export interface VirtualClock extends Clock {
  /** Let `ms` pass, with everything that becomes due and what follows from it. */
  advance(ms: number): Promise<void>;
}

export function virtualClock(): VirtualClock {
  let now = 0;
  const timers = new Set<{ at: number; callback: () => void }>();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    wall: () => now,
    after(ms, callback) {
      const timer = { at: now + ms, callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const until = now + ms;
      await settle();
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        now = next.at;
        next.callback();
        await settle();
      }
      now = until;
    },
  };
}
