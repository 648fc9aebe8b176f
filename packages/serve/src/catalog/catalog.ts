/**
 * Which versions are served: looks at the sources, loads what is new, and drops what is replaced only after its
 * successor answers. So a reload fails no request, and a bad version replaces nothing.
 *
 * Every model is reconciled by itself, from three things: what its source shows, what was asked for (`Wishes`), and what is
 * loaded. Nothing is done outside of that: a control call changes a wish and reconciles. When a source shows no version of
 * a model any more, the last one stays: an empty directory is more often a mistake than a wish.
 */
import { asSlipwayError, canonicalJson, type Clock, fail, type Logger, type SlipwayError } from '@slipway/core';
import type { Models, Selector, VersionStatus } from '../protocols/gateway.ts';
import type { ControlMode } from './control.ts';
import type { MemoryLedger } from './memory.ts';
import { type Failure, Model, type Move, reasonOf } from './model.ts';
import { planVersions } from './plan.ts';
import { Residency } from './residency.ts';
import { loadedWith, mergeSettings, type ModelSettings } from './settings.ts';
import type { Candidate, ExpectedSignature, ListedModel, Source } from './source.ts';
import type { LoadedVersion } from './version.ts';
import { type LoadOptions } from './version.ts';
import { SourceWatch } from './watch.ts';
import type { Wishes } from './wishes.ts';

export interface LoadRequest {
  readonly candidate: Candidate;
  readonly settings: ModelSettings;
  readonly expects: ExpectedSignature | null;
  /** Models that share the machine. */
  readonly models: number;
  readonly onFailed: LoadOptions['onFailed'];
}

export interface CatalogOptions {
  readonly sources: readonly Source[];
  readonly load: (request: LoadRequest) => Promise<LoadedVersion>;
  readonly mode: ControlMode;
  readonly wishes: Wishes;
  /** What holds for every model that says nothing itself. */
  readonly settings: ModelSettings;
  readonly memory: MemoryLedger;
  readonly swap: Swap;
  readonly pollIntervalMs: number;
  /** How long a replaced version may take to finish its requests, milliseconds. */
  readonly drainTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * How a version takes the place of another: loaded beside it (`availability`), after it (`resource`), or beside it if both fit
 * into the memory and after it otherwise (`auto`).
 */
export type Swap = 'availability' | 'resource' | 'auto';
export const SWAPS: readonly Swap[] = ['availability', 'resource', 'auto'];

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;
/** Why a version is gone that an operator unloaded. */
const UNLOADED = 'unloaded';

export class Catalog implements Models {
  readonly #options: CatalogOptions;
  readonly #models = new Map<string, Model>();
  #watches: SourceWatch[];
  /** The source a name was first seen in: one name, one source. */
  readonly #owners = new Map<string, SourceWatch>();
  readonly #work = new Map<Promise<void>, string>();
  /** What each loaded version was made of: its files and its settings. */
  readonly #identities = new WeakMap<LoadedVersion, string>();
  /** Said once, not at every poll. */
  readonly #told = new Set<string>();
  /** Models that have only versions whose files still change. */
  readonly #copying = new Set<string>();
  /** With `auto`: models whose next version goes after the old one, because both do not fit. */
  readonly #tight = new Set<string>();
  #cancelPoll: (() => void) | null = null;
  #settledOnce = false;
  #closing = false;
  /** Loads that succeeded and failed, for the metrics. */
  readonly loads: { ok: number; failed: number; seconds: number } = { ok: 0, failed: 0, seconds: 0 };
  readonly residency: Residency;

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#watches = options.sources.map((source) => this.#watch(source));
    this.residency = new Residency({
      memory: options.memory,
      models: this.#models,
      isPinned: (name) => this.settingsOf(name, this.listed(name) ?? { candidates: [] }).pinned === true,
      mayEvict: ({ ready }) => ready.size > 0 || options.mode === 'explicit',
      drain: (model, loaded, reason) => this.#track(model.name, this.#drain(model, loaded, reason)),
      reconcile: () => this.reconcile(),
      settled: (name) => this.settled(name),
      clock: options.clock,
      logger: options.logger,
    });
  }

  /** Resolves when everything found at the start is loaded or has failed. */
  async start(): Promise<void> {
    await this.refresh();
    await this.settled();
    // Versions that were still being copied a moment ago get their chance before anyone is told we are ready.
    while (this.#copying.size > 0 && !this.#closing) {
      await new Promise<void>((resolve) => {
        this.#options.clock.after(Math.min(100, this.#options.pollIntervalMs), resolve);
      });
      await this.refresh();
      await this.settled();
    }
    this.#settledOnce = true;
    this.#schedule();
  }

  /** @returns the first failure, when there is nothing that could be served */
  get startFailure(): SlipwayError | null {
    const models = [...this.#models.values()];
    if (models.some(({ ready }) => ready.size > 0)) return null;
    const failures = models.flatMap(({ failed, problem }) => [
      problem,
      ...[...failed.values()].map(({ error }) => error),
    ]);
    return [...failures, ...this.#watches.map(({ problem }) => problem)].find((problem) => problem !== null) ?? null;
  }

  /** Not ready any more, and nothing new is loaded; requests are still answered. */
  stopAccepting(): void {
    this.#closing = true;
    this.#cancelPoll?.();
  }

  async close(graceMs: number): Promise<void> {
    this.stopAccepting();
    const error = fail('DRAINING', {});
    const open = [...this.#models.values()].flatMap((model) => [...model.open()]);
    await Promise.all(open.map((loaded) => loaded.close(this.#options.clock, graceMs, error)));
    await this.settled();
  }

  get ready(): boolean {
    if (this.#closing || !this.#settledOnce) return false;
    const models = [...this.#models.values()];
    return models.length === 0 || models.some(({ name, ready }) => ready.size > 0 || this.residency.isParked(name));
  }

  get memoryBudgetBytes(): number {
    return this.#options.memory.budgetBytes;
  }

  get models(): ReadonlyMap<string, Model> {
    return this.#models;
  }

  /** Every model that a source shows or that is served, whether or not anybody asked for it. */
  known(): readonly string[] {
    const listed = this.#watches.flatMap(({ listing }) => [...(listing?.models.keys() ?? [])]);
    return [...new Set([...this.#models.keys(), ...listed])].sort();
  }

  /** What the source of a model shows of it; null when none does. */
  listed(model: string): ListedModel | null {
    return this.#owner(model)?.listing?.models.get(model) ?? null;
  }

  names(): readonly string[] {
    return [...this.#models.keys()];
  }

  only(): string {
    const [name, second] = this.#models.keys();
    if (name !== undefined && second === undefined) return name;
    const problem =
      name === undefined
        ? 'no model is served'
        : `several models are served (${this.names().join(', ')}); name one: /predict/NAME`;
    throw fail('REQUEST_MALFORMED', { problem });
  }

  find(name: string, selector: Selector): LoadedVersion {
    const model = this.#model(name);
    // Whoever asks whether it is ready waits for it to become so.
    if (this.residency.isParked(name) && model.failed.size === 0) void this.wake(name);
    model.usedAt = this.#options.clock.now();
    return model.find(selector);
  }

  wake(name: string): Promise<void> | null {
    return this.#closing ? null : this.residency.wake(name);
  }

  status(name: string, selector: Selector): readonly VersionStatus[] {
    return this.#model(name).status(selector);
  }

  #model(name: string): Model {
    const model = this.#models.get(name);
    if (model !== undefined) return model;
    throw fail('MODEL_NOT_FOUND', { model: name.slice(0, 200) });
  }

  /** No load or drain is under way, of this model or of any, also none that a finished one gave rise to. */
  async settled(model?: string): Promise<void> {
    for (;;) {
      const work = [...this.#work].filter(([, of]) => model === undefined || of === model).map(([promise]) => promise);
      if (work.length === 0) return;
      await Promise.all(work);
    }
  }

  /** Puts a source before all others. */
  addSource(source: Source): SourceWatch {
    const watch = this.#watch(source);
    this.#watches.unshift(watch);
    return watch;
  }

  /** Serve `name` from this source from now on. */
  own(name: string, watch: SourceWatch): void {
    this.#owners.set(name, watch);
  }

  removeSource(watch: SourceWatch): void {
    this.#watches = this.#watches.filter((other) => other !== watch);
  }

  #watch(source: Source): SourceWatch {
    return new SourceWatch(source, (message) => this.#tell(message));
  }

  /** Look at the sources now, and begin what follows from what they show. */
  async refresh(watches: readonly SourceWatch[] = this.#watches): Promise<void> {
    await Promise.all(watches.map((watch) => watch.refresh()));
    this.reconcile();
  }

  #schedule(): void {
    if (this.#closing) return;
    const { clock, pollIntervalMs, mode } = this.#options;
    this.#cancelPoll = clock.after(pollIntervalMs, () => {
      // A source that takes long holds up nobody else: each is reconciled when it has answered.
      if (mode === 'poll') for (const watch of this.#watches) void watch.refresh().then(() => this.reconcile());
      else this.reconcile();
      this.#schedule();
    });
  }

  /** Which source a name is served from: the one it is served from already, as long as that one shows it, or the first. */
  #owner(name: string): SourceWatch | null {
    const shows = (watch: SourceWatch): boolean => watch.listing?.models.has(name) === true;
    const current = this.#owners.get(name);
    const first = this.#watches.find(shows) ?? null;
    if (current === undefined || !this.#watches.includes(current) || !shows(current)) return first;
    return current;
  }

  /** Begin what follows, model by model, from what the sources showed last and what is asked for. */
  reconcile(): void {
    if (this.#closing) return;
    for (const watch of this.#watches) {
      for (const [name, listed] of watch.listing?.models ?? []) {
        const owner = this.#owner(name) ?? watch;
        if (owner !== watch) {
          this.#tell(
            `${watch.source.description} has a model "${name}" too; it is served from ${owner.source.description}`,
          );
          continue;
        }
        this.#owners.set(name, owner);
        if (this.#options.wishes.wants(name)) this.#reconcile(name, listed);
        else this.#unload(name);
      }
    }
    for (const name of this.#models.keys()) {
      if (!this.#options.wishes.wants(name) || this.#withdrawn(name)) this.#unload(name);
    }
  }

  /** The source it was served from keeps a list, and it is not in there any more. An empty list is more often a mistake. */
  #withdrawn(name: string): boolean {
    if (this.#owner(name) !== null) return false;
    const before = this.#owners.get(name);
    if (before === undefined || !this.#watches.includes(before)) return true;
    return before.source.declares === true && (before.listing?.models.size ?? 0) > 0;
  }

  #tell(message: string): void {
    if (this.#told.has(message)) return;
    if (this.#told.size > 1000) this.#told.clear();
    this.#told.add(message);
    this.#options.logger.warn({ event: 'source.problem' }, message);
  }

  /** What a model is served with, whatever its release asks on top of that. */
  settingsOf(name: string, listed: ListedModel): ModelSettings {
    return mergeSettings(this.#options.settings, listed.settings, this.#options.wishes.settings(name));
  }

  #reconcile(name: string, listed: ListedModel): void {
    let model = this.#models.get(name);
    if (model === undefined) {
      model = new Model(name, (version, move) => this.#log(name, version, move));
      this.#models.set(name, model);
    }
    model.problem = listed.problem ?? null;
    if (listed.problem !== undefined) {
      this.#tell(`${name}: ${listed.problem.message}`);
      return;
    }
    const { candidates } = listed;
    const settings = this.settingsOf(name, listed);
    model.wantedLabels = new Map([
      ...candidates.flatMap(({ labels, version }) => labels.map((label): [string, number] => [label, version])),
      ...Object.entries(settings.labels ?? {}),
      ...this.#options.wishes.labels(name),
    ]);
    const labelled = new Set([...model.wantedLabels.values(), ...model.labels.values()]);
    const now = this.#options.clock.now();
    const { swap } = this.#options;
    const dropFirst = swap === 'resource' || (swap === 'auto' && this.#tight.has(name));
    const byVersion = new Map(candidates.map((candidate) => [candidate.version, candidate]));
    const plan = planVersions(
      candidates.map((candidate) => {
        const { version, complete } = candidate;
        const identity = identityOf(candidate, settings, listed);
        const failure = model.failed.get(version);
        // What would go first for a version that failed once might be gone for nothing, again and again.
        const hopeless = dropFirst && failure?.identity === identity && model.ready.size > 0;
        const loadable = complete && !hopeless && mayTry(failure, identity, now);
        const loaded = model.ready.get(version);
        const changed = loaded !== undefined && this.#identities.get(loaded) !== identity;
        if (loaded !== undefined && !changed) model.forgive(version);
        return {
          version,
          state: model.state(version),
          loadable,
          attempts: failure?.identity === identity ? failure.attempts : 0,
          pinned: candidate.pinned || labelled.has(version),
          stale: changed && loadable && !model.loading.has(version),
        };
      }),
      model.ready.keys(),
      { policy: settings.versionPolicy ?? { latest: 1 }, dropFirst },
    );
    if (this.residency.isParked(name)) return;
    for (const version of plan.load) {
      void this.#track(name, this.#load(model, byVersion.get(version) as Candidate, settings, listed));
    }
    for (const version of plan.drain) {
      void this.#track(name, this.#drain(model, model.ready.get(version) as LoadedVersion, null));
    }
    const settled = model.ready.size > 0 || model.loading.size > 0 || model.failed.size > 0;
    if (settled || candidates.every(({ complete }) => complete)) this.#copying.delete(name);
    else this.#copying.add(name);
  }

  /** Try again now what failed, and begin what follows from the wishes. */
  retry(name: string): void {
    const model = this.#models.get(name);
    for (const version of model?.failed.keys() ?? []) model?.forgive(version);
    this.reconcile();
  }

  #unload(name: string): void {
    const model = this.#models.get(name);
    if (model === undefined) return;
    this.#copying.delete(name);
    this.residency.forget(name);
    model.problem = null;
    for (const loaded of model.ready.values()) void this.#track(name, this.#drain(model, loaded, UNLOADED));
    // Of a model that no source shows there is nothing more to say.
    if (this.#owner(name) === null && model.loading.size === 0 && [...model.open()].length === 0) {
      this.#models.delete(name);
      this.#owners.delete(name);
    }
  }

  /** Begin to unload a model that is not wished for any more, and forget why it could not be loaded. */
  unload(name: string): void {
    const model = this.#models.get(name);
    for (const version of model?.failed.keys() ?? []) {
      if (model?.state(version) === 'failed') model.move(version, { to: 'gone', loaded: null, reason: UNLOADED });
    }
    this.reconcile();
  }

  async #load(model: Model, candidate: Candidate, settings: ModelSettings, listed: ListedModel): Promise<void> {
    const { version } = candidate;
    const identity = identityOf(candidate, settings, listed);
    const attempts = (model.failed.get(version)?.attempts ?? 0) + 1;
    model.move(version, { to: 'loading' });
    const failed = (error: SlipwayError, lost: boolean): void => {
      const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempts - 1));
      this.loads.failed++;
      const retryAt = this.#options.clock.now() + delay;
      model.move(version, { to: 'failed', failure: { identity, error, attempts, retryAt }, lost });
    };
    let release: () => void = () => undefined;
    try {
      release = await this.residency.claim(model, candidate, identity, settings.instances ?? 1);
      const loaded: LoadedVersion = await this.#options.load({
        candidate,
        settings,
        expects: listed.expects ?? null,
        models: Math.max(1, this.#models.size),
        onFailed: (error) => {
          if (model.ready.get(version) !== loaded) return;
          failed(error, true);
          void loaded.close(
            this.#options.clock,
            0,
            fail('MODEL_UNAVAILABLE', { model: model.name, problem: reasonOf(error) }),
          );
        },
      });
      this.loads.ok++;
      this.loads.seconds += loaded.loadSeconds;
      this.#options.memory.record(candidate, identity, await loaded.peakBytes());
      this.#tight.delete(model.name);
      if (this.#closing || !this.#options.wishes.wants(model.name)) {
        model.move(version, { to: 'gone', loaded: null, reason: UNLOADED });
        await loaded.close(this.#options.clock, 0, fail('DRAINING', {}));
        return;
      }
      const replaced = model.ready.get(version);
      this.#identities.set(loaded, identity);
      model.move(version, { to: 'ready', loaded });
      if (replaced !== undefined) void this.#track(model.name, this.#drain(model, replaced, null));
    } catch (thrown) {
      const error = asSlipwayError(thrown);
      if (error.code === 'MEMORY_EXCEEDED' && model.ready.size > 0 && !this.#tight.has(model.name)) {
        this.#tight.add(model.name);
        // With `auto` it is tried again, after the old one has gone.
        if (this.#options.swap === 'auto') {
          model.move(version, { to: 'gone', loaded: null, reason: null });
          this.reconcile();
          return;
        }
      }
      failed(error, false);
      if (error.code === 'MEMORY_EXCEEDED') this.residency.park(model);
    } finally {
      release();
    }
    // What it replaces goes now, and what replaces it when it failed comes now, not at the next poll.
    this.reconcile();
  }

  /** @param reason why it is gone, for who asks; null when another took its place */
  async #drain(model: Model, loaded: LoadedVersion, reason: string | null): Promise<void> {
    const { version } = loaded;
    model.move(version, { to: 'draining', loaded });
    await loaded.close(this.#options.clock, this.#options.drainTimeoutMs, fail('DRAINING', {}));
    model.move(version, { to: 'gone', loaded, reason });
    this.reconcile();
  }

  #track(model: string, work: Promise<void>): Promise<void> {
    this.#work.set(work, model);
    void work.finally(() => this.#work.delete(work));
    return work;
  }

  #log(model: string, version: number, move: Move): void {
    const fields = { event: `model.${move.to}`, model, version };
    const { logger } = this.#options;
    if (move.to === 'failed') {
      const { error, attempts } = move.failure;
      logger.error({ ...fields, code: error.code, attempts }, `${model}:${version} cannot be loaded: ${error.message}`);
    } else if (move.to === 'ready') {
      const { loadSeconds, digest } = move.loaded;
      logger.info({ ...fields, digest, load_seconds: loadSeconds }, `${model}:${version} is ready`);
    } else logger.info(fields, `${model}:${version} is ${move.to}`);
  }
}

/** Of what is loaded: the files, the settings that a loaded version cannot change, and what it was compared with. */
function identityOf({ fingerprint }: Candidate, settings: ModelSettings, { expects }: ListedModel): string {
  return `${fingerprint}\n${canonicalJson({ ...loadedWith(settings), expects })}`;
}

/** Failed versions wait longer each time, unless their files or settings changed. */
function mayTry(failure: Failure | undefined, identity: string, now: number): boolean {
  return failure === undefined || failure.identity !== identity || now >= failure.retryAt;
}
