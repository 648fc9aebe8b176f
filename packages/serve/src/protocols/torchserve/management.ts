/**
 * TorchServe's management API, as calls of `ModelControl`, for REST and gRPC alike. Each answers with a status and a document.
 *
 * A model archive (`.mar`) holds Python code, which is not run here: what is registered is an `.onnx` file, a release or a directory
 * of versions on this machine. Workers are runner processes, and there is at least one as long as a model is registered.
 * https://github.com/pytorch/serve/blob/master/docs/management_api.md
 */
import { fail, type SlipwayError } from '@slipway/core';
import path from 'node:path';
import type { ModelSettings } from '../../catalog/settings.ts';
import type { Gateway, ServedVersion } from '../gateway.ts';
import { DEFAULT_LABEL, selectorOf, torchVersion } from './words.ts';

export interface Answer {
  readonly status: number;
  readonly document: unknown;
}

export interface Registration {
  readonly url: string | undefined;
  readonly modelName: string | undefined;
  readonly batchSize: number | undefined;
  /** Milliseconds. */
  readonly maxBatchDelay: number | undefined;
  readonly initialWorkers: number | undefined;
  /** Seconds. */
  readonly responseTimeout: number | undefined;
  readonly synchronous: boolean;
}

const MOST_LISTED = 1000;

export class Management {
  readonly #gateway: Gateway;
  /** Where what was registered came from. */
  readonly #urls = new Map<string, string>();
  /** When the versions that were described began to be served, as far as we saw. */
  readonly #startTime = new Date().toISOString();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  async register(of: Registration): Promise<Answer> {
    const { url } = of;
    if (url === undefined || url === '') throw malformed('Parameter url is required.');
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(url)) {
      throw malformed(
        `"url" is ${url.slice(0, 200)}: models are registered from files on this machine, nothing is fetched`,
      );
    }
    if (url.endsWith('.mar') || url.endsWith('.war')) {
      throw malformed(
        `"${url.slice(0, 200)}" is an archive with Python code, which is not run here; export the model to ONNX`,
      );
    }
    const name = of.modelName ?? path.basename(url).replace(/\.onnx$/, '');
    const settings: ModelSettings = {
      ...(of.batchSize === undefined && of.maxBatchDelay === undefined
        ? {}
        : {
            batching: {
              ...(of.batchSize === undefined ? {} : { maxBatchSize: of.batchSize }),
              ...(of.maxBatchDelay === undefined ? {} : { maxDelayMs: of.maxBatchDelay }),
            },
          }),
      ...(of.responseTimeout === undefined ? {} : { timeouts: { defaultMs: of.responseTimeout * 1000 } }),
      ...(of.initialWorkers === undefined || of.initialWorkers === 0 ? {} : { instances: of.initialWorkers }),
    };
    await this.#gateway.control.load(name, { path: url, settings, synchronous: of.synchronous });
    this.#urls.set(name, url);
    if (!of.synchronous) return { status: 202, document: { status: 'Processing worker updates...' } };
    const { version } = this.#gateway.models.find(name, selectorOf(this.#gateway, name, undefined));
    return ok(`Model "${name}" Version: ${version}.0 registered with ${of.initialWorkers ?? 1} initial workers`);
  }

  async scale(name: string, workers: number | undefined, synchronous: boolean): Promise<Answer> {
    this.#gateway.models.status(name, selectorOf(this.#gateway, name, undefined));
    if (workers === 0) throw malformed('min_worker is 0; a model that should not be served is unregistered');
    await this.#gateway.control.load(name, {
      ...(this.#urls.has(name) ? { path: this.#urls.get(name) ?? '' } : {}),
      settings: { instances: workers ?? 1 },
      synchronous,
    });
    return synchronous
      ? ok(`Workers scaled to ${workers ?? 1} for model: ${name}`)
      : { status: 202, document: { status: 'Processing worker updates...' } };
  }

  async unregister(name: string, version: string | undefined): Promise<Answer> {
    if (version !== undefined) {
      torchVersion(name, version);
      throw malformed('one version is not unregistered by itself; what is served follows the files of the model');
    }
    await this.#gateway.control.unload(name);
    this.#urls.delete(name);
    return ok(`Model "${name}" unregistered`);
  }

  setDefault(name: string, version: string): Answer {
    this.#gateway.control.setLabel(name, DEFAULT_LABEL, torchVersion(name, version));
    return ok(`Default version successfully updated for model "${name}" to "${version}"`);
  }

  /** @param token of the page before */
  list(limit: number, token: number): Answer {
    if (limit < 1 || limit > MOST_LISTED) throw malformed(`limit must be 1 to ${MOST_LISTED}`);
    const names = this.#gateway.models.names();
    const models = names
      .slice(token, token + limit)
      .map((modelName) => ({ modelName, modelUrl: this.#urls.get(modelName) ?? modelName }));
    const next = token + limit < names.length ? { nextPageToken: String(token + limit) } : {};
    return { status: 200, document: { ...next, models } };
  }

  /** @param version null for the default one; `all` for every one */
  async describe(name: string, version: string | null): Promise<Answer> {
    const { models } = this.#gateway;
    const selected =
      version === 'all'
        ? models
            .status(name, { kind: 'latest' })
            .filter(({ state }) => state === 'ready')
            .map((status) => models.find(name, { kind: 'version', version: status.version }))
        : [models.find(name, selectorOf(this.#gateway, name, version ?? undefined))];
    return { status: 200, document: await Promise.all(selected.map((served) => this.#description(served))) };
  }

  async #description(served: ServedVersion): Promise<unknown> {
    const { batching, instances = 1 } = served.settings;
    const memoryUsage = await served.memoryBytes();
    return {
      modelName: served.model,
      modelVersion: `${served.version}.0`,
      modelUrl: this.#urls.get(served.model) ?? served.model,
      engine: 'onnxruntime',
      runtime: 'node',
      minWorkers: instances,
      maxWorkers: instances,
      batchSize: batching?.maxBatchSize ?? 64,
      maxBatchDelay: batching?.maxDelayMs ?? 0,
      loadedAtStartup: !this.#urls.has(served.model),
      workers: Array.from({ length: instances }, (_, id) => ({
        id: String(9000 + id),
        startTime: this.#startTime,
        status: 'READY',
        memoryUsage: Math.round(memoryUsage / instances),
        gpu: false,
      })),
      jobQueueStatus: { pendingRequests: served.scheduler.pending },
    };
  }
}

const ok = (status: string): Answer => ({ status: 200, document: { status } });
const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
