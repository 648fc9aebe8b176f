/**
 * Which versions are served: looks at the sources, loads what is new, and drops what is replaced only after its
 * successor answers. So a reload fails no request, and a bad version replaces nothing.
 *
 * Wanted are, per model, the newest version that can be loaded and every version a label points at. When a
 * source shows no version any more, the last one stays: an empty directory is more often a mistake than a wish.
 */
import { asSlipwayError, type Clock, fail, type Logger, type SlipwayError } from '@slipway/core';
import type { Models, Selector, VersionStatus } from '../protocols/gateway.ts';
import { type Failure, Model, type Move, reasonOf } from './model.ts';
import { planVersions } from './plan.ts';
import type { Candidate, Source } from './source.ts';
import type { LoadedVersion } from './version.ts';
import { type LoadOptions } from './version.ts';

export interface CatalogOptions {
  readonly sources: readonly Source[];
  readonly load: (candidate: Candidate, models: number, onFailed: LoadOptions['onFailed']) => Promise<LoadedVersion>;
  readonly pollIntervalMs: number;
  /** How long a replaced version may take to finish its requests, milliseconds. */
  readonly drainTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

export class Catalog implements Models {
  readonly #options: CatalogOptions;
  readonly #models = new Map<string, Model>();
  /** The source a name was first seen in: one name, one source. */
  readonly #owners = new Map<string, Source>();
  readonly #work = new Set<Promise<void>>();
  /** Said once, not at every poll. */
  readonly #told = new Set<string>();
  /** Models that have only versions whose files still change. */
  readonly #copying = new Set<string>();
  #cancelPoll: (() => void) | null = null;
  #settledOnce = false;
  #closing = false;
  /** Loads that succeeded and failed, for the metrics. */
  readonly loads: { ok: number; failed: number; seconds: number } = { ok: 0, failed: 0, seconds: 0 };

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  /** Resolves when everything found at the start is loaded or has failed. */
  async start(): Promise<void> {
    await this.#scan();
    await this.#settled();
    // Versions that were still being copied a moment ago get their chance before anyone is told we are ready.
    while (this.#copying.size > 0 && !this.#closing) {
      await new Promise<void>((resolve) => {
        this.#options.clock.after(Math.min(100, this.#options.pollIntervalMs), resolve);
      });
      await this.#scan();
      await this.#settled();
    }
    this.#settledOnce = true;
    this.#schedule();
  }

  /** @returns the first failure, when there is nothing that could be served */
  get startFailure(): SlipwayError | null {
    const models = [...this.#models.values()];
    if (models.some(({ ready }) => ready.size > 0)) return null;
    return models.flatMap(({ failed }) => [...failed.values()])[0]?.error ?? null;
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
    await this.#settled();
  }

  get ready(): boolean {
    if (this.#closing || !this.#settledOnce) return false;
    const models = [...this.#models.values()];
    return models.length === 0 || models.some(({ ready }) => ready.size > 0);
  }

  get models(): ReadonlyMap<string, Model> {
    return this.#models;
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
    return this.#model(name).find(selector);
  }

  status(name: string, selector: Selector): readonly VersionStatus[] {
    return this.#model(name).status(selector);
  }

  #model(name: string): Model {
    const model = this.#models.get(name);
    if (model !== undefined) return model;
    throw fail('MODEL_NOT_FOUND', { model: name.slice(0, 200) });
  }

  /** No load or drain is under way, also none that a finished one gave rise to. */
  async #settled(): Promise<void> {
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #schedule(): void {
    if (this.#closing) return;
    this.#cancelPoll = this.#options.clock.after(this.#options.pollIntervalMs, () => {
      void this.#scan().finally(() => this.#schedule());
    });
  }

  async #scan(): Promise<void> {
    const listings = await Promise.all(
      this.#options.sources.map(async (source) => {
        try {
          return { source, listing: await source.scan() };
        } catch (error) {
          this.#tell(`${source.description}: ${asSlipwayError(error).message}`);
          return null;
        }
      }),
    );
    if (this.#closing) return;
    for (const scanned of listings) {
      if (scanned === null) continue;
      const { source, listing } = scanned;
      for (const warning of listing.warnings) this.#tell(warning);
      for (const [name, candidates] of listing.models) {
        const owner = this.#owners.get(name) ?? source;
        this.#owners.set(name, owner);
        if (owner === source) this.#reconcile(name, candidates);
        else this.#tell(`${source.description} has a model "${name}" too; it is served from ${owner.description}`);
      }
    }
  }

  #tell(message: string): void {
    if (this.#told.has(message)) return;
    if (this.#told.size > 1000) this.#told.clear();
    this.#told.add(message);
    this.#options.logger.warn({ event: 'source.problem' }, message);
  }

  #reconcile(name: string, candidates: readonly Candidate[]): void {
    let model = this.#models.get(name);
    if (model === undefined) {
      model = new Model(name, (version, move) => this.#log(name, version, move));
      this.#models.set(name, model);
    }
    model.labels = new Map(candidates.flatMap(({ labels, version }) => labels.map((label) => [label, version])));
    const now = this.#options.clock.now();
    const byVersion = new Map(candidates.map((candidate) => [candidate.version, candidate]));
    const plan = planVersions(
      candidates.map((candidate) => ({
        version: candidate.version,
        state: model.state(candidate.version),
        loadable: candidate.complete && mayTry(model.failed.get(candidate.version), candidate, now),
        pinned: candidate.pinned,
      })),
      model.ready.keys(),
    );
    for (const version of plan.load) this.#track(this.#load(model, byVersion.get(version) as Candidate));
    for (const version of plan.drain) this.#track(this.#drain(model, model.ready.get(version) as LoadedVersion));
    const settled = model.ready.size > 0 || model.loading.size > 0 || model.failed.size > 0;
    if (settled || candidates.every(({ complete }) => complete)) this.#copying.delete(name);
    else this.#copying.add(name);
  }

  async #load(model: Model, candidate: Candidate): Promise<void> {
    const { version, fingerprint } = candidate;
    const attempts = (model.failed.get(version)?.attempts ?? 0) + 1;
    model.move(version, { to: 'loading', candidate });
    const failed = (error: SlipwayError): void => {
      const delay = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempts - 1));
      this.loads.failed++;
      model.move(version, {
        to: 'failed',
        failure: { fingerprint, error, attempts, retryAt: this.#options.clock.now() + delay },
      });
    };
    try {
      const loaded: LoadedVersion = await this.#options.load(candidate, Math.max(1, this.#models.size), (error) => {
        const current = model.ready.get(version);
        if (current === undefined) return;
        failed(error);
        void current.close(
          this.#options.clock,
          0,
          fail('MODEL_UNAVAILABLE', { model: model.name, problem: reasonOf(error) }),
        );
      });
      this.loads.ok++;
      this.loads.seconds += loaded.loadSeconds;
      if (this.#closing) {
        await loaded.close(this.#options.clock, 0, fail('DRAINING', {}));
        return;
      }
      model.move(version, { to: 'ready', loaded });
    } catch (error) {
      failed(asSlipwayError(error));
    }
    // What it replaces goes now, and what replaces it when it failed comes now, not at the next poll.
    if (!this.#closing) await this.#scan();
  }

  async #drain(model: Model, loaded: LoadedVersion): Promise<void> {
    model.move(loaded.version, { to: 'draining', loaded });
    await loaded.close(this.#options.clock, this.#options.drainTimeoutMs, fail('DRAINING', {}));
    model.move(loaded.version, { to: 'gone' });
  }

  #track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
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

/** Failed versions wait longer each time, unless their files changed. */
function mayTry(failure: Failure | undefined, candidate: Candidate, now: number): boolean {
  return failure === undefined || failure.fingerprint !== candidate.fingerprint || now >= failure.retryAt;
}
