/**
 * `ModelControl` over the catalog. Every call changes what is wished for, reconciles, and waits for what came of it; the
 * catalog does the rest, so that a call and a poll cannot disagree.
 *
 * A model given by its files, or by a path, is a source of its own that is put before the others and leaves with the wish. Files
 * are written to a directory of ours; a path must lie below a root that the operator allowed, after links are followed.
 */
import { asSlipwayError, ensureDirectory, fail, isSafeRelativePath, type SlipwayError } from '@slipway/core';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Catalog } from './catalog.ts';
import type { ModelControl } from './control.ts';
import { reasonOf } from './model.ts';
import { isServedName, type ModelEntry } from './settings.ts';
import type { Source } from './source.ts';
import type { SourceWatch } from './watch.ts';
import type { Wishes, WishState } from './wishes.ts';

export interface ControllerOptions {
  readonly catalog: Catalog;
  readonly wishes: Wishes;
  readonly allowed: boolean;
  /** Directories below which a client may name paths. */
  readonly roots: readonly string[];
  /** A source over one model. @throws FILE_NOT_FOUND, MODEL_FORMAT, USAGE */
  readonly open: (entry: ModelEntry & { readonly path: string }) => Promise<Source>;
}

type Request = NonNullable<Parameters<ModelControl['load']>[1]>;

/** A source that came with a load, and what to remove when it goes. */
interface Override {
  readonly watch: SourceWatch;
  readonly temporary: string | null;
}

export class Controller implements ModelControl {
  readonly allowed: boolean;
  readonly #options: ControllerOptions;
  readonly #overrides = new Map<string, Override>();

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.allowed = options.allowed;
  }

  index(): ReturnType<ModelControl['index']> {
    const { catalog } = this.#options;
    return catalog.known().flatMap((name): ReturnType<ModelControl['index']> => {
      const model = catalog.models.get(name);
      const versions = model?.status({ kind: 'latest' }) ?? [];
      if (versions.length > 0) return versions.toReversed().map((version) => ({ name, ...version }));
      const problem = model?.problem ?? null;
      const reason = problem === null ? null : reasonOf(problem);
      return [{ name, version: null, state: problem === null ? 'gone' : 'failed', reason }];
    });
  }

  async load(name: string, request: Request = {}): Promise<void> {
    this.#permit('load models');
    const { catalog, wishes } = this.#options;
    checkName(name);
    const before = this.#overrides.get(name) ?? null;
    const override = await this.#open(name, request);
    if (override === null) await catalog.refresh();
    else await override.watch.refresh();
    const listed =
      (override?.watch.listing ?? null)?.models.get(name) ?? (override === null ? catalog.listed(name) : null);
    const nothing = listed === null || (listed.candidates.length === 0 && listed.problem === undefined);
    if (nothing) {
      if (override !== null) await this.#discard(override);
      if (listed === null && catalog.models.get(name) === undefined) throw fail('MODEL_NOT_FOUND', { model: name });
      throw fail('MODEL_UNAVAILABLE', { model: name, problem: 'it has no version that could be loaded' });
    }
    if (override !== null) {
      this.#overrides.set(name, override);
      catalog.own(name, override.watch);
    }
    const { settings = {}, path: at } = request;
    const turn = wishes.ask(name, { settings, ...(at === undefined ? {} : { path: at }) });
    catalog.retry(name);
    const settled = this.#outcome(name, turn).then(
      async () => {
        if (before !== null && override !== null) await this.#discard(before);
      },
      async (error: unknown) => {
        await this.#undo(name, turn, before, override);
        throw error;
      },
    );
    if (request.synchronous === false) settled.catch(() => undefined);
    else await settled;
  }

  /** Begin to load what was loaded from a path before a restart; the models of the sources are wished for already. */
  restore({ asked }: WishState): void {
    if (!this.allowed) return;
    for (const [name, { path: at, settings }] of Object.entries(asked)) {
      // What comes of it is in the status of the model.
      if (at !== undefined) this.load(name, { path: at, settings }).catch(() => undefined);
    }
  }

  unload(name: string): Promise<void> {
    return new Promise((resolve) => {
      this.#unload(name);
      resolve();
    });
  }

  #unload(name: string): void {
    this.#permit('unload models');
    const { catalog, wishes } = this.#options;
    const known = catalog.known();
    if (!known.includes(name)) throw fail('MODEL_NOT_FOUND', { model: name.slice(0, 200) });
    wishes.drop(name, known);
    catalog.unload(name);
    const override = this.#overrides.get(name);
    this.#overrides.delete(name);
    if (override === undefined) return;
    // At once, so that a load that follows does not find the files that are going; they go when nothing uses them any more.
    catalog.removeSource(override.watch);
    void catalog.settled(name).then(() => this.#discard(override));
  }

  async replaceAll(models: readonly ModelEntry[]): Promise<void> {
    this.#permit('choose the models');
    const { catalog, wishes } = this.#options;
    const names = new Set<string>();
    for (const { name } of models) {
      checkName(name);
      if (names.has(name)) throw fail('REQUEST_MALFORMED', { problem: `the model "${name}" is given twice` });
      names.add(name);
    }
    for (const { path: at } of models) if (at !== undefined) await this.#checkRoot(at);
    for (const name of catalog.known()) if (!names.has(name) && wishes.wants(name)) await this.unload(name);
    const outcomes = await Promise.allSettled(
      models.map(({ name, path: at, settings }) =>
        this.load(name, { ...(at === undefined ? {} : { path: at }), settings: settings ?? {} }),
      ),
    );
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw asSlipwayError(outcome.reason);
  }

  setLabel(name: string, label: string, version: number | null): void {
    this.#permit('set labels');
    const { catalog, wishes } = this.#options;
    const model = catalog.models.get(name);
    if (model === undefined) throw fail('MODEL_NOT_FOUND', { model: name.slice(0, 200) });
    if (version !== null) {
      const state = model.state(version);
      const listed = catalog.listed(name)?.candidates.some((candidate) => candidate.version === version) === true;
      if (state !== 'ready' && (!listed || state === 'failed')) {
        const problem = state === 'failed' ? 'it cannot be loaded' : 'there is no such version';
        throw fail('LABEL_UNAVAILABLE', { model: name, label, version, problem });
      }
    }
    wishes.label(name, label, version);
    catalog.reconcile();
  }

  /** @throws why it is not served as asked */
  async #outcome(name: string, turn: number): Promise<void> {
    const { catalog, wishes } = this.#options;
    await catalog.settled(name);
    if (!wishes.isTurn(name, turn)) {
      throw fail('CONTROL_CONFLICT', { model: name, problem: 'a later request overtook this one' });
    }
    const model = catalog.models.get(name);
    const failures: SlipwayError[] = [...(model?.failed.values() ?? [])].map(({ error }) => error);
    const error = model?.problem ?? failures.at(-1);
    if (error !== undefined) {
      throw error.code === 'MEMORY_EXCEEDED'
        ? error
        : fail('MODEL_UNAVAILABLE', { model: name, problem: reasonOf(error) }, { cause: error });
    }
    if (model === undefined || model.ready.size === 0) {
      throw fail('MODEL_UNAVAILABLE', { model: name, problem: 'its version policy leaves no version to load' });
    }
  }

  /** A load that failed leaves what was served before, from where it came. */
  async #undo(name: string, turn: number, before: Override | null, override: Override | null): Promise<void> {
    const { catalog, wishes } = this.#options;
    if (override !== null) {
      await this.#discard(override);
      if (this.#overrides.get(name) === override) {
        if (before === null) this.#overrides.delete(name);
        else this.#overrides.set(name, before);
      }
    }
    const serving = (catalog.models.get(name)?.ready.size ?? 0) > 0;
    if (wishes.isTurn(name, turn) && !serving) wishes.withdraw(name);
  }

  async #open(name: string, { files, path: at }: Request): Promise<Override | null> {
    if (files === undefined && at === undefined) return null;
    if (files !== undefined && at !== undefined) {
      throw fail('REQUEST_MALFORMED', { problem: 'give the files of the model or its path, not both' });
    }
    let temporary: string | null = null;
    try {
      if (files !== undefined) temporary = await writeFiles(files);
      const where = temporary ?? (await this.#checkRoot(at ?? ''));
      const source = await this.#options.open({ name, path: where });
      return { watch: this.#options.catalog.addSource(source), temporary };
    } catch (error) {
      if (temporary !== null) await rm(temporary, { recursive: true, force: true });
      throw error;
    }
  }

  async #discard({ watch, temporary }: Override): Promise<void> {
    this.#options.catalog.removeSource(watch);
    if (temporary !== null) await rm(temporary, { recursive: true, force: true });
  }

  /**
   * A relative path is meant below a root, as in TorchServe's model store: which directory the server was started in is nobody's business.
   *
   * @returns the real path
   */
  async #checkRoot(at: string): Promise<string> {
    const refused = (): SlipwayError =>
      fail('CLIENT_REFUSED', {
        action: `load models from ${at.slice(0, 200)}`,
        option: '--model-root and its directory',
      });
    if (at === '') throw refused();
    const roots = await Promise.all(this.#options.roots.map((root) => realpath(root).catch(() => path.resolve(root))));
    for (const candidate of path.isAbsolute(at) ? [at] : roots.map((root) => path.join(root, at))) {
      const real = await realpath(candidate).catch(() => null);
      if (real !== null && roots.some((root) => real === root || real.startsWith(root + path.sep))) return real;
    }
    // Whether a path outside exists is nobody's business.
    throw refused();
  }

  #permit(action: string): void {
    if (!this.allowed) throw fail('CLIENT_REFUSED', { action, option: '--model-control explicit' });
  }
}

function checkName(name: string): void {
  if (isServedName(name)) return;
  const problem = `"${name.slice(0, 200)}" cannot be the name of a model: use letters, digits and . _ - between them`;
  throw fail('REQUEST_MALFORMED', { problem });
}

/** As a directory of versions. */
async function writeFiles(files: ReadonlyMap<string, Buffer>): Promise<string> {
  for (const name of files.keys()) {
    if (isSafeRelativePath(name)) continue;
    throw fail('REQUEST_MALFORMED', { problem: `"${name.slice(0, 200)}" is not a path inside a model` });
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'slipway-load-'));
  for (const [name, content] of files) {
    const file = path.join(directory, name);
    await ensureDirectory(path.dirname(file));
    await writeFile(file, content, { flag: 'wx' });
  }
  return directory;
}
