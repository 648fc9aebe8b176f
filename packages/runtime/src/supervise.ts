/**
 * Keeps one runner alive. What state it is in is one value, and `#move` is the only thing that changes it:
 *
 *     starting ──► ready ──► (ends) ──► starting          at once: a single crash costs one start
 *         │                     └─────► backing-off ──► starting     when it ends again and again
 *         └──► failed          the model itself cannot be loaded, or the runner ended too often in a row; until asked
 *     any ──► stopped
 *
 * A runner that was ready for a while starts a new row. Calls are not this file's business: those that were executing when the
 * process died have failed with RUNNER_LOST, all others with RUNNER_GONE, which is safe to send again.
 */
import { asSlipwayError, type Clock, fail, type SlipwayError, systemClock } from '@slipway/core';
import type { Runner, RunnerExit, RunnerOptions } from './runner.ts';
import { startRunner } from './start-runner.ts';

export type SupervisedState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly runner: Runner }
  | { readonly kind: 'backing-off'; readonly delayMs: number; readonly error: SlipwayError }
  | { readonly kind: 'failed'; readonly error: SlipwayError }
  | { readonly kind: 'stopped' };

/** A move to `state`; `exit` when a runner that was ready ended. */
export interface SupervisorEvent {
  readonly state: SupervisedState;
  readonly exit: RunnerExit | null;
  /** Runners that were started again since the beginning. */
  readonly restarts: number;
}

export interface Supervision {
  /** Delay of the second restart in a row; doubles with each further one. The first is immediate. */
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  /** Ends in a row after which it gives up. */
  readonly giveUpAfter: number;
  /** Ready for so long ends a row. */
  readonly stableAfterMs: number;
  /** 0–1; spreads the delays of many supervisors by up to a quarter. */
  readonly jitter: () => number;
  readonly clock: Clock;
  readonly start: (options: RunnerOptions) => Promise<Runner>;
  readonly onEvent: (event: SupervisorEvent) => void;
}

export interface Supervisor {
  readonly state: SupervisedState;
  /** The runner, when there is one or as soon as there is. @throws why it failed; RUNNER_GONE once stopped */
  ready(): Promise<Runner>;
  /** Leave `failed` or `backing-off` and try again now; replaces nothing that runs. */
  restart(): void;
  /** Finish what is executing and stay stopped. */
  stop(): Promise<void>;
}

const DEFAULTS: Supervision = {
  baseDelayMs: 100,
  maxDelayMs: 30_000,
  giveUpAfter: 10,
  stableAfterMs: 1000,
  jitter: Math.random,
  clock: systemClock,
  start: (options) => startRunner(options),
  onEvent: () => undefined,
};

/** Starting again cannot help with any other error: the same file will be as unusable. */
const TRANSIENT: ReadonlySet<string> = new Set(['RUNNER_START_FAILED', 'RUNNER_LOST', 'RUNNER_GONE', 'INTERNAL']);

export function superviseRunner(options: RunnerOptions, supervision: Partial<Supervision> = {}): Supervisor {
  return new RunnerSupervisor(options, { ...DEFAULTS, ...supervision });
}

class RunnerSupervisor implements Supervisor {
  readonly #options: RunnerOptions;
  readonly #how: Supervision;
  readonly #waiting: { resolve: (runner: Runner) => void; reject: (error: SlipwayError) => void }[] = [];
  #state: SupervisedState = { kind: 'starting' };
  /** Aborts what the current state is waiting for: a start, or a delay. */
  #current = new AbortController();
  #settled: Promise<void>;
  #endsInRow = 0;
  #restarts = 0;

  constructor(options: RunnerOptions, how: Supervision) {
    this.#options = options;
    this.#how = how;
    this.#settled = this.#start();
  }

  get state(): SupervisedState {
    return this.#state;
  }

  ready(): Promise<Runner> {
    const state = this.#state;
    if (state.kind === 'ready') return Promise.resolve(state.runner);
    if (state.kind === 'failed') return Promise.reject(state.error);
    if (state.kind === 'stopped') return Promise.reject(this.#stoppedError());
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  restart(): void {
    if (this.#state.kind !== 'failed' && this.#state.kind !== 'backing-off') return;
    this.#endsInRow = 0;
    this.#enterStarting(null);
  }

  async stop(): Promise<void> {
    const before = this.#state;
    if (before.kind !== 'stopped') {
      this.#move({ kind: 'stopped' }, null);
      if (before.kind === 'ready') this.#settled = before.runner.stop();
    }
    await this.#settled;
  }

  #move(state: SupervisedState, exit: RunnerExit | null): void {
    this.#current.abort();
    this.#current = new AbortController();
    this.#state = state;
    this.#how.onEvent({ state, exit, restarts: this.#restarts });
    if (state.kind === 'starting' || state.kind === 'backing-off') return;
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (state.kind === 'ready') resolve(state.runner);
      else reject(state.kind === 'failed' ? state.error : this.#stoppedError());
    }
  }

  #enterStarting(exit: RunnerExit | null): void {
    this.#restarts++;
    this.#move({ kind: 'starting' }, exit);
    this.#settled = this.#start();
  }

  /** Settles when the start succeeded, failed or was called off and its process is gone. Never rejects. */
  async #start(): Promise<void> {
    const { signal } = this.#current;
    try {
      const runner = await this.#how.start({ ...this.#options, signal });
      if (signal.aborted) {
        await runner.stop();
        return;
      }
      this.#move({ kind: 'ready', runner }, null);
      const since = this.#how.clock.now();
      void runner.exited.then((exit) => {
        if (this.#state.kind !== 'ready' || this.#state.runner !== runner) return;
        if (this.#how.clock.now() - since >= this.#how.stableAfterMs) this.#endsInRow = 0;
        const problem = `${exit.reason}: ${exit.detail}`;
        this.#again(fail('RUNNER_START_FAILED', { model: this.#options.model, problem }), exit);
      });
    } catch (error) {
      if (!signal.aborted) this.#again(asSlipwayError(error), null);
    }
  }

  /** A runner ended, or did not start: what next? */
  #again(error: SlipwayError, exit: RunnerExit | null): void {
    const { giveUpAfter, baseDelayMs, maxDelayMs, jitter, clock } = this.#how;
    this.#endsInRow++;
    const row = this.#endsInRow;
    if (!TRANSIENT.has(error.code)) {
      this.#move({ kind: 'failed', error }, exit);
    } else if (row >= giveUpAfter) {
      const problem = `it ended ${row} times in a row, last: ${String(error.params['problem'] ?? error.message)}`;
      const failure = fail('RUNNER_START_FAILED', { model: this.#options.model, problem }, { cause: error });
      this.#move({ kind: 'failed', error: failure }, exit);
    } else if (row === 1) {
      this.#enterStarting(exit);
    } else {
      const delay = Math.min(maxDelayMs, baseDelayMs * 2 ** (row - 2));
      const delayMs = delay * (1 - jitter() / 4);
      this.#move({ kind: 'backing-off', delayMs, error }, exit);
      const { signal } = this.#current;
      const cancel = clock.after(delayMs, () => this.#enterStarting(null));
      signal.addEventListener('abort', cancel, { once: true });
    }
  }

  #stoppedError(): SlipwayError {
    return fail('RUNNER_GONE', { model: this.#options.model, reason: 'stopped' });
  }
}
