/**
 * The statistics extension: what a model has done since it was loaded, which `perf_analyzer` reads before and after.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
 *
 * Of the time of a request, `queue` is until it executes, `compute_infer` in the runner (tensors there and back included),
 * `compute_input` from the complete request to tensors, `compute_output` from tensors to the answer. By batch, only the time in
 * the runner is known: bodies are read and answers written by request, not by batch.
 */
import type { Histogram } from '../../telemetry/histogram.ts';
import { OUTCOMES, type Timing, type VersionStats } from '../../telemetry/stats.ts';
import { type Models, type Selector, type ServedVersion } from '../gateway.ts';
import type { Schema } from './message.ts';

interface Duration {
  readonly count: number;
  readonly ns: number;
}

interface ModelStatistics {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly last_inference: number;
  /** Rows that were computed. */
  readonly inference_count: number;
  /** Calls to a runner. */
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<string, Duration>>;
  readonly response_stats: Readonly<Record<string, never>>;
  readonly batch_stats: readonly ({ readonly batch_size: number } & Readonly<Record<string, Duration | number>>)[];
  readonly memory_usage: readonly { readonly type: string; readonly id: number; readonly byte_size: number }[];
}

const DURATION: Schema = { count: [1, 'int'], ns: [2, 'int'] };

export const STATISTICS: Schema = {
  model_stats: [
    1,
    'messages',
    {
      name: [1, 'string'],
      version: [2, 'string'],
      last_inference: [3, 'int'],
      inference_count: [4, 'int'],
      execution_count: [5, 'int'],
      inference_stats: [
        6,
        'message',
        {
          success: [1, 'message', DURATION],
          fail: [2, 'message', DURATION],
          queue: [3, 'message', DURATION],
          compute_input: [4, 'message', DURATION],
          compute_infer: [5, 'message', DURATION],
          compute_output: [6, 'message', DURATION],
          cache_hit: [7, 'message', DURATION],
          cache_miss: [8, 'message', DURATION],
        },
      ],
      batch_stats: [
        7,
        'messages',
        {
          batch_size: [1, 'int'],
          compute_input: [2, 'message', DURATION],
          compute_infer: [3, 'message', DURATION],
          compute_output: [4, 'message', DURATION],
        },
      ],
      memory_usage: [8, 'messages', { type: [1, 'string'], id: [2, 'int'], byte_size: [3, 'int'] }],
    },
  ],
};

/**
 * Of the versions that answer requests.
 * @param model null: every model
 * @throws MODEL_NOT_FOUND, VERSION_NOT_FOUND, NOT_READY, MODEL_UNAVAILABLE for a version that is named
 */
export async function statisticsOf(
  models: Models,
  model: string | null,
  selector: Selector,
): Promise<{ readonly model_stats: readonly ModelStatistics[] }> {
  const names = model === null ? models.names() : [model];
  const versions = names.flatMap((name) =>
    selector.kind === 'latest'
      ? models
          .status(name, selector)
          .filter(({ state }) => state === 'ready')
          .map(({ version }) => models.find(name, { kind: 'version', version }))
      : [models.find(name, selector)],
  );
  return { model_stats: await Promise.all(versions.map(modelStatistics)) };
}

async function modelStatistics(served: ServedVersion): Promise<ModelStatistics> {
  const { stats } = served;
  const batches = [...stats.batches].sort(([a], [b]) => a - b);
  return {
    name: served.model,
    version: String(served.version),
    last_inference: stats.lastAt,
    inference_count: stats.rows,
    execution_count: stats.batch.count,
    inference_stats: {
      success: { count: stats.outcomes.ok, ns: nanoseconds(stats.seconds.ok) },
      fail: failed(stats),
      queue: ofHistogram(stats.queue),
      compute_input: ofTiming(stats.input),
      compute_infer: ofHistogram(stats.compute),
      compute_output: ofTiming(stats.output),
      cache_hit: NEVER,
      cache_miss: NEVER,
    },
    response_stats: {},
    batch_stats: batches.map(([batch_size, timing]) => ({
      batch_size,
      compute_input: { count: timing.count, ns: 0 },
      compute_infer: ofTiming(timing),
      compute_output: { count: timing.count, ns: 0 },
    })),
    memory_usage: [{ type: 'CPU', id: 0, byte_size: await served.memoryBytes() }],
  };
}

/** There is no cache of answers. */
const NEVER: Duration = { count: 0, ns: 0 };

function failed({ outcomes, seconds }: VersionStats): Duration {
  const failures = OUTCOMES.filter((outcome) => outcome !== 'ok');
  return {
    count: failures.reduce((sum, outcome) => sum + outcomes[outcome], 0),
    ns: nanoseconds(failures.reduce((sum, outcome) => sum + seconds[outcome], 0)),
  };
}

const nanoseconds = (seconds: number): number => Math.round(seconds * 1e9);
const ofTiming = ({ count, seconds }: Timing): Duration => ({ count, ns: nanoseconds(seconds) });
const ofHistogram = ({ count, sum }: Histogram): Duration => ({ count, ns: nanoseconds(sum) });
