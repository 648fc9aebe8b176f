/** The catalog of a server, put together from its settings: the sources, what was asked for before, and who may ask for more. */
import { digestOf, ensureDirectory, fail } from '@slipway/core';
import { allowedCpus, CorePool, cpuPlan, memoryLimit } from '@slipway/runtime';
import type { TransformPool } from '@slipway/transform';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import path from 'node:path';
import type { ServeSettings } from '../options.ts';
import { PBTXT_LIMITS } from '../pbtxt/parse.ts';
import { bucketAddress, isBucketAddress } from './bucket/address.ts';
import { bucketClient } from './bucket/client.ts';
import { bucketSource } from './bucket/source.ts';
import { Catalog } from './catalog.ts';
import type { ModelControl } from './control.ts';
import { Controller } from './controller.ts';
import { entriesSource } from './entries-source.ts';
import { MemoryLedger } from './memory.ts';
import { readBounded } from './model-tree.ts';
import { awaitedSource, pathSource } from './path-source.ts';
import { readBatchingParameters, readModelsConfig } from './readers/tensorflow.ts';
import { repositorySource } from './repository-source.ts';
import { mergeSettings, type ModelEntry, type ModelSettings } from './settings.ts';
import type { Source } from './source.ts';
import { keepState, readState } from './state-file.ts';
import { storeSource } from './store-source.ts';
import { LoadedVersion } from './version.ts';
import { Wishes } from './wishes.ts';

export interface OpenCatalog {
  readonly catalog: Catalog;
  readonly control: ModelControl;
  /** After the catalog was closed: writes down what is not yet, and removes what was downloaded. */
  readonly close: () => Promise<void>;
}

/** @throws USAGE, FILE_NOT_FOUND, MODEL_FORMAT, SERVING_CONFIG_INVALID */
export async function openCatalog(settings: ServeSettings, transforms: TransformPool): Promise<OpenCatalog> {
  const { clock, logger, modelControl: mode, stateDirectory } = settings;
  const places = await Places.open(settings);
  const sources = await Promise.all(settings.models.map((model) => places.source(model)));
  for (const at of settings.modelRepositories) sources.push(places.repository(at));
  if (settings.modelConfigFile !== null) {
    const file = path.resolve(settings.modelConfigFile);
    const read = (content: Buffer): ReturnType<typeof readModelsConfig> => readModelsConfig(content, file);
    sources.push(entriesSource({ file, read, open: (entry) => places.awaited(entry), clock }));
  }
  if (settings.servingConfigFile !== null) {
    // Its schema is checked with zod, which others do without: see `lean.test.ts`.
    const { readServingConfig } = await import('./readers/serving.ts');
    const file = path.resolve(settings.servingConfigFile);
    const read = (content: Buffer): ReturnType<typeof readServingConfig> => readServingConfig(content, file);
    sources.push(entriesSource({ file, read, open: (entry) => places.awaited(entry), clock }));
  }
  if (settings.store !== null) sources.push(storeSource(settings.store));
  const before = stateDirectory === null ? null : await readState(stateDirectory);
  // What is named one by one is asked for by that.
  const wishes = new Wishes(mode, [...settings.models.map(({ name }) => name), ...settings.loadModels], before);
  const written = stateDirectory === null ? null : keepState(stateDirectory, wishes, logger);
  const cores = new CorePool(allowedCpus());
  const catalog: Catalog = new Catalog({
    sources,
    memory: memoryLedger(settings.memoryBudgetBytes, () =>
      [...catalog.models.values()].flatMap((model) => [...model.open()]),
    ),
    swap: settings.swap,
    load: ({ candidate, settings: ofModel, expects, models, onFailed }) => {
      const { threads } = cpuPlan({ models: models * (ofModel.instances ?? 1) });
      return LoadedVersion.open(candidate, {
        settings: ofModel,
        expects,
        threads,
        cores,
        transforms,
        clock,
        logger,
        onFailed,
      });
    },
    mode,
    wishes,
    settings: mergeSettings(await sharedSettings(settings), settings.settings),
    pollIntervalMs: settings.pollIntervalMs,
    drainTimeoutMs: settings.requestTimeoutMs,
    clock,
    logger,
  });
  const control = new Controller({
    catalog,
    wishes,
    allowed: mode === 'explicit',
    roots: [...settings.modelRoots, ...settings.modelRepositories.filter((at) => !isBucketAddress(at))],
    open: (entry) => places.source(entry),
  });
  if (before !== null) control.restore(before);
  const close = async (): Promise<void> => {
    await written?.();
    await places.close();
  };
  return { catalog, control, close };
}

/** Where models can be: directories here, and prefixes elsewhere that are copied into a directory of ours. */
class Places {
  readonly #settings: ServeSettings;
  /** For what is downloaded. */
  readonly #downloads: string;
  readonly #temporary: boolean;

  private constructor(settings: ServeSettings, downloads: string, temporary: boolean) {
    this.#settings = settings;
    this.#downloads = downloads;
    this.#temporary = temporary;
  }

  static async open(settings: ServeSettings): Promise<Places> {
    const { stateDirectory } = settings;
    if (stateDirectory === null) {
      return new Places(settings, await mkdtemp(path.join(tmpdir(), 'slipway-models-')), true);
    }
    const downloads = path.join(stateDirectory, 'models');
    await ensureDirectory(downloads);
    return new Places(settings, downloads, false);
  }

  async close(): Promise<void> {
    if (this.#temporary) await rm(this.#downloads, { recursive: true, force: true });
  }

  get #options(): { settleMs: number; wall: () => number } {
    const { settleMs, clock } = this.#settings;
    return { settleMs, wall: () => clock.wall() };
  }

  /** @throws when there is nothing usable */
  async source({ name, path: at = '' }: ModelEntry): Promise<Source> {
    return isBucketAddress(at) ? this.#bucket(at, name) : pathSource(name, at, this.#options);
  }

  /** The same for a place where there may be nothing yet. */
  awaited({ name, path: at = '' }: ModelEntry): Source {
    return isBucketAddress(at) ? this.#bucket(at, name) : awaitedSource(name, at, this.#options);
  }

  repository(at: string): Source {
    const { settleMs, wall } = this.#options;
    return isBucketAddress(at) ? this.#bucket(at, null) : repositorySource(at, settleMs, wall);
  }

  #bucket(at: string, model: string | null): Source {
    const { settleMs, clock } = this.#settings;
    return bucketSource({
      description: at,
      model,
      client: bucketClient(bucketAddress(at, process.env)),
      directory: path.join(this.#downloads, digestOf(at).slice('sha256:'.length)),
      settleMs,
      now: () => clock.now(),
    });
  }
}

/** Of what a machine without a control group has, the part that is ours when nobody says. */
const SHARE_OF_MACHINE = 0.9;

function memoryLedger(budgetBytes: number | null, open: () => readonly LoadedVersion[]): MemoryLedger {
  return new MemoryLedger({
    budgetBytes: budgetBytes ?? memoryLimit() ?? totalmem() * SHARE_OF_MACHINE,
    used: async () => {
      const each = await Promise.all(open().map((loaded) => loaded.memoryBytes()));
      return each.reduce((sum, bytes) => sum + bytes, process.memoryUsage.rss());
    },
    // A budget that somebody gave counts alone; otherwise others live on this machine too.
    available: () => (budgetBytes === null ? process.availableMemory() : Infinity),
  });
}

/** What TensorFlow Serving's file says of the batches of every model. @throws SERVING_CONFIG_INVALID, FILE_NOT_FOUND */
async function sharedSettings({ batchingParametersFile: file, logger }: ServeSettings): Promise<ModelSettings> {
  if (file === null) return {};
  const content = await readBounded(file, PBTXT_LIMITS.bytes);
  if (content === null) throw fail('FILE_NOT_FOUND', { path: file });
  const { batching, warnings } = readBatchingParameters(content, file);
  for (const warning of warnings) logger.warn({ event: 'source.problem' }, warning);
  return { batching };
}
