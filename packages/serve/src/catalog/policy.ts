/** The settings of a model as the policy its scheduler decides by: total, with the defaults filled in. */
import { DEFAULT_POLICY, type QueuePolicy as LevelPolicy, type SchedulePolicy } from '../schedule/policy.ts';
import type { ModelSettings, QueuePolicy } from './settings.ts';

export function policyOf({ batching, priorities, timeouts }: ModelSettings): SchedulePolicy {
  const { maxBatchSize, latencyBudgetMs, maxQueueRows, maxQueueBytes, ...defaults } = DEFAULT_POLICY;
  const queue = level(timeouts ?? {}, defaults.queue);
  return {
    ...defaults,
    maxBatchSize: batching?.maxBatchSize ?? maxBatchSize,
    latencyBudgetMs: batching?.latencyBudgetMs ?? latencyBudgetMs,
    maxQueueRows: batching?.maxQueueRows ?? maxQueueRows,
    maxQueueBytes: batching?.maxQueueBytes ?? maxQueueBytes,
    priorities: {
      ...defaults.priorities,
      levels: priorities?.levels ?? defaults.priorities.levels,
      default: priorities?.default ?? defaults.priorities.default,
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
