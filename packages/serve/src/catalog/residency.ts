/**
 * Which models are in memory when not all of them fit. A load that finds no room unloads the model that was not used for the
 * longest time and does nothing now; the next request for that one loads it again, once, however many ask. A model nobody has
 * asked for yet takes the place of none: it waits, unloaded. One that is pinned never goes.
 */
import type { Clock, Logger } from '@slipway/core';
import type { MemoryLedger } from './memory.ts';
import type { Model } from './model.ts';
import type { Candidate } from './source.ts';
import type { LoadedVersion } from './version.ts';

/** Why a version is gone that made room. */
const PARKED = 'unloaded for want of memory; a request for it loads it';

export interface ResidencyOptions {
  readonly memory: MemoryLedger;
  readonly models: ReadonlyMap<string, Model>;
  readonly isPinned: (model: string) => boolean;
  /** Whether a model may push out others although no request waits for it. */
  readonly mayEvict: (model: Model) => boolean;
  /** Resolves when the version has ended its requests and its runners. */
  readonly drain: (model: Model, loaded: LoadedVersion, reason: string) => Promise<void>;
  readonly reconcile: () => void;
  readonly settled: (model: string) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class Residency {
  readonly #options: ResidencyOptions;
  /** Models without a loaded version, for want of memory. */
  readonly #parked = new Set<string>();
  /** Loads that requests wait for. */
  readonly #waking = new Map<string, Promise<void>>();
  /** Models unloaded to make room, and loaded again because somebody asked. */
  readonly evictions: { unloaded: number; loaded: number } = { unloaded: 0, loaded: 0 };

  constructor(options: ResidencyOptions) {
    this.#options = options;
  }

  isParked(model: string): boolean {
    return this.#parked.has(model);
  }

  /** It is not wanted any more. */
  forget(model: string): void {
    this.#parked.delete(model);
  }

  /** A model of which nothing fits waits for somebody who asks for it. */
  park(model: Model): void {
    if (model.ready.size === 0 && model.loading.size === 0) this.#parked.add(model.name);
  }

  /** @returns what resolves when it is loaded or cannot be; null when there is nothing to wait for */
  wake(name: string): Promise<void> | null {
    if (this.#parked.size === 0 && this.#waking.size === 0) return null;
    const waking = this.#waking.get(name);
    if (waking !== undefined) return waking;
    const { models, clock, logger } = this.#options;
    const model = models.get(name);
    if (model === undefined || !this.#parked.delete(name)) return null;
    model.usedAt = clock.now();
    this.evictions.loaded++;
    for (const version of [...model.failed.keys()]) model.forgive(version);
    logger.info({ event: 'model.woken', model: name }, `${name} is loaded again: it was asked for`);
    const woken = this.#load(name);
    this.#waking.set(name, woken);
    return woken;
  }

  async #load(name: string): Promise<void> {
    // First it is known to be asked for: then its load may push out others.
    await Promise.resolve();
    this.#options.reconcile();
    await this.#options.settled(name);
    this.#waking.delete(name);
  }

  /**
   * Memory for a load.
   * @returns what gives the claim back
   * @throws MEMORY_EXCEEDED
   */
  claim(model: Model, candidate: Candidate, identity: string, runners: number): Promise<() => void> {
    const { memory, mayEvict } = this.#options;
    const bytes = memory.estimate(candidate, identity, runners);
    const asked = this.#waking.has(model.name) || mayEvict(model);
    const makeRoom = (): Promise<boolean> => (asked ? this.#evict(model) : Promise.resolve(false));
    return memory.claim({ model: model.name, bytes, makeRoom });
  }

  async #evict(except: Model): Promise<boolean> {
    const { models, logger, drain } = this.#options;
    const idle = [...models.values()].filter((model) => model !== except && this.#isIdle(model));
    const [oldest] = idle.sort((a, b) => a.usedAt - b.usedAt);
    if (oldest === undefined) return false;
    this.evictions.unloaded++;
    logger.info({ event: 'model.evicted', model: oldest.name, for: except.name }, `${oldest.name} makes room`);
    this.#parked.add(oldest.name);
    await Promise.all([...oldest.ready.values()].map((loaded) => drain(oldest, loaded, PARKED)));
    return true;
  }

  #isIdle({ name, ready, loading }: Model): boolean {
    if (ready.size === 0 || loading.size > 0 || this.#waking.has(name) || this.#options.isPinned(name)) return false;
    return [...ready.values()].every(({ scheduler }) => scheduler.pending === 0);
  }
}
