/** The settings of a model as its scheduler and its runners take them. */
import type { SessionOptions } from '@slipway/runtime';
import type { Padding } from '../schedule/padding.ts';
import { DEFAULT_POLICY, type QueuePolicy as LevelPolicy, type SchedulePolicy } from '../schedule/policy.ts';
import type { ModelSettings, PaddingBuckets, QueuePolicy } from './settings.ts';

export function policyOf({ batching, priorities, timeouts }: ModelSettings): SchedulePolicy {
  const defaults = DEFAULT_POLICY;
  const { paddingBuckets: buckets } = batching ?? {};
  const queue = level(timeouts ?? {}, defaults.queue);
  return {
    ...defaults,
    ...definedOnly({
      maxBatchSize: batching?.maxBatchSize,
      latencyBudgetMs: batching?.latencyBudgetMs,
      maxQueueRows: batching?.maxQueueRows,
      maxQueueBytes: batching?.maxQueueBytes,
      maxDelayMs: batching?.maxDelayMs,
      preferredBatchSizes: batching?.preferredBatchSizes,
      whole: batching?.whole,
      splitOversize: batching?.splitOversize,
      preserveOrdering: batching?.preserveOrdering,
      allowedBatchSizes: buckets?.rows,
    }),
    padding: buckets?.dims === undefined ? null : { dims: dimsOf(buckets.dims), value: buckets.value ?? 0 },
    priorities: {
      ...defaults.priorities,
      levels: priorities?.levels ?? defaults.priorities.levels,
      default: priorities?.default ?? defaults.priorities.default,
      ageMs: priorities?.ageMs ?? defaults.priorities.ageMs,
    },
    queue,
    queues: new Map(
      Object.entries(priorities?.policies ?? {}).map(([of, policy]) => [Number(of), level(policy, queue)]),
    ),
  };
}

function level({ defaultMs, allowOverride, onTimeout, maxQueueRows }: QueuePolicy, base: LevelPolicy): LevelPolicy {
  return {
    maxRows: maxQueueRows ?? base.maxRows,
    timeoutMs: defaultMs ?? base.timeoutMs,
    allowOverride: allowOverride ?? base.allowOverride,
    onTimeout: onTimeout ?? base.onTimeout,
  };
}

/** What a runner is started with. @param threads where nobody says */
export function sessionOf(
  { session = {} }: ModelSettings,
  threads: number,
): Partial<SessionOptions> & { readonly threads: number } {
  const { options, pinned: _, ...given } = session;
  return { threads, ...definedOnly(given), ...(options === undefined ? {} : { config: options }) };
}

function dimsOf(dims: NonNullable<PaddingBuckets['dims']>): Padding['dims'] {
  return dims === 'powers' ? dims : new Map(Object.entries(dims));
}

function definedOnly<T extends object>(given: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as never;
}
