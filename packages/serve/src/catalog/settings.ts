/**
 * What one model is served with, whoever said it: a release (`slipway.json`), `config.pbtxt`, `models.config`, a configuration
 * file of ours, the command line, or a client that asked for the model to be loaded. Every reader produces this, and only
 * this; the scheduler, the runners and the catalog read nothing else.
 *
 * Everything is optional. What is said more specifically wins, member by member: defaults < what the release asks < the
 * options of the server < the file of the model < what was asked when it was loaded.
 */

import type { ServingHints } from '@slipway/core';

/** How requests become calls to a runner. */
export interface BatchingSettings {
  /** Rows in one call, at most. */
  readonly maxBatchSize?: number;
  /** A request is one call, as it is: never joined with another, never split. */
  readonly whole?: boolean;
  /** Sizes at which a batch goes without waiting longer for more. */
  readonly preferredBatchSizes?: readonly number[];
  /** How long the first request of a batch may wait for others, milliseconds. */
  readonly maxDelayMs?: number;
  /** How long a batch may take because of batching, milliseconds, by estimate. */
  readonly latencyBudgetMs?: number;
  /** Rows that may wait. */
  readonly maxQueueRows?: number;
  /** Bytes of tensors that may wait. */
  readonly maxQueueBytes?: number;
  readonly paddingBuckets?: PaddingBuckets;
  /** A request with more rows than a batch becomes several calls; otherwise it is refused. Default true. */
  readonly splitOversize?: boolean;
  /** Answers leave in the order of their requests. Default false. */
  readonly preserveOrdering?: boolean;
}

/** Sizes to fill up to, so that the engine sees few different shapes. Ascending. */
export interface PaddingBuckets {
  /** Rows of a batch; the rows that are added are dropped from the outputs. */
  readonly rows?: readonly number[];
  /** By name of a free dimension of the signature, for example `sequence`; `powers`: all of them, to powers of two. */
  readonly dims?: Readonly<Record<string, readonly number[]>> | 'powers';
  /** What is added along `dims`; `first`: the first element of the tensor. Default 0. */
  readonly value?: number | 'first';
}

/** Bounds of the requests of one priority. */
export interface QueuePolicy {
  readonly defaultMs?: number;
  readonly allowOverride?: boolean;
  readonly onTimeout?: TimeoutAction;
  readonly maxQueueRows?: number;
}

export interface PrioritySettings {
  /** Priorities are 1 (first) to `levels`. */
  readonly levels?: number;
  /** Of a request that says none. */
  readonly default?: number;
  /** Waiting so long is worth one priority, milliseconds. Default 1000. */
  readonly ageMs?: number;
  /** By priority; where it says nothing, `timeouts` and `batching` hold. */
  readonly policies?: Readonly<Record<string, QueuePolicy>>;
}

/** What becomes of a request whose time in the queue is up: answered with an error, or served after all others. */
type TimeoutAction = 'reject' | 'delay';

interface TimeoutSettings {
  /** Of a request that says none, milliseconds. */
  readonly defaultMs?: number;
  /** Whether a request may say another time. Default true. */
  readonly allowOverride?: boolean;
  /** Default `reject`. */
  readonly onTimeout?: TimeoutAction;
}

/** Which versions are served. */
export type VersionPolicy =
  { readonly latest: number } | { readonly all: true } | { readonly specific: readonly number[] };

/** What a version computes before it is ready. */
export interface WarmUpSettings {
  /**
   * `golden`: the golden samples of the release; `zero`, `random`: made from the signature; `none`: nothing. Default: golden
   * samples where there are any, zeros otherwise.
   */
  readonly data?: 'golden' | 'zero' | 'random' | 'none';
  /** Rows of the calls. Default: 1, 2, 4 … up to the largest batch, and the preferred sizes. */
  readonly batchSizes?: readonly number[];
  /** Calls at each size. Default 1. */
  readonly count?: number;
  /** Sizes of the dimensions that the signature leaves free, by their names, for example `sequence`. Default 1 each. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Calls that are spelled out; they are made instead of the others. */
  readonly samples?: readonly WarmUpSample[];
}

export interface WarmUpSample {
  readonly name: string;
  readonly rows: number;
  readonly count: number;
  /** By name of the input. */
  readonly inputs: Readonly<Record<string, WarmUpInput>>;
}

export interface WarmUpInput {
  /** Shape of one row, or of the whole tensor where the model has no rows. */
  readonly dims: readonly number[];
  /** Zeros (empty texts), random numbers, or what is in `file`. */
  readonly data: 'zero' | 'random' | 'file';
  /** Raw elements in row-major order, little-endian; texts with their length in 4 bytes before each. */
  readonly file?: string;
}

export interface SessionSettings {
  /** Threads one operator may use. */
  readonly threads?: number;
  /** In order of preference, for example `["cpu"]`. */
  readonly executionProviders?: readonly string[];
  /** Let idle threads spin. */
  readonly spinning?: boolean;
  readonly optimization?: 'none' | 'basic' | 'extended' | 'all';
  /** Operators that may run at the same time. Default 1. */
  readonly interThreads?: number;
  /** Keep memory between calls. Default true. */
  readonly memoryArena?: boolean;
  /** Each runner has cores of its own. Default false. */
  readonly pinned?: boolean;
  /** Further options of the engine, by its own names. */
  readonly options?: Readonly<Record<string, string>>;
}

export interface ModelSettings {
  readonly batching?: BatchingSettings;
  readonly priorities?: PrioritySettings;
  readonly timeouts?: TimeoutSettings;
  /** Default `{ latest: 1 }`. */
  readonly versionPolicy?: VersionPolicy;
  /** Label → version. A label points where it did until its new version is ready. */
  readonly labels?: Readonly<Record<string, number>>;
  readonly warmUp?: WarmUpSettings;
  /** Runner processes per version. */
  readonly instances?: number;
  readonly session?: SessionSettings;
  /** Whether the transforms that the release declares are done. Without, clients send what the model takes. Default true. */
  readonly transforms?: boolean;
  /** Never unloaded to make room for another model. */
  readonly pinned?: boolean;
}

/** A model somebody asked for. */
export interface ModelEntry {
  readonly name: string;
  /** Where its versions are; absent: in a source of the server. */
  readonly path?: string;
  readonly settings?: ModelSettings;
}

/** What a release asks, as settings. */
export function settingsOfHints({ threads, ...batching }: ServingHints): ModelSettings {
  return {
    batching: definedOnly(batching) as BatchingSettings,
    ...(threads === undefined ? {} : { session: { threads } }),
  };
}

/** Names that other servers allow, and that are safe in a path, a URL and a metric label. */
export function isServedName(name: string): boolean {
  return name.length <= 128 && /^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?$/.test(name) && !name.includes('..');
}

/** @param layers from the most general to the most specific */
export function mergeSettings(...layers: readonly (ModelSettings | undefined)[]): ModelSettings {
  const merged: Record<string, unknown> = {};
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer ?? {}) as [keyof ModelSettings, unknown][]) {
      if (value === undefined) continue;
      const nested = GROUPS.has(key);
      merged[key] = nested ? { ...(merged[key] as object | undefined), ...definedOnly(value as object) } : value;
    }
  }
  return merged;
}

/** Members that are merged inside; the others (a policy, the labels) replace what was there. */
const GROUPS: ReadonlySet<keyof ModelSettings> = new Set(['batching', 'priorities', 'timeouts', 'warmUp', 'session']);

function definedOnly<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}

/** The part that a loaded version cannot change while it runs. */
export function loadedWith({ versionPolicy: _, labels: __, pinned: ___, ...rest }: ModelSettings): ModelSettings {
  return rest;
}
