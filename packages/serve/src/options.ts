/**
 * What a caller asks for (`ServeOptions`, partial) and what the server runs on (`ServeSettings`, total), with one
 * `compile` between them.
 */
import { type Swap, SWAPS } from './catalog/catalog.ts';
import { CONTROL_MODES, type ControlMode } from './catalog/control.ts';
import { isServedName, type ModelSettings, type PrioritySettings } from './catalog/settings.ts';
import { type Clock, fail, LIMITS, type Logger, type Store, systemClock } from '@slipway/core';
import type { Platform } from './platform.ts';
import type { TlsFiles } from './tls.ts';

export interface ModelSource {
  /** What clients call it. */
  readonly name: string;
  /** An `.onnx` file, a model directory (with `slipway.json`), or a directory of numbered versions. */
  readonly path: string;
}

export interface BatchingOptions {
  /** Rows in one call to a runner, at most. Default 64. */
  readonly maxBatchSize?: number;
  /** How long a batch may take because of batching, milliseconds, by estimate. Default 50. */
  readonly latencyBudgetMs?: number;
  /** How long the first request of a batch may wait for others although a runner is free, milliseconds. Default 0. */
  readonly maxDelayMs?: number;
  /** Rows that may wait, per model. Default 4096. */
  readonly maxQueueRows?: number;
  /** Bytes of tensors that may wait, per model. Default 256 MiB. */
  readonly maxQueueBytes?: number;
}

export interface ServeOptions {
  /** Every model in this store is served: its newest release, and releases with an alias. */
  readonly store?: Pick<Store, 'directory' | 'list' | 'checkout'>;
  readonly models?: readonly ModelSource[];
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Port of the protocols; 0 picks a free one. Default 8501. */
  readonly restPort?: number;
  /** Port of the gRPC protocols; 0 picks a free one, null is none. Default 8500. */
  readonly grpcPort?: number | null;
  /** Port of administration and metrics; 0 picks a free one. Default 8502. */
  readonly adminPort?: number;
  /** Address of administration. Default: the loopback interface. */
  readonly adminHost?: string;
  /** Threads per runner. Default: what the machine gives, shared between the models. */
  readonly threads?: number;
  /** Runners per model version. Default 1. */
  readonly runners?: number;
  /** Each runner has cores of its own (Linux, with `taskset`). Default false. */
  readonly pinRunners?: boolean;
  /** Of the engine, in order of preference. Default: the CPU. */
  readonly executionProviders?: readonly string[];
  /** Priorities a request can have, 1 the highest; the one in the middle is that of who says none. Default 1: all are equal. */
  readonly priorityLevels?: number;
  readonly batching?: BatchingOptions;
  /** Directories of models as Triton and TensorFlow Serving users lay them out: `MODEL/config.pbtxt`, `MODEL/1/model.onnx`. */
  readonly modelRepositories?: readonly string[];
  /** TensorFlow Serving's `models.config`: read again when it changes. */
  readonly modelConfigFile?: string;
  /** A serving configuration of ours (docs/reference/serving-config.md): read again when it changes. */
  readonly servingConfigFile?: string;
  /** TensorFlow Serving's `batching_parameters`, for every model that says nothing itself. */
  readonly batchingParametersFile?: string;
  /** Where loads and labels that clients asked for are kept across restarts, and what is downloaded. Default: nowhere. */
  readonly stateDirectory?: string;
  /** How a version takes the place of another. Default `availability`: beside it, so that no request waits. */
  readonly swap?: Swap;
  /** Memory of all processes together, bytes. Default: what the control group allows, or 90 % of what the machine has. */
  readonly memoryBudgetBytes?: number;
  /** Who decides which models are served. Default `poll`. Only `explicit` lets clients load and unload them. */
  readonly modelControl?: ControlMode;
  /** With `explicit`: models of the store to load at the start, `*` for all. */
  readonly loadModels?: readonly string[];
  /** With `explicit`: directories below which clients may name paths to load from. */
  readonly modelRoots?: readonly string[];
  /** One request body, bytes, also after decompression. Default 64 MiB. */
  readonly maxBodyBytes?: number;
  /** Open connections. Default 10 000. */
  readonly maxConnections?: number;
  /** Open connections of one address. Default: no limit, because a proxy in front is one address. */
  readonly maxConnectionsPerAddress?: number;
  /** How often the sources are looked at, milliseconds. Default 1000. */
  readonly pollIntervalMs?: number;
  /** A version directory must not have changed for so long before it is loaded, milliseconds. Default 1000. */
  readonly settleMs?: number;
  /** How long a request may take from its last byte to its answer, milliseconds. Default 30 000. */
  readonly requestTimeoutMs?: number;
  /** How long the headers may take to arrive, milliseconds. Default 10 000. */
  readonly headersTimeoutMs?: number;
  /** How long the whole request may take to arrive, milliseconds. Default 30 000. */
  readonly receiveTimeoutMs?: number;
  /** How long a client may take nothing of its answer before it is given up, milliseconds. Default 30 000. */
  readonly writeTimeoutMs?: number;
  /** How long `close` waits for requests under way, milliseconds. Default 25 000: less than Kubernetes allows. */
  readonly drainTimeoutMs?: number;
  /** Clients on this machine may pass tensors in shared memory (Linux). Default false: they could name any object there. */
  readonly allowClientShm?: boolean;
  /** Clients may change what is logged and traced. Default false. */
  readonly allowClientSettings?: boolean;
  /** Metrics also under the names that Triton uses (`nv_inference_*`). Default false. */
  readonly tritonMetrics?: boolean;
  /** Where traces go that clients ask for. Default: nowhere, and then none can be asked for. */
  readonly traceFile?: string | null;
  /** Answer on the routes of this platform too, and load models as it says. Default null. */
  readonly platform?: Platform | null;
  /** TLS on the ports of the protocols; administration stays as it is. Default: none. */
  readonly tls?: TlsFiles | null;
  /** Metrics are also at `/monitoring/prometheus/metrics` of the port of requests, where TensorFlow Serving has them. Default false. */
  readonly metricsOnRestPort?: boolean;
  /** Do the transforms that releases declare. Without, clients send the tensors of the models. Default true. */
  readonly transforms?: boolean;
  readonly logger: Logger;
  readonly clock?: Clock;
}

export interface ServeSettings extends Required<
  Omit<
    ServeOptions,
    | 'batching'
    | 'store'
    | 'threads'
    | 'runners'
    | 'pinRunners'
    | 'executionProviders'
    | 'priorityLevels'
    | 'transforms'
    | 'modelConfigFile'
    | 'batchingParametersFile'
    | 'stateDirectory'
    | 'servingConfigFile'
    | 'memoryBudgetBytes'
  >
> {
  readonly store: Pick<Store, 'directory' | 'list' | 'checkout'> | null;
  /** null: what the machine gives. */
  readonly memoryBudgetBytes: number | null;
  readonly stateDirectory: string | null;
  readonly servingConfigFile: string | null;
  readonly modelConfigFile: string | null;
  readonly batchingParametersFile: string | null;
  /** What holds for every model that says nothing itself. */
  readonly settings: ModelSettings;
}

/** @throws USAGE */
export function compileOptions(options: ServeOptions): ServeSettings {
  const models = options.models ?? [];
  const names = new Set<string>();
  for (const { name } of models) {
    if (!isServedName(name)) {
      throw fail('USAGE', {
        problem: `"${name}" cannot be the name of a model: use letters, digits and . _ - between them`,
      });
    }
    if (names.has(name)) throw fail('USAGE', { problem: `the model "${name}" is given twice` });
    names.add(name);
  }
  const modelRepositories = options.modelRepositories ?? [];
  const sources = models.length + modelRepositories.length;
  const byCalls = (options.platform?.multiModelRoot ?? null) !== null;
  if (
    sources === 0 &&
    options.store === undefined &&
    (options.modelConfigFile ?? options.servingConfigFile) === undefined &&
    !byCalls
  ) {
    throw fail('USAGE', {
      problem: 'nothing to serve: give a store, models, a model repository or a file that lists models',
    });
  }
  return Object.freeze({
    store: options.store ?? null,
    models,
    host: options.host ?? '127.0.0.1',
    restPort: port(options.restPort ?? 8501, 'restPort'),
    grpcPort: options.grpcPort === null ? null : port(options.grpcPort ?? 8500, 'grpcPort'),
    adminPort: port(options.adminPort ?? 8502, 'adminPort'),
    adminHost: options.adminHost ?? '127.0.0.1',
    settings: {
      ...(options.batching === undefined ? {} : { batching: options.batching }),
      ...(options.priorityLevels === undefined ? {} : { priorities: prioritiesOf(options.priorityLevels) }),
      session: {
        ...(options.threads === undefined ? {} : { threads: whole(options.threads, 'threads') }),
        ...(options.pinRunners === undefined ? {} : { pinned: options.pinRunners }),
        ...(options.executionProviders === undefined ? {} : { executionProviders: options.executionProviders }),
      },
      ...(options.transforms === undefined ? {} : { transforms: options.transforms }),
      ...(options.runners === undefined ? {} : { instances: whole(options.runners, 'runners') }),
    },
    modelRepositories,
    stateDirectory: options.stateDirectory ?? null,
    servingConfigFile: options.servingConfigFile ?? null,
    modelConfigFile: options.modelConfigFile ?? null,
    swap: swapOf(options.swap ?? 'availability'),
    memoryBudgetBytes:
      options.memoryBudgetBytes === undefined ? null : whole(options.memoryBudgetBytes, 'memoryBudgetBytes'),
    batchingParametersFile: options.batchingParametersFile ?? null,
    modelControl: controlMode(options),
    loadModels: options.loadModels ?? [],
    modelRoots: options.modelRoots ?? [],
    maxBodyBytes: whole(options.maxBodyBytes ?? LIMITS.maxBodyBytes, 'maxBodyBytes'),
    maxConnections: whole(options.maxConnections ?? 10_000, 'maxConnections'),
    maxConnectionsPerAddress:
      options.maxConnectionsPerAddress === undefined
        ? Infinity
        : whole(options.maxConnectionsPerAddress, 'maxConnectionsPerAddress'),
    pollIntervalMs: whole(options.pollIntervalMs ?? 1000, 'pollIntervalMs'),
    // Who asks for a model to be loaded says that it is there.
    settleMs: options.modelControl === 'explicit' ? 0 : (options.settleMs ?? 1000),
    requestTimeoutMs: whole(options.requestTimeoutMs ?? 30_000, 'requestTimeoutMs'),
    headersTimeoutMs: whole(options.headersTimeoutMs ?? 10_000, 'headersTimeoutMs'),
    receiveTimeoutMs: whole(options.receiveTimeoutMs ?? 30_000, 'receiveTimeoutMs'),
    writeTimeoutMs: whole(options.writeTimeoutMs ?? 30_000, 'writeTimeoutMs'),
    drainTimeoutMs: options.drainTimeoutMs ?? 25_000,
    platform: options.platform ?? null,
    allowClientShm: options.allowClientShm ?? false,
    allowClientSettings: options.allowClientSettings ?? false,
    tritonMetrics: options.tritonMetrics ?? false,
    traceFile: options.traceFile ?? null,
    tls: options.tls ?? null,
    metricsOnRestPort: options.metricsOnRestPort ?? false,
    logger: options.logger,
    clock: options.clock ?? systemClock,
  });
}

function swapOf(swap: Swap): Swap {
  if (SWAPS.includes(swap)) return swap;
  throw fail('USAGE', { problem: `the swap "${swap}" is none of ${SWAPS.join(', ')}` });
}

function controlMode({ modelControl = 'poll', loadModels = [], modelRoots = [] }: ServeOptions): ControlMode {
  if (!CONTROL_MODES.includes(modelControl)) {
    throw fail('USAGE', { problem: `the model control "${modelControl}" is none of ${CONTROL_MODES.join(', ')}` });
  }
  if (modelControl !== 'explicit' && (loadModels.length > 0 || modelRoots.length > 0)) {
    throw fail('USAGE', { problem: 'models to load and roots to load from are for the model control explicit' });
  }
  return modelControl;
}

function prioritiesOf(levels: number): PrioritySettings {
  return { levels: whole(levels, 'priorityLevels'), default: Math.ceil(levels / 2) };
}

function whole(value: number, name: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw fail('USAGE', { problem: `${name} must be a whole number of at least 1, not ${value}` });
}

function port(value: number, name: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 65535) return value;
  throw fail('USAGE', { problem: `${name} must be a port number (0–65535), not ${value}` });
}
