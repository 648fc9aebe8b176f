/**
 * Refusals at a pace. A client that asks again as soon as it is told that the queue is full gets thousands of refusals a
 * second, and each costs the event loop as much as an answer: so one overloaded model would starve all others. Beyond a burst, the
 * refusals of a model are therefore held back until their turn: whoever waits for an answer before he asks again is slowed
 * down, at the price of knowing a little later what he was told to wait a second for anyway.
 *
 * None waits longer than `longestMs`: where more come than that allows, the oldest goes at once.
 */
import type { Clock } from '@slipway/core';

/** Refusals of one model in a second; measured, they take about a twentieth of the loop. */
const PER_SECOND = 500;
/** So many go at once after a quiet second. */
const BURST = 100;
const LONGEST_MS = 1000;
const TICK_MS = 10;

export class Pace {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #tokens = BURST;
  #filledAt: number;
  #ticking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledAt = clock.now();
  }

  /** Refusals held back now. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs `refuse` now or in its turn; exactly once, and in the order of the calls. */
  run(refuse: () => void): void {
    this.#fill();
    if (this.#waiting.length === 0 && this.#tokens >= 1) {
      this.#tokens--;
      refuse();
      return;
    }
    this.#waiting.push(refuse);
    if (this.#waiting.length > (PER_SECOND * LONGEST_MS) / 1000) this.#waiting.shift()?.();
    this.#tick();
  }

  #tick(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    this.#clock.after(TICK_MS, () => {
      this.#ticking = false;
      this.#fill();
      const due = this.#waiting.splice(0, Math.floor(this.#tokens));
      this.#tokens -= due.length;
      for (const refuse of due) refuse();
      if (this.#waiting.length > 0) this.#tick();
    });
  }

  #fill(): void {
    const now = this.#clock.now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) * PER_SECOND) / 1000);
    this.#filledAt = now;
  }
}
