/**
 * Time, as a parameter: what schedules or measures takes a `Clock`, so that tests run on virtual time.
 */

export interface Clock {
  /** Monotonic milliseconds, for intervals. */
  now(): number;
  /** Wall-clock milliseconds since the epoch, for timestamps shown to people. */
  wall(): number;
  /** Call `callback` after `ms`; returns what cancels it. Never keeps the process alive. */
  after(ms: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
